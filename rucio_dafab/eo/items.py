"""Derived STAC 1.1 items: what every product says of itself, its source, its model and its files.

Nothing here asks a clock: the same scene and model give the same document.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from shapely.geometry import shape

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ProductError
from rucio_dafab.eo.footprint import bounds

SOFTWARE = "rucio-dafab"
PRODUCTS_REVISION = "1"
"""What products say of the code that made them. Not the release: one that makes the same products must not change their
bytes: an id is published once. Raise it, with the models' versions, when their making changes."""
THEMES_SCHEME = "https://w3id.org/dafab/ontology#"
SIMULATED = "dafab:simulated"
EXTENSIONS = (
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/themes/v1.0.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
)
_EO_EXTENSION = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
_ALTERNATES_EXTENSION = "https://stac-extensions.github.io/alternate-assets/v1.2.0/schema.json"
ALTERNATES = "alternate"
# What a product inherits: when, from what and where it was seen.
_INHERITED = (
    "datetime", "start_datetime", "end_datetime", "platform", "constellation", "instruments", "gsd", "eo:cloud_cover",
    "grid:code", "sat:relative_orbit", "sat:orbit_state", SIMULATED,
)  # fmt: skip
_LEGAL_NOTICE = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
SECOND_ACQUISITION = "dafab:second_acquisition"
_WITH = re.compile(r"_with_\d{8}T\d{6}$")
_VERSION = re.compile(r"^(\d{1,4})\.(\d)\.(\d)$")


class ModelCard(Protocol):
    """What a product records of the model that made it; :class:`rucio_dafab.eo.inference.Model` has it."""

    @property
    def name(self) -> str:
        """What the model is called."""

    @property
    def version(self) -> str:
        """Its version, ``major.minor.patch``."""

    @property
    def sha256(self) -> str:
        """Checksum of its file, hexadecimal."""


@dataclass(frozen=True)
class Asset:
    """One file of a product before it is written.

    Attributes:
        file: File name.
        content: Its bytes.
        media_type: Its media type.
        title: What it is, for people.
        roles: STAC roles.
        members: Further members of the asset's document.
        formats: The same content in other formats, by what follows the asset's key in theirs. They stand within the
            asset (STAC's extension alternate-assets): the live catalogue's profiles name every asset an item may have.
    """

    file: str
    content: bytes
    media_type: str
    title: str
    roles: tuple[str, ...]
    members: Mapping[str, Any] = field(default_factory=dict)
    formats: Mapping[str, "Asset"] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Return the checksum of the content, hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    def document(self) -> dict[str, Any]:
        """Return the asset's document; the href is relative to the item. 1220 is multihash's prefix of sha2-256."""
        return {
            "href": f"./{self.file}",
            "type": self.media_type,
            "title": self.title,
            "roles": list(self.roles),
            "file:size": len(self.content),
            "file:checksum": f"1220{self.sha256}",
            **self.members,
            **({ALTERNATES: {name: other.document() for name, other in self.formats.items()}} if self.formats else {}),
        }


def with_formats(assets: Mapping[str, Asset]) -> dict[str, Asset]:
    """Return assets by their keys, other formats of one too: ``<its key>-<name of the format>``."""
    others = {f"{key}-{name}": other for key, asset in assets.items() for name, other in asset.formats.items()}
    return {**assets, **others}


def version_number(version: str) -> int:
    """Return the number that stands for a version in ids, as the live catalogue has it: 2.1.3 is 213.

    Raises:
        ProductError: if the version is not ``major.minor.patch`` with one digit for minor and patch, or is 0.0.0.
    """
    match = _VERSION.match(version)
    number = int("".join(match.groups())) if match else 0
    if not number:
        raise ProductError(f"version {version} of a model cannot stand in an item's id: expected such as 1.2.0")
    return number


def derived_id(scene: Scene, collection: str, model: ModelCard) -> str:
    """Return the id of a product: source, collection and the number of the algorithm's version.

    What a second acquisition was used for is another product of the scene: its id says the time of that one, too.
    """
    second = f"_with_{_moment(scene, scene.second):%Y%m%dT%H%M%S}" if scene.second else ""
    return f"{scene.id}{second}_{collection}_{version_number(model.version)}"


def scene_of(product: str, collection: str) -> str:
    """Return the id of the scene in the id of a product (:func:`derived_id`); empty where it has another form."""
    return _WITH.sub("", product.rpartition(f"_{collection}_")[0])


def derived_item(
    scene: Scene,
    collection: str,
    model: ModelCard,
    *,
    properties: Mapping[str, Any],
    concepts: Sequence[str],
    assets: Mapping[str, Asset],
) -> dict[str, Any]:
    """Return the item of a product.

    Args:
        scene: The source.
        collection: ``water_analysis`` or ``smart_agriculture``.
        model: What made it; its version is the product's.
        properties: The product's own properties.
        concepts: Classes of the ontology, by local name.
        assets: Its files by key.
    """
    second = {SECOND_ACQUISITION: dict(scene.second)} if scene.second else {}
    acquisitions = _acquisitions(scene)
    lineage = f"{model.name} {model.version} on {' and '.join(acquisitions)}"
    return item_of(
        scene,
        derived_id(scene, collection, model),
        collection,
        properties={**provenance(scene, model.version, lineage), **_model(model), **second, **properties},
        concepts=concepts,
        sources=acquisitions,
        assets=assets,
    )


def item_of(
    scene: Scene,
    identifier: str,
    collection: str,
    *,
    properties: Mapping[str, Any],
    concepts: Sequence[str],
    sources: Sequence[str],
    assets: Mapping[str, Asset],
) -> dict[str, Any]:
    """Return an item with the place, the time and the grid of a scene.

    Args:
        scene: Where and when it was seen.
        identifier: The item's id.
        collection: Its collection.
        properties: Its own, provenance included.
        concepts: Classes of the ontology, by local name.
        sources: Ids of what it was derived from, the scene first.
        assets: Its files by key.
    """
    geometry = scene.item["geometry"]
    themes = [{"scheme": THEMES_SCHEME, "concepts": [{"id": concept} for concept in concepts]}]
    every = {**_inherited(scene), **projection(scene), **properties, "themes": themes}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _extensions(every, assets),
        "id": identifier,
        "collection": collection,
        "geometry": geometry,
        "bbox": scene.item.get("bbox") or bounds(shape(geometry)),
        "properties": every,
        "links": _links(scene, sources),
        "assets": {key: asset.document() for key, asset in assets.items()},
    }


def _extensions(properties: Mapping[str, Any], assets: Mapping[str, Asset]) -> list[str]:
    return [
        *EXTENSIONS,
        *([_EO_EXTENSION] if "eo:cloud_cover" in properties else []),
        *([_ALTERNATES_EXTENSION] if any(asset.formats for asset in assets.values()) else []),
    ]


def provenance(scene: Scene, version: str, lineage: str) -> dict[str, Any]:
    """Return who made an item of a scene how, and under which licence; ``version`` is that of the algorithm."""
    source = scene.item["properties"]
    return {
        "processing:level": "L4",
        "processing:version": version,
        "processing:software": {SOFTWARE: PRODUCTS_REVISION},
        "processing:lineage": lineage,
        "license": source.get("license", "other"),
        "providers": _providers(scene),
        "attribution": attribution(scene),
    }


def projection(scene: Scene) -> dict[str, Any]:
    """Return the grid of a scene as an item made on it states it (STAC's extension projection)."""
    code = scene.crs.to_authority()
    return {
        "proj:code": ":".join(code) if code else None,
        "proj:shape": list(scene.shape),
        "proj:transform": [float(value) for value in tuple(scene.transform)[:6]],
    }


def attribution(scene: Scene) -> str:
    """Return the notice that goes with everything made from the scene."""
    if scene.item["properties"].get(SIMULATED):
        return "Simulated scene; contains no Copernicus Sentinel data"
    return f"Contains modified Copernicus Sentinel data {_years(scene)}"


def tiff_tags(scene: Scene, model: ModelCard, title: str) -> dict[str, str]:
    """Return the tags of a product's GeoTIFF; its date is that of the observation."""
    return {
        "TIFFTAG_DATETIME": observed_at(scene).strftime("%Y:%m:%d %H:%M:%S"),
        "TIFFTAG_SOFTWARE": f"{SOFTWARE} {PRODUCTS_REVISION}",
        "TIFFTAG_COPYRIGHT": attribution(scene),
        "TIFFTAG_IMAGEDESCRIPTION": title,
        "SOURCE": scene.id,
        "MODEL": f"{model.name} {model.version} sha256:{model.sha256}",
    }


def raster_members(scene: Scene, name: str, classes: Sequence[tuple[int, str, tuple[int, int, int]]]) -> dict[str, Any]:
    """Return what the asset of a class raster says of its grid and classes (extensions projection, classification).

    Args:
        scene: On whose grid it is.
        name: Of its band.
        classes: Value, name and colour of each.
    """
    described = [
        {
            "value": value,
            "name": name.replace(" ", "-"),
            "title": name,
            "color_hint": "{:02X}{:02X}{:02X}".format(*colour),
        }
        for value, name, colour in classes
    ]
    bands = [{"name": name, "data_type": "uint8", "classification:classes": described}]
    return {**projection(scene), "bands": bands}


def observed_at(scene: Scene) -> datetime:
    """Return when the scene was taken, or the begin of the interval in which it was.

    Raises:
        ProductError: if the item's time is not RFC 3339.
    """
    return _moment(scene, scene.item["properties"])


def _moment(scene: Scene, times: Mapping[str, Any]) -> datetime:
    return _time(scene, times.get("datetime") or times.get("start_datetime"))


def _years(scene: Scene) -> str:
    """Return the years in which the scene and its second acquisition were taken."""
    acquisitions = [scene.item["properties"], *([scene.second] if scene.second else [])]
    first = min(_moment(scene, times) for times in acquisitions).year
    last = max(_time(scene, times.get("datetime") or times.get("end_datetime")) for times in acquisitions).year
    return str(first) if first == last else f"{first}–{last}"


def _time(scene: Scene, text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ProductError(f"scene {scene.id}: its time is not RFC 3339: {text}") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _inherited(scene: Scene) -> dict[str, Any]:
    source = scene.item["properties"]
    return {"datetime": None} | {key: source[key] for key in _INHERITED if key in source}


def _model(model: ModelCard) -> dict[str, Any]:
    return {
        "dafab:model": model.name,
        "dafab:model_version": model.version,
        "dafab:model_checksum": f"1220{model.sha256}",
    }


def _providers(scene: Scene) -> list[dict[str, Any]]:
    source = scene.item["properties"]
    if source.get(SIMULATED):
        return [{"name": SOFTWARE, "roles": ["producer"]}]
    return source.get("providers") or [
        {"name": "ESA", "roles": ["producer", "licensor"], "url": "https://www.esa.int/"}
    ]


def _acquisitions(scene: Scene) -> list[str]:
    """Return the ids of the scene and of its second acquisition, where it has one."""
    return [scene.id, *([scene.second["id"]] if scene.second else [])]


def _links(scene: Scene, sources: Sequence[str]) -> list[dict[str, Any]]:
    """Return the links; who publishes the item makes that to the scene absolute and adds root, self and collection."""
    links = [{"rel": "derived_from", "href": name, "type": "application/geo+json", "title": name} for name in sources]
    if scene.item["properties"].get("license", "other") == "other" and not scene.item["properties"].get(SIMULATED):
        title = "Legal notice on the use of Copernicus Sentinel data"
        links.append({"rel": "license", "href": _LEGAL_NOTICE, "type": "application/pdf", "title": title})
    return links
