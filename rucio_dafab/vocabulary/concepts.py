"""The classes that a document names: STAC ``properties.themes[].concepts[].id`` as class ids."""

from collections.abc import Iterator, Mapping
from typing import Any

from rucio_dafab.vocabulary.ontology import Ontology


def classes(document: Mapping[str, Any], ontology: Ontology) -> tuple[str, ...] | None:
    """Return the ids of the classes that a STAC document names, sorted, or ``None`` where it names none.

    A concept's id is an IRI, a CURIE, or a name within its theme's ``scheme``; names are looked up in the ontology
    where the scheme is the ontology's own or absent. What the ontology does not know is kept as the IRI that it is, so
    that a later version can know it. Malformed themes name nothing.
    """
    found = {_class_id(scheme, concept, ontology) for scheme, concept in _concepts(document)}
    return tuple(sorted(found)) or None


def _concepts(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    properties = document.get("properties")
    themes = properties.get("themes") if isinstance(properties, Mapping) else None
    for theme in themes if isinstance(themes, list) else ():
        scheme = theme.get("scheme") if isinstance(theme, Mapping) else None
        concepts = theme.get("concepts") if isinstance(theme, Mapping) else None
        for concept in concepts if isinstance(concepts, list) else ():
            name = concept.get("id") if isinstance(concept, Mapping) else concept
            if isinstance(name, str) and name:
                yield scheme if isinstance(scheme, str) else "", name


def _class_id(scheme: str, name: str, ontology: Ontology) -> str:
    ours = not scheme or scheme.rstrip("#/").startswith(ontology.iri.rstrip("#/"))
    if (ours or ":" in name) and (found := ontology.find(name)):
        return found
    iri = name if "://" in name else scheme + ("" if scheme.endswith(("#", "/")) or not scheme else "#") + name
    return ontology.find(iri) or iri
