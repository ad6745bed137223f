"""What this room refuses, each in one line that names the scene or the model, the file and the reason."""

from pathlib import Path

from rucio_dafab.errors import DafabError


class SceneError(DafabError):
    """A scene that cannot be read or used: which file or band, and why."""


class BandUnreadable(SceneError):
    """A band file whose pixels, or whose header, cannot be read.

    Attributes:
        band: The band.
        path: The file.
        why: What is wrong with it, as it follows the path in the message.
    """

    def __init__(self, band: str, path: Path | str, why: str) -> None:
        super().__init__(f"band {band}: {path} {why}")
        self.band, self.path, self.why = band, path, why


class ModelError(DafabError):
    """A model file that cannot be used: which file, and why."""


class ProductError(DafabError):
    """A product that cannot be made or written: which file or scene, and why."""


class ParcelsError(DafabError):
    """Stored parcels that cannot be used: which file, and why."""
