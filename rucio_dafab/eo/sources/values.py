"""What is asked of an archive and what it answers, the same whatever the archive."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rucio_dafab.eo.sources.checksums import Checksum


@dataclass(frozen=True, slots=True)
class Question:
    """What to look for; what is None is not asked.

    Attributes:
        collection: A collection of ours (``sentinel_2_l2a``, ``sentinel_1_rtc``) or of the archive.
        geometry: GeoJSON geometry in WGS 84 that products must touch.
        start: Begin of the time span, UTC, included.
        end: End of the time span, UTC, included.
        cloud_cover: Per cent of clouds at most, 0…100.
        tile: MGRS tile without the T, ``32UNV``.
        identifier: The id of one product, or the name of one SAFE.
        limit: Products at most, the newest first.
    """

    collection: str | None = None
    geometry: Mapping[str, Any] | None = None
    start: datetime | None = None
    end: datetime | None = None
    cloud_cover: float | None = None
    tile: str | None = None
    identifier: str | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a product as the archive tells of it.

    Attributes:
        key: The key of its asset.
        band: The Sentinel band it holds (``B02``, ``SCL``, ``VV``); None for any other file.
        urls: Where it can be had, ``https`` or ``s3``, each as good as the others.
        size: Bytes, where the archive says so.
        checksums: Of the file, where the archive gives them.
        resolution: Pixel size in metres, where the archive says so.
    """

    key: str
    band: str | None
    urls: tuple[str, ...]
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    resolution: float | None = None


@dataclass(frozen=True)
class Found:
    """A product that an archive has.

    Attributes:
        provider: The archive's name, or its address where it has none here.
        id: The product's id there; of a SAFE its name without the suffix.
        collection: The collection as the archive names it.
        kind: What the product is, as far as the archive says: ``S2MSI2A``, ``IW_GRDH_1S``, ``RTC``.
        geometry: GeoJSON footprint in WGS 84, or None.
        start: Begin of the acquisition, UTC.
        end: End of the acquisition, UTC.
        cloud_cover: Per cent, or None.
        tile: MGRS tile without the T, or None.
        online: Whether it can be downloaded at once.
        size: Bytes of the whole product, or None.
        checksums: Of the whole product as one file.
        files: Its files, where the archive lists them.
        number: The archive's own number of it (OData), else empty.
        place: The path of the product in object storage (``/eodata/…``), else empty.
        item: The STAC item as it was answered; None from an archive without STAC.
    """

    provider: str
    id: str
    collection: str
    kind: str
    geometry: Mapping[str, Any] | None
    start: datetime
    end: datetime
    cloud_cover: float | None
    tile: str | None
    online: bool
    size: int | None
    checksums: tuple[Checksum, ...] = ()
    files: tuple[RemoteFile, ...] = ()
    number: str = ""
    place: str = ""
    item: Mapping[str, Any] | None = field(default=None, repr=False)
