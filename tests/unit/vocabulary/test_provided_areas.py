"""Areas that somebody else knows, beside those of the files."""

from collections.abc import Iterator

import pytest
import shapely
from shapely.geometry.base import BaseGeometry

from rucio_dafab import vocabulary
from rucio_dafab.query.geometry import parse_geometry
from rucio_dafab.vocabulary import areas
from rucio_dafab.vocabulary.errors import VocabularyError

MINE = shapely.box(1, 2, 3, 4)


class Known:
    """A provider of one area; it remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def geometry(self, key: str) -> BaseGeometry | None:
        self.asked.append(key)
        return MINE if key == "my-area" else None

    def names(self) -> tuple[str, ...]:
        return ("my-area",)


@pytest.fixture
def known() -> Iterator[Known]:
    """Provide one more area for the time of a test."""
    provider = Known()
    areas.provide(provider)
    yield provider
    areas.provide(None)


def test_a_provided_area_is_found_by_any_spelling(known: Known) -> None:
    assert parse_geometry("@My_Area", vocabulary.load().areas).equals(MINE)
    assert known.asked == ["my-area"]


def test_a_shipped_area_is_not_asked_for(known: Known) -> None:
    assert not areas.geometry("luxembourg").equals(MINE)
    assert known.asked == []


def test_an_unknown_area_is_refused_with_the_provided_ones_in_mind(known: Known) -> None:
    with pytest.raises(VocabularyError, match="@my-area"):
        areas.geometry("my-aera")
    assert "my-area" in areas.load().names()
    assert "my-area" not in areas.load().shipped()


def test_without_a_provider_there_are_the_files(known: Known) -> None:
    areas.provide(None)
    with pytest.raises(VocabularyError, match="no area"):
        areas.geometry("my-area")
