"""The steps of the workflows: plain functions that Argo, Slurm, the local executor and the tests call alike."""
