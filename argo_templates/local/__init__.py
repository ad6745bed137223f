"""A local executor: runs the committed workflow YAML on one machine, or as jobs of one Slurm.

It is not Argo. It is another implementation of the part of Argo's documents that our templates use, written from
Argo's documentation, so that they can be run without a cluster. What it does not do it refuses by name before anything
runs; what only a cluster can enforce it names. See ``docs/workflows.md``.
"""
