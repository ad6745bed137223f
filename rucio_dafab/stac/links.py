"""Links of a document: which other item each of them names.

A link's ``href`` names an item by an address that ends with ``/collections/<collection>/items/<id>`` (a STAC API's,
whatever its host, since documents move between sites) or ``/dids/<scope>/<name>`` (Rucio's), by a DID
``<scope>:<name>``, or by a name alone, as files of items do. Where no scope is given it is the document's own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

PREDECESSOR: Final = "predecessor-version"
SUCCESSOR: Final = "successor-version"
LATEST: Final = "latest-version"
VERSIONS: Final = frozenset({PREDECESSOR, SUCCESSOR, LATEST})
"""Link relations of RFC 5829, as STAC's version extension uses them."""

EXTENSION: Final = "https://stac-extensions.github.io/version/v1.2.0/schema.json"
MEDIA_TYPE: Final = "application/geo+json"

NOT_KEPT: Final = frozenset(
    {"self", "root", "parent", "child", "item", "items", "collection", "canonical", "alternate"}
)
"""Relations that tell where a document itself stands: attachments know what is above and below it."""

RULE: Final = "dafab:rule"
"""Member of a link that a rule of ``etc/interlinking.toml`` made: the rule's name, a slash and its version."""

DERIVED: Final = "derived_from"
"""The link that says from which item another was made."""

MODEL: Final = "mlm:model"
"""The link of a product to the model that made it.

STAC's extension for models (mlm) writes it as :data:`DERIVED` too, told apart by :data:`MODEL_NAME`, and so read it is
this one as well; the older one (ml-model) had ``ml-model:inferencing-model``. Documents of ours do not write it so: the
live catalogue's profiles allow one link :data:`DERIVED`, the scene's. Questions and rules keep them apart in any case:
what two products of a model have in common is no scene.
"""

MODEL_NAME: Final = "mlm:name"
"""Member of a link that leads to a model: the model's name."""

_RULE: Final = re.compile(r"[a-z0-9-]{1,60}/[0-9A-Za-z.-]{1,20}")
_LONGEST_REL: Final = 100
_LONGEST_HREF: Final = 2000
_SCOPE: Final = r"[A-Za-z0-9_.\-]{1,25}"
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9.\-_]{0,249}"
_ITEM: Final = re.compile(rf"(?:^|.*/)collections/[^/]+/items/({_NAME})/?")
_RUCIO: Final = re.compile(rf"(?:^|.*/)dids/({_SCOPE})/({_NAME})/?")
_DID: Final = re.compile(rf"(?:({_SCOPE}):)?({_NAME})")


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads: its relation, and the DID that it names; no scope stands for the document's own.

    ``rule`` is name and version of the rule that made it; a person's link has none.
    """

    rel: str
    scope: str | None
    name: str
    rule: str | None = None


def links_of(document: Mapping[str, Any], name: str) -> tuple[Link, ...]:
    """Return the links of a document that name other DIDs, each once, in their order.

    Of a person's link and one by a rule that say the same, the one by the rule is returned. One that leads to the model
    that made an item has the relation :data:`MODEL`.

    Args:
        document: any JSON object; what is no link in it is passed over.
        name: name of its DID.
    """
    written = document.get("links")
    found: dict[tuple[str, str | None, str], Link] = {}
    for each in written if isinstance(written, list) else ():
        rel, href = (each.get("rel"), each.get("href")) if isinstance(each, dict) else (None, None)
        if not isinstance(rel, str) or rel in NOT_KEPT or not 1 <= len(rel) <= _LONGEST_REL:
            continue
        named = named_by(href)
        if named is None or named == (None, name):
            continue
        relation = MODEL if leads_to_model(each) else rel
        known, rule = found.get((relation, *named)), rule_of(each)
        if known is None or (known.rule is None and rule is not None):
            found[relation, *named] = Link(relation, *named, rule)
    return tuple(found.values())


def versions_of(document: Mapping[str, Any], name: str) -> frozenset[Link]:
    """Return the links of a document to other versions of it; the arguments are those of :func:`links_of`."""
    return frozenset(each for each in links_of(document, name) if each.rel in VERSIONS)


def leads_to_model(link: Mapping[str, Any]) -> bool:
    """Tell whether a link leads to the model that made an item, as we or STAC's extension mlm write it."""
    return link.get("rel") in (MODEL, DERIVED) and isinstance(link.get(MODEL_NAME), str)


def model_link(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the link of a product to the model that made it.

    Args:
        document: the item of the model, as it is published.
    """
    properties = document["properties"]
    return {
        "rel": MODEL,
        "href": address(document),
        "type": MEDIA_TYPE,
        "title": f"{properties[MODEL_NAME]} {properties['version']}",
        MODEL_NAME: properties[MODEL_NAME],
    }


def rule_of(link: Mapping[str, Any]) -> str | None:
    """Return name and version of the rule that made a link, or ``None`` for one that a person made."""
    rule = link.get(RULE)
    return rule if isinstance(rule, str) and _RULE.fullmatch(rule) else None


def named_by(href: object) -> tuple[str | None, str] | None:
    """Return scope (``None`` for the document's own) and name of the DID that a link's ``href`` names, or ``None``.

    Args:
        href: an address, a DID, or a name.
    """
    if not isinstance(href, str) or len(href) > _LONGEST_HREF:
        return None
    if "/" not in href:
        found = _DID.fullmatch(href)
        return None if found is None else (found[1], found[2])
    try:
        path = unquote(urlsplit(href).path)
    except ValueError:
        return None
    if found := _ITEM.fullmatch(path):
        return None, found[1]
    if found := _RUCIO.fullmatch(path):
        return found[1], found[2]
    return None


def item_address(root: str, collection: str, name: str) -> str:
    """Return the address of an item of a site, whose own begins it and has no slash at its end."""
    return f"{root}/collections/{quote(collection)}/items/{quote(name)}"


def with_links(
    document: Mapping[str, Any], versions: Iterable[tuple[str, str]], *, replaced: Iterable[str]
) -> dict[str, Any]:
    """Return a document with links to versions of it, and the extension that these are of.

    Args:
        document: a STAC item.
        versions: relations and addresses.
        replaced: relations of which it keeps no other link.
    """
    made = [{"rel": rel, "href": href, "type": MEDIA_TYPE} for rel, href in versions]
    gone = set(replaced)
    kept = [each for each in document.get("links", []) if each.get("rel") not in gone]
    told = dict(document) | {"links": [*kept, *made]}
    if made and EXTENSION not in document.get("stac_extensions", []):
        told["stac_extensions"] = [*document.get("stac_extensions", []), EXTENSION]
    return told


def address(document: Mapping[str, Any]) -> str:
    """Return how links name an item: by the address that it gives of itself, or else by its id."""
    own = (each.get("href") for each in document.get("links", []) if each.get("rel") == "self")
    return str(next(own, document.get("id")))
