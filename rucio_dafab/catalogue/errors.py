"""What the catalogue refuses, one class a reason; the faces turn each into Rucio's exception or an HTTP status."""

from rucio_dafab.errors import DafabError


class CatalogueError(DafabError):
    """A refusal of the catalogue."""


class DocumentInvalid(CatalogueError):
    """A document, or a value for one of its members, cannot be kept; the text names the member by JSON pointer."""


class DidUnknown(CatalogueError):
    """There is no DID of that scope and name, so nothing can hang on it."""


class KeyUnknown(CatalogueError):
    """The document has no such member."""


class MigrationError(CatalogueError):
    """Our tables cannot be brought to the wanted revision; the text says what the operator has to do."""


class PublishConflict(CatalogueError):
    """What is registered already differs from what shall be published."""


class PublishDenied(CatalogueError):
    """The account may not publish in this collection."""
