"""What is wrong with a document; the faces turn each into Rucio's exception or an HTTP status."""

from rucio_dafab.errors import DafabError


class DocumentError(DafabError):
    """A refusal about a document itself."""


class DocumentInvalid(DocumentError):
    """A document, or a value for one of its members, cannot be kept; the text names the member by JSON pointer."""


class KeyUnknown(DocumentError):
    """The document has no such member."""
