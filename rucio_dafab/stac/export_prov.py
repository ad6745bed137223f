"""STAC items and collections as PROV-O: what a product was made from, by which activity, with what, and by whom."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rucio_dafab.stac import export_terms as terms
from rucio_dafab.stac import export_values as values
from rucio_dafab.stac.export_iris import Surroundings, absolute, links, own_address
from rucio_dafab.stac.export_values import Node

_SHA256: Final = "1220"


def item(document: Mapping[str, Any], _classes: Iterable[str], around: Surroundings) -> Node:
    """Return a STAC item as a ``prov:Entity``.

    Args:
        document: a valid item.
        _classes: of no meaning here.
        around: what it stands in; what it does not say of its providers its collection says.
    """
    properties, collection = document["properties"], document.get("collection")
    series = around.collections.get(str(collection), {})
    iri = around.of(document)
    led = links(document, terms.PROV_LINKS, around)
    when = values.moment(properties.get("processing:datetime")) or values.moment(properties.get("created"))
    said = {
        "identifier": document["id"],
        "label": values.text(properties.get("title")) or document["id"],
        "memberOf": around.collection(collection) if isinstance(collection, str) else None,
        "seeAlso": own if (own := own_address(document)) != iri else None,
        **led,
        "generatedAtTime": when,
        "wasGeneratedBy": _activity(f"{iri}#activity", properties, led.get("wasDerivedFrom", []), when),
        "wasAttributedTo": _makers(properties.get("providers") or series.get("providers")),
    }
    return {"@id": iri, "@type": "prov:Entity"} | {term: value for term, value in said.items() if value}


def collection(document: Mapping[str, Any], around: Surroundings) -> Node:
    """Return a STAC collection as a ``prov:Collection``, which is an entity whose members are the items."""
    said = {
        "identifier": document["id"],
        "label": values.text(document.get("title")) or document["id"],
        "comment": values.text(document.get("description")),
        **links(document, terms.PROV_LINKS, around),
        "wasAttributedTo": _makers(document.get("providers")),
    }
    made: Node = {"@id": around.of(document), "@type": ["prov:Entity", "prov:Collection"]}
    return made | {term: value for term, value in said.items() if value}


def _activity(iri: str, properties: Mapping[str, Any], sources: list[str], when: str | None) -> Node | None:
    """Return the activity that made an item, with all that the item says of it; ``None`` if it says nothing."""
    software = properties.get("processing:software")
    agents = list(_software(software)) if isinstance(software, dict) else []
    model = _model(properties)
    said = {
        "label": values.text(properties.get("processing:lineage")),
        "version": values.text(properties.get("processing:version")),
        "used": [{"@id": each} for each in sources] + ([model] if model else []),
        "wasAssociatedWith": agents,
        "endedAtTime": when,
    }
    known = {term: value for term, value in said.items() if value}
    return {"@id": iri, "@type": "prov:Activity"} | known if known else None


def _software(versions: Mapping[str, Any]) -> Iterator[Node]:
    for name, version in versions.items():
        told = values.text(version)
        agent: Node = {"@type": ["prov:Agent", "prov:SoftwareAgent"], "name": name}
        yield agent | ({"version": told} if told else {})


def _model(properties: Mapping[str, Any]) -> Node | None:
    """Return the model that was used: known by the checksum of its file (RFC 6920), so that all its products share it.

    The members are those that :func:`rucio_dafab.eo.items.derived_item` writes.
    """
    name, version = (values.text(properties.get(f"dafab:{each}")) for each in ("model", "model_version"))
    checksum = values.checksum(properties.get("dafab:model_checksum"))
    if name is None:
        return None
    said = {"label": name, "version": version, "checksum": checksum}
    made: Node = {"@type": "prov:Entity"} | {term: value for term, value in said.items() if value}
    if checksum and str(properties["dafab:model_checksum"]).startswith(_SHA256):
        made["@id"] = _named_by_content(checksum["checksumValue"])
    return made


def _named_by_content(sha256: str) -> str:
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{digest}"


def _makers(providers: object) -> list[Node]:
    found = []
    for name, url, roles in values.providers(providers):
        if roles & terms.ATTRIBUTED_ROLES:
            home = absolute(url, "")
            agent = {"@type": ["prov:Agent", "prov:Organization"], "name": name}
            found.append(agent | ({"homepage": home} if home else {}))
    return found
