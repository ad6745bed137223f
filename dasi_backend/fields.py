"""The keys of meteorological fields, as standard MARS requests name them, and the numbers of parameters."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from dasi_backend.errors import RequestError

FIELD_KEYS: Final = ("class", "expver", "stream", "type", "domain", "levtype", "levelist", "param", "step", "number")
"""Keys that fields have, and neither scenes nor documents."""

SHARED_KEYS: Final = ("date", "time")
"""Keys that fields and scenes have alike."""

_NUMBER: Final = re.compile(r"\d{1,6}")
_TIME: Final = re.compile(r"(\d{1,2})(?::?(\d{2}))?(?::?00)?")
_NUMBER_AND_TABLE: Final = re.compile(r"(\d{1,3})\.(\d{1,3})")
_ECMWF: Final = 128
"""The table of parameters whose numbers stand for themselves."""


def canonical(key: str, value: str) -> str:
    """Return a value as an FDB of fields writes it: ``0001`` for ``expver=1``, ``1200`` for ``time=12``.

    Raises:
        RequestError: naming the key and the value, if it is no time or no parameter.
    """
    value = value.lower()
    if key == "param":
        return parameter(value)
    if key == "expver":
        return value.zfill(4)
    if key != "time":
        return value
    found = _TIME.fullmatch(value)
    hour, minute = (int(found[1]), int(found[2] or 0)) if found else (24, 0)
    if hour > 23 or minute > 59:
        raise RequestError(f"time={value}: write an hour, or hour and minute: 12, 1200 or 12:00")
    return f"{hour:02}{minute:02}"


def parameter(value: str) -> str:
    """Return the number of a parameter: of ``167``, ``167.128`` or ``2t``.

    A short name is that of the parameter with the lowest number among those that metkit calls so.

    Raises:
        RequestError: if there is no such parameter.
    """
    if _NUMBER.fullmatch(value):
        return str(int(value))
    if found := _NUMBER_AND_TABLE.fullmatch(value):
        number, table = int(found[1]), int(found[2])
        return str(number if table == _ECMWF else 1000 * table + number)
    known = _short_names().get(value.lower())
    if known is None:
        raise RequestError(f"param={value}: no parameter has this name")
    return str(known)


@cache
def _short_names() -> dict[str, int]:
    """Return numbers by short name, from the table that comes with metkit: under each number the names, one a line."""
    package = find_spec("metkitlib")
    places = list(package.submodule_search_locations or ()) if package else []
    table = Path(places[0]) / "share" / "metkit" / "paramids.yaml" if places else None
    if table is None or not table.is_file():
        raise RequestError("param: the table of short names (metkitlib) is not installed: name parameters by number")
    names: dict[str, int] = {}
    number = 0
    for line in table.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"(\d+):", line):
            number = int(heading[1])
        elif (name := re.fullmatch(r"- '?([a-z0-9_]+)'?", line)) and number:
            names[name[1]] = min(number, names.get(name[1], number))
    return names
