"""IRIs of what is exported: the stable addresses of items and collections, and where their links lead."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urljoin

from rucio_dafab.stac.links import named_by

_FORBIDDEN: Final = re.compile(r"[^\x21-\x7e]|[<>\"{}|\\^`]")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://\S|urn:\S|mailto:\S", re.ASCII)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an export knows besides a document.

    Attributes:
        root: address of the site, without a slash at its end: IRIs begin with it.
        scope: scope of the documents.
        collections: documents of the collections by id; items take from theirs what they do not say.
        known: names of the items that links lead to and that are here → their collection, if any.
    """

    root: str
    scope: str
    collections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    known: Mapping[str, str | None] = field(default_factory=dict)

    def item(self, name: str, collection: str | None) -> str:
        """Return the address of an item; one without a collection has that of its DID."""
        if collection is None:
            return self.did(self.scope, name)
        return f"{self.collection(collection)}/items/{quote(name, safe='')}"

    def collection(self, name: str) -> str:
        """Return the address of a collection."""
        return f"{self.root}/collections/{quote(name, safe='')}"

    def did(self, scope: str, name: str) -> str:
        """Return the address of a DID, as Rucio serves it."""
        return f"{self.root}/dids/{quote(scope, safe='')}/{quote(name, safe='')}"

    def of(self, document: Mapping[str, Any]) -> str:
        """Return the address of a document."""
        if document.get("type") == "Collection":
            return self.collection(document["id"])
        return self.item(document["id"], document.get("collection"))

    def linked(self, href: object, base: str) -> str | None:
        """Return what a link leads to: an item that is here by its address here, else the link's own address.

        Args:
            href: as the link has it: an address, absolute or relative, a DID or a name.
            base: what a relative address begins from.
        """
        named = named_by(href)
        if named is not None and named[0] in {None, self.scope} and named[1] in self.known:
            return self.item(named[1], self.known[named[1]])
        if named is not None and "/" not in str(href):
            return self.did(named[0] or self.scope, named[1])
        return absolute(href, base)


def absolute(href: object, base: str) -> str | None:
    """Return an address as an IRI that RDF can spell, or ``None`` for what is none.

    Args:
        href: absolute, or relative to the base.
        base: an absolute address.
    """
    if not isinstance(href, str) or not href.strip():
        return None
    try:
        joined = urljoin(base, href.strip())
    except ValueError:
        return None
    # What is not spelled with "//" could be taken for a prefixed name of the context.
    return _FORBIDDEN.sub(lambda each: quote(each[0], errors="replace"), joined) if _ABSOLUTE.match(joined) else None


def own_address(document: Mapping[str, Any]) -> str | None:
    """Return the address that a document gives of itself, or ``None``."""
    links = (each for each in _links(document) if each.get("rel") == "self")
    return next((found for each in links if (found := absolute(each.get("href"), ""))), None)


def links(document: Mapping[str, Any], terms: Mapping[str, str], around: Surroundings) -> dict[str, list[str]]:
    """Return where the links of a document lead, by term: each address once, in their order.

    Args:
        document: a STAC item or collection.
        terms: relation → term; other relations are left out.
        around: what it stands in.
    """
    base = own_address(document) or around.of(document)
    found: dict[str, list[str]] = {}
    for each in _links(document):
        term = terms.get(str(each.get("rel")))
        leads = around.linked(each.get("href"), base) if term else None
        if term and leads and leads not in found.setdefault(term, []):
            found[term].append(leads)
    return {term: addresses for term, addresses in found.items() if addresses}


def relations(document: Mapping[str, Any]) -> set[str]:
    """Return the relations of the links of a document."""
    return {rel for each in _links(document) if isinstance(rel := each.get("rel"), str)}


def _links(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    written = document.get("links")
    return (each for each in written if isinstance(each, dict)) if isinstance(written, list) else ()
