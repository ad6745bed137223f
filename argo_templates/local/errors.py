"""What the local executor refuses."""

import os

from rucio_dafab.errors import DafabError


class LocalError(DafabError):
    """A workflow cannot be run here; the text says why."""


class Unsupported(LocalError):
    """A document uses what the local executor does not do; the text names all of it."""


class ExpressionError(LocalError):
    """A condition, a ``depends`` or the expression of a retry cannot be read; the text names the place in it."""


class ParameterError(LocalError):
    """An argument that the workflow does not take, that is missing, or that is out of its enum."""


class TagError(LocalError):
    """A ``{{tag}}`` resolves to nothing."""


class RunError(LocalError):
    """A run cannot be found, read or taken up."""


class BackEndError(LocalError):
    """A back end cannot run pods: its commands are absent, or it refuses."""

    exit_code: int = os.EX_TEMPFAIL


class PodRefused(LocalError):
    """A back end refuses a pod for what it asks for: another try would be refused, too."""
