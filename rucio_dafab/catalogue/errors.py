"""What the catalogue refuses, one class a reason; the faces turn each into Rucio's exception or an HTTP status."""

from rucio_dafab.errors import DafabError


class CatalogueError(DafabError):
    """A refusal of the catalogue."""


class DidUnknown(CatalogueError):
    """There is no DID of that scope and name, so nothing can hang on it."""


class LoadBroken(CatalogueError):
    """A load was cut short: what was committed stays, and loading the file again finishes it."""


class ChangeDenied(CatalogueError):
    """The account may not change the document of this DID."""


class MigrationError(CatalogueError):
    """Our tables cannot be brought to the wanted revision; the text says what the operator has to do."""
