"""What the catalogue refuses, one class a reason; the faces turn each into Rucio's exception or an HTTP status."""

from rucio_dafab.errors import DafabError


def database_said(error: Exception) -> str:
    """Return the first line of what the database said, without what SQLAlchemy or Rucio put around it."""
    said = str(getattr(error, "orig", None) or error).strip()
    # Rucio's exceptions begin with what they are called.
    lines = (said.partition("Details: ")[2] or said).splitlines()
    return lines[0] if lines else type(error).__name__


class CatalogueError(DafabError):
    """A refusal of the catalogue."""


class DidUnknown(CatalogueError):
    """There is no DID of that scope and name, so nothing can hang on it."""


class LoadBroken(CatalogueError):
    """The database failed while a file was loaded: what was committed stays, and loading it again finishes it."""


class ChangeDenied(CatalogueError):
    """The account may not change the document of this DID."""


class MigrationError(CatalogueError):
    """Our tables cannot be brought to the wanted revision; the text says what the operator has to do."""
