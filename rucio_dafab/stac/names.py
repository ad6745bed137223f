"""Names that an item can have as a DID."""

from rucio_dafab.names import LONGEST_ITEM, is_name, rule
from rucio_dafab.stac.errors import DocumentInvalid


def checked_name(value: str, place: str) -> str:
    """Return a name that an item can have as a DID.

    Raises:
        DocumentInvalid: if Rucio, or the path of a file, could not keep it.
    """
    if not is_name(value, LONGEST_ITEM):
        raise DocumentInvalid(f"{place} must be {rule(LONGEST_ITEM)}, for Rucio: {value[:80]!r}")
    return value
