"""Names that an item can have as a DID."""

import re
from typing import Final

from rucio_dafab.stac.errors import DocumentInvalid

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_]{0,199}")
"""Rucio's characters without slashes, short enough that a file's name fits behind."""


def checked_name(value: str, place: str) -> str:
    """Return a name that a DID can have.

    Raises:
        DocumentInvalid: if Rucio, or the path of a file, could not keep it.
    """
    if not _NAME.fullmatch(value) or ".." in value:
        raise DocumentInvalid(
            f"{place} must be at most 200 letters, digits, dots, dashes and underscores, for Rucio: {value[:80]!r}"
        )
    return value
