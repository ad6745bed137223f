"""The polygons of places that the ontology names: a river basin is its own area and those of all its sub-basins."""

from collections.abc import Callable

import shapely
from shapely.geometry.base import BaseGeometry

from rucio_dafab.vocabulary.areas import Areas
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology import Ontology


def geometry(name: str, areas: Areas, ontology: Callable[[], Ontology]) -> BaseGeometry:
    """Return the polygon of an area, or else of a place of the ontology, EPSG:4326.

    Args:
        name: of either; a CURIE or an IRI can only be a place's.
        areas: the areas of interest.
        ontology: gives the ontology; it is not asked where there is such an area.

    Raises:
        VocabularyError: for an unknown name, with the nearest known ones; for a place without any area, or with one
            that nobody named.
    """
    found = areas.find(name)
    if found is not None:
        return found
    known = ontology()
    places = known.place(name)
    if not places:
        raise areas.unknown(name, known.place_names())
    named = {each.area: each for each in places if each.area}
    if not named:
        raise VocabularyError(f"the place '{places[0].name}' has no area, nor has any part of it")
    polygons = {area: areas.find(area) for area in sorted(named)}
    for area, polygon in polygons.items():
        if polygon is None:
            raise VocabularyError(f"the place '{named[area].name}' has the area '{area}', which nobody named")
    return shapely.union_all(list(polygons.values()))
