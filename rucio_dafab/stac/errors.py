"""What is wrong with a document; the faces turn each into Rucio's exception or an HTTP status."""

from rucio_dafab.errors import DafabError


class DocumentError(DafabError):
    """A refusal about a document itself."""


class DocumentInvalid(DocumentError):
    """A document, or a value for one of its members, cannot be kept; the text names the member by JSON pointer."""


class KeyUnknown(DocumentError):
    """The document has no such member."""


class DocumentTooLarge(DocumentInvalid):
    """A document has more bytes than one may have."""


class PathInvalid(DocumentInvalid):
    """A JSON pointer is none, or cannot lead anywhere in the document."""


class PathUnknown(KeyUnknown):
    """What a change names is not in the document."""


class PathOccupied(DocumentError):
    """Something is already where a change would insert."""


class SchemaUnknown(DocumentError):
    """There is no schema of that name, or no such version of it."""


class SchemaError(DocumentError):
    """A file of ``etc/schemas`` cannot be used."""
