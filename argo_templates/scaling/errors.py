"""What scaling refuses."""

import os

from rucio_dafab.errors import DafabError


class ScaleError(DafabError):
    """The limits cannot be adapted; the text says why."""


class NoAnswer(ScaleError):
    """Slurm or Kubernetes does not answer now, or somebody else has changed the limits meanwhile."""

    exit_code: int = os.EX_TEMPFAIL
