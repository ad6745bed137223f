"""Canonical keys: which product a scene is, in words that FDB keeps.

FDB compares values as text and builds file names of them, so a value is lower case, of ``[a-z0-9._-]``, and a date is
real. Sentinel-1 and -2 products say what they are in their identifiers; any other scene says it in its STAC item.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from dasi_backend.errors import KeyRefused

LEVEL_1: Final = ("mission", "level", "date")
LEVEL_2: Final = ("product", "tile", "orbit", "time", "baseline")
LEVEL_3: Final = ("kind", "band", "res", "part")
STORE_KEYS: Final = (*LEVEL_1, *LEVEL_2, *LEVEL_3)
INTEGERS: Final = ("orbit", "res")
WHERE: Final = "where"
"""The key of requests whose values are questions in CQL2, which no store keeps."""

MAX_ID: Final = 150
"""Characters of a product id: it becomes part of file names (255 bytes) beside the other keys and a host name."""

UNKNOWN: Final = "unknown"
"""The value of a key that a product does not have; FDB keeps no empty ones."""

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FORBIDDEN: Final = re.compile(r"[^A-Za-z0-9._-]")
_VALUE: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_RESERVED: Final = frozenset({"all", "off", "to", "by"})
_SENTINEL_2: Final = re.compile(
    r"(?P<mission>s2[a-d])_msi(?P<level>l1c|l2a)_(?P<date>\d{8})t(?P<time>\d{6})"
    r"_n(?P<baseline>\d{4})_r(?P<orbit>\d{3})_t(?P<tile>\d{2}[a-z]{3})(?:_|$)"
)
_SENTINEL_1: Final = re.compile(
    r"(?P<mission>s1[a-d])_(?:iw|ew|wv|s\d)_(?P<level>[a-z]{3})[a-z_]_\w{4}_(?P<date>\d{8})t(?P<time>\d{6})_"
)


@dataclass(frozen=True, slots=True)
class ProductKey:
    """The keys of one product: a database (mission, level, date) and an index in it.

    Attributes:
        id: The identifier as its item writes it; its lower case is the key ``product``.
        mission: Satellite or constellation: ``s2a``, ``s1``, ``sentinel-3``.
        level: Processing level or product type: ``l2a``, ``rtc``.
        date: Day of the observation, ``YYYYMMDD`` (UTC).
        tile: MGRS square, such as ``33uwp``.
        orbit: Relative orbit number, 0 where it is not known.
        time: ``HHMMSS`` (UTC).
        baseline: Processing baseline, such as ``0509``.
        dated_by: The member of the item that date and time come from; ``id`` when the identifier says them.
    """

    id: str
    mission: str
    level: str
    date: str
    tile: str = UNKNOWN
    orbit: int = 0
    time: str = "000000"
    baseline: str = UNKNOWN
    dated_by: str = field(default="id", compare=False)

    def __post_init__(self) -> None:
        check_id(self.id)
        for name in ("mission", "level", "tile", "time", "baseline"):
            check_value(name, getattr(self, name))
        check_date(self.date)

    def __str__(self) -> str:
        """Return the key as DASI writes one, to be read by :meth:`parse`."""
        return ",".join(f"{name}={getattr(self, name)}" for name in ("id", *LEVEL_1, *LEVEL_2[1:]))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the key that ``str`` wrote.

        Raises:
            KeyRefused: if it is no such text.
        """
        pairs = dict(pair.split("=", 1) for pair in text.split(",") if "=" in pair)
        if pairs.keys() != {"id", *LEVEL_1, *LEVEL_2[1:]} or not re.fullmatch(r"\d{1,6}", pairs["orbit"]):
            raise KeyRefused(f"{text!r} is no key of a product")
        return cls(**(pairs | {"orbit": int(pairs["orbit"])}))  # type: ignore[arg-type]

    @property
    def product(self) -> str:
        """The canonical identifier."""
        return self.id.lower()

    @property
    def database(self) -> dict[str, str]:
        """The keys of level 1."""
        return {name: getattr(self, name) for name in LEVEL_1}

    @property
    def index(self) -> dict[str, str]:
        """The keys of levels 1 and 2."""
        return self.database | {name: str(getattr(self, name)) for name in LEVEL_2}

    @property
    def database_name(self) -> str:
        """The name of the database's folder in the store."""
        return ":".join(self.database.values())

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Return the key of the product that a STAC item describes.

        Raises:
            KeyRefused: if the id has characters or a length that FDB cannot keep, or the item has no date.
        """
        identifier = item.get("id")
        if not isinstance(identifier, str):
            raise KeyRefused(f"the item has no id (it says {identifier!r})")
        check_id(identifier)
        properties = item.get("properties") or {}
        named = from_identifier(identifier)
        if not named:
            moment, dated_by = _moment(identifier, properties)
            named = {"date": f"{moment:%Y%m%d}", "time": f"{moment:%H%M%S}"}
        else:
            dated_by = "id"
        keys = described(properties) | named
        return cls(id=identifier, dated_by=dated_by, **(keys | {"orbit": int(keys["orbit"])}))  # type: ignore[arg-type]


def described(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the keys that the properties of an item say, :data:`UNKNOWN` (orbit 0) where they say nothing."""
    orbit = str(properties.get("sat:relative_orbit"))
    return {
        "mission": _mission(properties),
        "level": _level(properties),
        "tile": _tile(properties),
        "orbit": orbit if re.fullmatch(r"\d{1,6}", orbit) else "0",
        "baseline": _slug(str(properties.get("s2:processing_baseline") or "").replace(".", "")),
    }


def from_identifier(identifier: str) -> dict[str, str]:
    """Return the keys that a Sentinel product identifier says; an empty dictionary for any other identifier."""
    for pattern in (_SENTINEL_2, _SENTINEL_1):
        if found := pattern.match(identifier.lower()):
            keys = found.groupdict()
            try:
                check_date(keys["date"])
            except KeyRefused:
                return {}
            return keys
    return {}


def check_id(identifier: str) -> None:
    """Refuse an identifier that FDB cannot keep.

    Raises:
        KeyRefused: naming the identifier and the character or the length.
    """
    if found := _FORBIDDEN.search(identifier):
        raise KeyRefused(
            f"the id '{identifier}' has the character {found[0]!r}: only letters, digits and . _ - are kept"
        )
    if len(identifier) > MAX_ID:
        raise KeyRefused(f"the id '{identifier}' has {len(identifier)} characters: at most {MAX_ID} are kept")
    if not _ID.fullmatch(identifier):
        raise KeyRefused(
            f"the id '{identifier}' begins with {identifier[:1]!r}: it must begin with a letter or a digit"
        )
    if identifier.lower() in _RESERVED:
        raise KeyRefused(f"the id '{identifier}' is a word of the request language")


def check_value(name: str, value: str) -> None:
    """Refuse a value that is not canonical.

    Raises:
        KeyRefused: naming the key and the value.
    """
    if value in _RESERVED:
        raise KeyRefused(f"{name}={value}: a word of the request language; for every value leave the key out")
    if len(value) > MAX_ID:
        raise KeyRefused(f"{name}={value[:32]}…: {len(value)} characters, and the store keeps {MAX_ID}")
    if not _VALUE.fullmatch(value):
        raise KeyRefused(f"{name}={value}: the store keeps lower case letters, digits and . _ - only")


def canonical(name: str, value: str) -> str:
    """Return a value as the store writes it.

    Raises:
        KeyRefused: naming the key and the value, if it is none that the store could hold.
    """
    value = value.lower()
    if name == "date":
        check_date(value.replace("-", ""))
        return value.replace("-", "")
    if name in INTEGERS:
        if not re.fullmatch(r"\d{1,9}", value):
            raise KeyRefused(f"{name}={value}: not a whole number")
        return str(int(value))
    check_value(name, value)
    return value


def check_date(value: str) -> None:
    """Refuse what is not a real day written ``YYYYMMDD``.

    Raises:
        KeyRefused: naming the value.
    """
    try:
        real = re.fullmatch(r"\d{8}", value) is not None and bool(
            datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC)
        )
    except ValueError:
        real = False
    if not real:
        raise KeyRefused(f"date={value}: not a real day written YYYYMMDD")


def _moment(identifier: str, properties: Mapping[str, Any]) -> tuple[datetime, str]:
    for name in ("datetime", "start_datetime"):
        if text := properties.get(name):
            try:
                moment = datetime.fromisoformat(str(text))
                return (moment.astimezone(UTC) if moment.tzinfo else moment), name
            except (ValueError, OverflowError) as error:
                raise KeyRefused(f"the item '{identifier}' has {name}={text!r}, which is no time") from error
    raise KeyRefused(
        f"the item '{identifier}' has neither datetime nor start_datetime: the store files products by day"
    )


def _mission(properties: Mapping[str, Any]) -> str:
    name = str(properties.get("platform") or properties.get("constellation") or "").lower()
    if found := re.fullmatch(r"sentinel-?([1-6])([a-d]?)", name):
        return f"s{found[1]}{found[2]}"
    return _slug(name)


def _level(properties: Mapping[str, Any]) -> str:
    if found := re.fullmatch(r"s2msi(1c|2a)", str(properties.get("product:type") or "").lower()):
        return f"l{found[1]}"
    return _slug(str(properties.get("processing:level") or properties.get("product:type") or ""))


def _tile(properties: Mapping[str, Any]) -> str:
    code = str(properties.get("grid:code") or properties.get("s2:mgrs_tile") or "")
    return _slug(code.removeprefix("MGRS-"))


def _slug(text: str) -> str:
    """Return text as a canonical value of at most 32 characters."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:32].rstrip("-._")
    return UNKNOWN if not slug or slug in _RESERVED else slug
