"""Named areas: found however they are written, valid, and on both sides of the antimeridian."""

import unicodedata

import pytest
import shapely

from rucio_dafab.query.geometry import normalise
from rucio_dafab.vocabulary import areas
from rucio_dafab.vocabulary.errors import VocabularyError

AREAS = areas.load()


def test_luxembourg_is_where_it_is() -> None:
    outline = areas.geometry("luxembourg")
    assert outline.contains(shapely.Point(6.13, 49.61))
    assert not outline.contains(shapely.Point(6.64, 49.75))  # Trier


@pytest.mark.parametrize("name", ["Côte d'Ivoire", "cote_d_ivoire", "COTE D IVOIRE", "ivory coast"])
def test_names_are_forgiving(name: str) -> None:
    assert AREAS.geometry(name).contains(shapely.Point(-5.3, 6.8))


@pytest.mark.parametrize("name", ["fiji", "russia", "antarctica"])
def test_what_crosses_the_antimeridian_is_split(name: str) -> None:
    outline = AREAS.geometry(name)
    assert outline.geom_type == "MultiPolygon"
    assert outline.bounds[0] == -180 and outline.bounds[2] == 180
    assert all(part.bounds[2] - part.bounds[0] < 360 for part in outline.geoms) or name == "antarctica"


def test_every_outline_is_usable_and_reads_back_unchanged() -> None:
    assert len(AREAS.names()) > 240
    for name in AREAS.names():
        outline = AREAS.geometry(name)
        assert outline.is_valid and outline.area > 0, name
        assert normalise(shapely.from_geojson(shapely.to_geojson(outline))).equals(outline), name


def test_an_unknown_area_gets_the_nearest_names() -> None:
    with pytest.raises(VocabularyError, match=r"'@luxemburg': did you mean @luxembourg\?"):
        AREAS.geometry("luxemburg")
    with pytest.raises(VocabularyError, match=r"no area is called '@'$"):
        AREAS.geometry("")


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Île-de-France", "ile-de-france"),
        (unicodedata.normalize("NFD", "île_de  france"), "ile-de-france"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ΑΘΉΝΑ", "αθήνα"),
        (unicodedata.normalize("NFD", "Αθήνα"), "αθήνα"),
        ("東京 都", "東京-都"),
        (unicodedata.normalize("NFD", "が"), "が"),
        ("हिन्दी", "हिन्दी"),
        ("../;\x00", ""),
    ],
)
def test_names_of_every_script_have_one_key(written: str, key: str) -> None:
    assert areas.normalise(written) == key
    assert areas.normalise(key) == key
