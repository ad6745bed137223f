"""Targets: where answers are written, as a template such as ``out/[tile]_[date].tif``."""

import os
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dasi_backend.errors import TargetError
from dasi_backend.fields import FIELD_KEYS

FIELDS: Final = (
    *("id", "collection", "date", "tile", "asset", "name", "mission", "level", "orbit", "time", "baseline"),
    *FIELD_KEYS,
)
"""What a template may name; ``name`` is the file's own."""

_FIELD: Final = re.compile(r"\[([^\[\]]*)\]")
_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST_NAME: Final = 255
_LONGEST_PATH: Final = 4095 - 300
"""Bytes of a path that Linux opens (PATH_MAX), less room for what is in the folder of a scene."""


def check(template: str) -> None:
    """Refuse a template that names no file or an unknown field.

    Raises:
        TargetError: naming the field.
    """
    for field in _FIELD.findall(template):
        if field not in FIELDS:
            raise TargetError(f"target={template}: unknown field [{field}] (known are {', '.join(FIELDS)})")
    if template.endswith("/") or template in {"", ".", ".."}:
        raise TargetError(f"target={template}: it names a folder: write a file name such as {template}[id].tif")
    if "\0" in template or "[" in (rest := _FIELD.sub("", template)) or "]" in rest:
        raise TargetError(f"target={template}: a bracket is open or a character is not allowed")


def fill(template: str, values: Mapping[str, str], what: str) -> Path:
    """Return the path for one answer. What a template says is the user's; what an answer says cannot leave it.

    Args:
        template: A checked template.
        values: The answer's values by field.
        what: The answer, for errors.

    Raises:
        TargetError: if the answer lacks a field, or has a value that is no part of a file name.
    """

    def value(match: re.Match[str]) -> str:
        found = values.get(match[1])
        if not found:
            raise TargetError(f"target={template}: {what} has no {match[1]}")
        if not _SAFE.fullmatch(found):
            raise TargetError(f"target={template}: {what} has {match[1]}={found!r}, which is no part of a file name")
        return found

    path = Path(_FIELD.sub(value, template))
    too_long = max(map(_length, path.parts[:-1]), default=0) > _LONGEST_NAME or _length(str(path)) > _LONGEST_PATH
    if too_long or _length(path.name) > _LONGEST_NAME - 40:  # room for what a partial file is called
        raise TargetError(f"target={template}: the path for {what} is too long, or a name in it")
    return path


@dataclass(frozen=True, slots=True)
class Claim:
    """A path that an answer is to be written to.

    Attributes:
        template: The target that makes it.
        path: The path.
        what: The answer, for errors.
        content: What two answers have alike that are the same bytes; ``None`` for one like no other.
    """

    template: str
    path: Path
    what: str
    content: Hashable = None


def refuse_clashes(claims: Iterable[Claim]) -> None:
    """Refuse two answers for one path, also where two stores call them alike, and one within the other.

    One answer that two requests find is no clash: the second finds it written.

    Raises:
        TargetError: naming both.
    """
    taken: dict[Path, Claim] = {}
    for claim in claims:
        path = Path(os.path.abspath(claim.path))  # noqa: PTH100  # without the links that resolve() would follow
        other = taken.setdefault(path, claim)
        if other is not claim and (claim.content is None or claim.content != other.content):
            raise TargetError(
                f"target={claim.template}: {other.what} and {claim.what} would both be written to {claim.path}"
            )
    for path, claim in taken.items():
        if within := next((taken[parent] for parent in path.parents if parent in taken), None):
            raise TargetError(
                f"target={claim.template}: {claim.what} would be written into {within.path}, which is {within.what}"
            )


def _length(name: str) -> int:
    return len(os.fsencode(name))
