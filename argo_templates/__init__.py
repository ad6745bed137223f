"""Workflow templates made with Hera, and the plain step functions that they run."""
