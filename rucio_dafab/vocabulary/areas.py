"""Named areas of interest: ``etc/areas/*.geojson``, asked for as ``@luxembourg``."""

import difflib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from rucio_dafab.resources import resources
from rucio_dafab.vocabulary.errors import VocabularyError


@dataclass(frozen=True)
class Areas:
    """The areas of a folder of GeoJSON feature collections; a feature's ``properties.name`` (and ``aliases``) name it.

    Read at first use. Geometries are EPSG:4326, valid and split at the antimeridian, as the files promise.
    """

    folder: Path
    _parsed: dict[str, BaseGeometry] = field(default_factory=dict, compare=False, repr=False)

    def geometry(self, name: str) -> BaseGeometry:
        """Return the polygon of the area called `name`; case, accents, blanks, ``-`` and ``_`` do not matter.

        Raises:
            VocabularyError: for an unknown name, with the nearest known ones.
        """
        key = normalise(name)
        if key not in self._sources:
            near = difflib.get_close_matches(key, self._sources, n=3, cutoff=0.6)
            hint = f": did you mean {', '.join('@' + each for each in near)}?" if near else ""
            raise VocabularyError(f"no area is called '@{name[:60]}'{hint}")
        if key not in self._parsed:
            self._parsed[key] = shapely.from_geojson(orjson.dumps(self._sources[key]))
        return self._parsed[key]

    def names(self) -> tuple[str, ...]:
        """Return every name an area can be asked by, sorted."""
        return tuple(sorted(self._sources))

    @cached_property
    def _sources(self) -> Mapping[str, Any]:
        return {key: geometry for path in sorted(self.folder.glob("*.geojson")) for key, geometry in _read(path)}


def normalise(name: str) -> str:
    """Return `name` as a key: lower case ASCII letters and digits with single hyphens between words."""
    plain = unicodedata.normalize("NFKD", name.casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[^\w]+|_+", "-", plain).strip("-")


@cache
def load() -> Areas:
    """Return the areas of this installation (``etc/areas``)."""
    return Areas(resources() / "etc" / "areas")


def geometry(name: str) -> BaseGeometry:
    """Return the polygon of the area called `name` in this installation; see :meth:`Areas.geometry`."""
    return load().geometry(name)


def _read(path: Path) -> list[tuple[str, Any]]:
    try:
        features = orjson.loads(path.read_bytes())["features"]
        return [
            (normalise(name), feature["geometry"])
            for feature in features
            for name in (feature["properties"]["name"], *feature["properties"].get("aliases", []))
        ]
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise VocabularyError(f"the areas of {path.name} cannot be read: {error}") from error
