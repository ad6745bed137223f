"""Named areas of interest: ``etc/areas/*.geojson``, asked for as ``@luxembourg``."""

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from rucio_dafab.resources import resources
from rucio_dafab.vocabulary.errors import VocabularyError


class Provider(Protocol):
    """Who knows more areas than the files: those of a catalogue's users, which stand in its database."""

    def geometry(self, key: str) -> BaseGeometry | None:
        """Return the polygon of an area by its normalised name, ``None`` for an unknown one."""

    def names(self) -> Iterable[str]:
        """Return the normalised names of all areas."""


@dataclass(frozen=True)
class Areas:
    """The areas of a folder of GeoJSON feature collections; a feature's ``properties.name`` (and ``aliases``) name it.

    Read at first use. Geometries are EPSG:4326, valid and split at the antimeridian, as the files promise. A name that
    no file has is asked of the provider, where there is one.
    """

    folder: Path
    provider: Callable[[], Provider | None] = field(default=lambda: None, compare=False, repr=False)
    _parsed: dict[str, BaseGeometry] = field(default_factory=dict, compare=False, repr=False)

    def geometry(self, name: str) -> BaseGeometry:
        """Return the polygon of the area called `name`; case, accents, blanks, ``-`` and ``_`` do not matter.

        Raises:
            VocabularyError: for an unknown name, with the nearest known ones.
        """
        found = self.find(name)
        if found is None:
            raise self.unknown(name)
        return found

    def find(self, name: str) -> BaseGeometry | None:
        """Return the polygon of the area called `name`, or ``None``."""
        key = normalise(name)
        if key not in self._sources:
            provider = self.provider()
            return provider.geometry(key) if provider is not None else None
        if key not in self._parsed:
            self._parsed[key] = shapely.from_geojson(orjson.dumps(self._sources[key]))
        return self._parsed[key]

    def unknown(self, name: str, others: Iterable[str] = ()) -> VocabularyError:
        """Return the refusal of a name, with the nearest of those of areas and of `others`."""
        known = {*self.names(), *map(normalise, others)}
        near = difflib.get_close_matches(normalise(name), sorted(known), n=3, cutoff=0.6)
        hint = f": did you mean {', '.join('@' + each for each in near)}?" if near else ""
        return VocabularyError(f"no area is called '@{name[:60]}'{hint}")

    def names(self) -> tuple[str, ...]:
        """Return every name an area can be asked by, sorted."""
        provider = self.provider()
        return tuple(sorted({*self._sources, *(provider.names() if provider is not None else ())}))

    def shipped(self) -> tuple[str, ...]:
        """Return the names that the files give, sorted: nobody else can take them."""
        return tuple(sorted(self._sources))

    @cached_property
    def _sources(self) -> Mapping[str, Any]:
        return {key: geometry for path in sorted(self.folder.glob("*.geojson")) for key, geometry in _read(path)}


def normalise(name: str) -> str:
    """Return `name` as a key: letters and digits of any script, case folded, with single hyphens between words.

    The accents of Latin letters are left out; the marks of other scripts, which make other letters, are kept composed
    (NFC).
    """
    plain: list[str] = []
    for letter in unicodedata.normalize("NFKD", name.casefold()):
        if not (unicodedata.combining(letter) and plain and plain[-1].isascii()):
            plain.append(letter)
    folded = unicodedata.normalize("NFC", "".join(plain).casefold())
    words = "".join(letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in folded)
    return "-".join(words.split())


_provider: Provider | None = None


def provide(provider: Provider | None) -> None:
    """Let this process ask for more areas than the shipped ones; the last one who is named is asked."""
    global _provider  # noqa: PLW0603 - the rooms below the catalogue cannot know it, so it makes itself known
    _provider = provider


@cache
def load() -> Areas:
    """Return the areas of this installation: ``etc/areas``, and what :func:`provide` was told."""
    return Areas(resources() / "etc" / "areas", provider=lambda: _provider)


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
