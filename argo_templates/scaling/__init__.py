"""How many heavy pods are in flight at a supercomputer: asked of Slurm, written to the limits of the semaphores.

The formula is a pure function (:mod:`argo_templates.scaling.formula`); nothing here cancels or submits anything.
"""
