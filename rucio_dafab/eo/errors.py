"""What this room refuses, each in one line that names the scene or the model, the file and the reason."""

from rucio_dafab.errors import DafabError


class SceneError(DafabError):
    """A scene that cannot be read or used: which file or band, and why."""


class ModelError(DafabError):
    """A model file that cannot be used: which file, and why."""


class ProductError(DafabError):
    """A product that cannot be made or written: which file or scene, and why."""
