"""Names of DIDs: the characters of Rucio's generic schema, without slashes, and who needs how many of them.

No slash, because ``rucio download`` writes to a path made of the name and makes no folder for it.
"""

import re
from typing import Final

LONGEST: Final = 250
"""Characters that Rucio's generic schema allows."""

LONGEST_ITEM: Final = 200
"""So that the name of a file, ``<item>.<file name>``, still fits."""

LONGEST_SCENE: Final = 150
"""So that what the ids of derived items append still fits."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-_]*")


def is_name(value: str, longest: int = LONGEST) -> bool:
    """Tell whether a DID, or a part of its name, can be called so."""
    return len(value) <= longest and _NAME.fullmatch(value) is not None and ".." not in value


def rule(longest: int) -> str:
    """Return what :func:`is_name` asks for, for a message."""
    return f"at most {longest} letters, digits, dots, dashes and underscores"
