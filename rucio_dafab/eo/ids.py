"""The names Sentinel-2 products and their granules go by, taken apart and put together.

Sources: Sentinel-2 Products Specification Document (naming convention of the compact format since December 2016, of the
PDMC format before it, and of product data items). Ids of scenes that are no products (``terramesh_…``) are allowed
everywhere; they are simply not parsed.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from rucio_dafab.eo.errors import SceneError

_STAMP = "%Y%m%dT%H%M%S"
# MGRS: zone 01…60, latitude band C…X, column and row of the 100 km square; I and O are never used.
_TILE = r"(?P<tile>(?:0[1-9]|[1-5]\d|60)[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])"
_TIME = r"\d{8}T\d{6}"
_COMPACT = re.compile(
    rf"(?P<mission>S2[A-D])_MSI(?P<level>L1C|L2A)_(?P<sensed>{_TIME})(?:_N(?P<baseline>\d{{4}}))?_R(?P<orbit>\d{{3}})_T{_TILE}"
    rf"_(?P<discriminator>{_TIME})"
)
_PDMC = re.compile(
    rf"(?P<mission>S2[A-D])_(?:OPER|USER)_PRD_MSI(?P<level>L1C|L2A)_[A-Z0-9_]{{4}}_(?P<created>{_TIME})_R(?P<orbit>\d{{3}})"
    rf"_V(?P<sensed>{_TIME})_(?P<end>{_TIME})"
)
_ITEM = re.compile(
    rf"(?P<mission>S2[A-D])_(?:OPER|USER)_MSI_(?P<level>L1C|L2A)_(?P<kind>TL|DS)_[A-Z0-9_]{{4}}_(?P<created>{_TIME})_"
    rf"(?:A(?P<orbit>\d{{6}})_T{_TILE}|S(?P<sensed>{_TIME}))(?:_N(?P<major>\d\d)\.(?P<minor>\d\d))?"
)

_RADAR = re.compile(r"S1[A-D]_(?:IW|EW|S\d|WV)_(?P<kind>GRD[HMF]?|SLC|RAW|OCN)_", re.IGNORECASE)


@dataclass(frozen=True)
class ProductId:
    """The name of a Sentinel-2 product in the compact format.

    Attributes:
        mission: ``S2A`` … ``S2D``.
        level: ``L1C`` or ``L2A``.
        sensed: Start of the datatake, UTC, whole seconds.
        baseline: Processing baseline, ``05.09``; None in the names of catalogues that leave it out.
        relative_orbit: 1…143.
        tile: MGRS tile without the T, ``32UNV``.
        discriminator: Tells products of one datatake apart; an early time of processing, UTC.
    """

    mission: str
    level: str
    sensed: datetime
    baseline: str | None
    relative_orbit: int
    tile: str
    discriminator: datetime

    @property
    def platform(self) -> str:
        """STAC's name of the satellite: ``sentinel-2a``."""
        return platform(self.mission)

    def __str__(self) -> str:
        baseline = f"_N{self.baseline.replace('.', '')}" if self.baseline else ""
        observed = f"{self.mission}_MSI{self.level}_{self.sensed:{_STAMP}}{baseline}_R{self.relative_orbit:03d}"
        return f"{observed}_T{self.tile}_{self.discriminator:{_STAMP}}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a name apart; the suffix ``.SAFE`` may be there.

        Raises:
            SceneError: if it is no compact product name, or one of a time or orbit that cannot be.
        """
        match = _COMPACT.fullmatch(text.removesuffix(".SAFE"))
        if match is None:
            raise SceneError(
                f"{text!r} is no Sentinel-2 product name (S2A_MSIL2A_<time>_N<baseline>_R<orbit>_T<tile>_<time>)"
            )
        baseline = match["baseline"]
        return cls(
            match["mission"],
            match["level"],
            _time(match["sensed"], text),
            f"{baseline[:2]}.{baseline[2:]}" if baseline else None,
            _relative_orbit(match["orbit"], text),
            match["tile"],
            _time(match["discriminator"], text),
        )


@dataclass(frozen=True)
class OldProductId:
    """The name of a product before December 2016, which held several tiles; times are UTC, the orbit is relative."""

    mission: str
    level: str
    created: datetime
    relative_orbit: int
    sensed: datetime
    end: datetime

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a name of the PDMC format apart; the suffix ``.SAFE`` may be there.

        Raises:
            SceneError: if it is no such name.
        """
        match = _PDMC.fullmatch(text.removesuffix(".SAFE"))
        if match is None:
            raise SceneError(f"{text!r} is no Sentinel-2 product name of the format before December 2016")
        times = [_time(match[group], text) for group in ("created", "sensed", "end")]
        return cls(
            match["mission"], match["level"], times[0], _relative_orbit(match["orbit"], text), times[1], times[2]
        )


@dataclass(frozen=True)
class DataItemId:
    """The name of a granule (``TL``) or a datastrip (``DS``).

    Attributes:
        mission: ``S2A`` … ``S2D``.
        level: ``L1C`` or ``L2A``.
        kind: ``TL`` or ``DS``.
        created: When it was made, UTC.
        absolute_orbit: Of a granule.
        tile: Of a granule, without the T.
        sensed: Of a datastrip: when its sensing began, UTC.
        baseline: ``05.09`` where the name ends with it.
    """

    mission: str
    level: str
    kind: str
    created: datetime
    absolute_orbit: int | None
    tile: str | None
    sensed: datetime | None
    baseline: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take the name of a granule or a datastrip apart.

        Raises:
            SceneError: if it is neither.
        """
        match = _ITEM.fullmatch(text)
        if match is None or (match["kind"] == "TL") != (match["tile"] is not None):
            raise SceneError(f"{text!r} is no name of a Sentinel-2 granule or datastrip")
        return cls(
            match["mission"],
            match["level"],
            match["kind"],
            _time(match["created"], text),
            int(match["orbit"]) if match["orbit"] else None,
            match["tile"],
            _time(match["sensed"], text) if match["sensed"] else None,
            f"{match['major']}.{match['minor']}" if match["major"] else None,
        )


def platform(mission: str) -> str:
    """Return STAC's name of a satellite: ``S2A`` is ``sentinel-2a``."""
    return f"sentinel-{mission[1:].lower()}"


def is_product_name(text: str) -> bool:
    """Tell whether a text is the name of a Sentinel-2 product in the compact format."""
    try:
        ProductId.parse(text)
    except SceneError:
        return False
    return True


def raw_radar(text: str) -> str:
    """Return the kind of raw Sentinel-1 product that a name is of: ``GRDH``, ``SLC`` …; empty for any other name.

    Terrain-corrected products keep the name of what they were made from, with ``rtc`` in it.
    """
    match = _RADAR.match(text)
    return match["kind"].upper() if match and "rtc" not in text.lower() else ""


def why_not_raw(name: str, kind: str) -> str:
    """Return why a product of raw Sentinel-1 is refused, in one line."""
    return (
        f"{name} is raw Sentinel-1 ({kind}): only terrain-corrected backscatter (gamma0, RTC) can be used,"
        " as mountains displace and brighten the ground in radar geometry"
    )


def _time(text: str, name: str) -> datetime:
    try:
        return datetime.strptime(text, _STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        raise SceneError(f"{name!r}: {text} is no time") from error


def _relative_orbit(text: str, name: str) -> int:
    orbit = int(text)
    if not 1 <= orbit <= 143:
        raise SceneError(f"{name!r}: relative orbit {orbit} is not one of 1 to 143")
    return orbit
