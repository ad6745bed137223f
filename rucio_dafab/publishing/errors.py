"""Why a product is not published."""

from rucio_dafab.errors import DafabError


class PublishConflict(DafabError):
    """What is registered already differs from what shall be published."""


class PublishDenied(DafabError):
    """The account may not publish in this collection."""
