"""STAC items and collections as DCAT 3 / GeoDCAT-AP: a dataset with its distributions, a series of datasets."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from rucio_dafab.stac import export_terms as terms
from rucio_dafab.stac import export_values as values
from rucio_dafab.stac.asset_names import every_asset
from rucio_dafab.stac.export_iris import Surroundings, absolute, links, own_address, relations
from rucio_dafab.stac.export_values import Node
from rucio_dafab.stac.links import NOT_KEPT

_MAKERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "conformsTo": values.crs,
    "spatialResolution": values.decimal,
    "rights": values.rights,
    "keyword": values.keywords,
    "issued": values.moment,
    "created": values.moment,
    "modified": values.moment,
}
"""Term → what makes its value; the others are texts."""


def item(document: Mapping[str, Any], classes: Iterable[str], around: Surroundings) -> Node:
    """Return a STAC item as a ``dcat:Dataset``.

    Args:
        document: a valid item.
        classes: IRIs of the classes of the ontology that it is of.
        around: what it stands in; what the item does not say of licence and providers its collection says.
    """
    properties = document["properties"]
    collection = document.get("collection")
    series = around.collections.get(str(collection), {})
    iri = around.of(document)
    license_ = _licenses(document, properties.get("license"), around) or _licenses(
        series, series.get("license"), around
    )
    made = {"@id": iri, "@type": "dcat:Dataset", "identifier": document["id"], "title": document["id"]}
    made |= _common(document, properties, around) | _agents(properties.get("providers") or series.get("providers"))
    if "description" not in made:
        made["description"] = _description(document, series)
    said = {
        "theme": sorted(classes),
        "license": license_,
        "isPartOf": around.collection(collection) if isinstance(collection, str) else None,
        "inSeries": around.collection(collection) if isinstance(collection, str) else None,
        "spatial": values.location(document.get("geometry"), document.get("bbox")),
        "temporal": values.period(*_interval(properties)),
        "distribution": list(_distributions(document, iri, license_)),
    }
    return made | {term: value for term, value in said.items() if value}


def collection(document: Mapping[str, Any], around: Surroundings) -> Node:
    """Return a STAC collection as a ``dcat:DatasetSeries``; see :func:`item`."""
    iri = around.of(document)
    extent = document.get("extent") or {}
    boxes = (extent.get("spatial") or {}).get("bbox") or []
    intervals = (extent.get("temporal") or {}).get("interval") or []
    made = {"@id": iri, "@type": "dcat:DatasetSeries", "identifier": document["id"], "title": document["id"]}
    made |= _common(document, document, around) | _agents(document.get("providers"))
    made.setdefault("description", document["id"])
    said = {
        "license": _licenses(document, document.get("license"), around),
        # The first of several boxes, or intervals, is that of them all (STAC 1.1).
        "spatial": values.location(None, boxes[0]) if boxes else None,
        "temporal": values.period(*intervals[0][:2]) if intervals else None,
    }
    return made | {term: value for term, value in said.items() if value}


def _common(document: Mapping[str, Any], members: Mapping[str, Any], around: Surroundings) -> Node:
    """Return what the tables say, and where the document is found."""
    iri = around.of(document)
    found: Node = {"landingPage": iri}
    for term, names in terms.DCAT_PROPERTIES.items():
        make = _MAKERS.get(term, values.text)
        made = next((value for name in names if (value := make(members.get(name)))), None)
        if made is not None:
            found[term] = made
    if (own := own_address(document)) not in {None, iri}:
        found["seeAlso"] = own
    others = dict.fromkeys(relations(document) - NOT_KEPT, "relation")
    led = links(document, {**others, **terms.DCAT_LINKS}, around)
    led.pop("license", None)
    return found | {term: addresses for term, addresses in led.items() if addresses != [iri]}


def _licenses(document: Mapping[str, Any], name: object, around: Surroundings) -> list[str]:
    if not document:
        return []
    return values.licenses(name, links(document, {"license": "license"}, around).get("license", ()))


def _agents(providers: object) -> Node:
    known = list(values.providers(providers))
    publisher = next((each for role in terms.PUBLISHING_ROLES for each in known if role in each[2]), None)
    found: dict[str, list[Node]] = {}
    for each in known:
        for role, term in terms.DCAT_ROLES.items():
            if role in each[2] and (term != "publisher"):
                found.setdefault(term, []).append(_agent(each[0], each[1]))
    return found if publisher is None else found | {"publisher": _agent(publisher[0], publisher[1])}


def _agent(name: str, url: str | None) -> Node:
    home = absolute(url, "")
    return {"@type": "foaf:Agent", "name": name} | ({"homepage": home} if home else {})


def _interval(properties: Mapping[str, Any]) -> tuple[object, object]:
    moment = properties.get("datetime")
    return properties.get("start_datetime") or moment, properties.get("end_datetime") or moment


def _description(document: Mapping[str, Any], series: Mapping[str, Any]) -> str:
    """Return a sentence where an item has none: DCAT-AP requires one."""
    of = series.get("title") or document.get("collection")
    start, _ = _interval(document["properties"])
    what = f"{of}: {document['id']}" if of else str(document["id"])
    return f"{what} ({start})" if start else what


def _distributions(document: Mapping[str, Any], iri: str, licenses: list[str]) -> Iterator[Node]:
    base = own_address(document) or iri
    for key, asset in every_asset(document).items():
        address = absolute(asset.get("href"), base)
        if address is None:
            continue
        made: Node = {"@id": f"{iri}#{quote(key, safe='')}", "@type": "dcat:Distribution", "accessURL": address}
        if address.startswith(("http://", "https://")):
            made["downloadURL"] = address
        size = asset.get("file:size")
        said = {
            "title": values.text(asset.get("title")) or key,
            "description": values.text(asset.get("description")),
            "license": licenses,
            "byteSize": str(size) if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
            "checksum": values.checksum(asset.get("file:checksum")),
        }
        yield made | {term: value for term, value in said.items() if value} | values.media_type(asset.get("type"))
