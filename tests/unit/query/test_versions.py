"""Which questions are about the latest versions alone."""

import pytest

from rucio_dafab.query import model, rucio_filter
from rucio_dafab.query.versions import IS_LATEST, only_latest
from rucio_dafab.vocabulary import load


def parse(text: str) -> model.Expression:
    return rucio_filter.parse(text, load())


@pytest.mark.parametrize(
    "text",
    [
        "cloud_cover<20",
        "cloud_cover<20;gsd=10",
        "id.like=S2*",
        "name=S2*",
        "id.not.eq=x",
        "id.ne=x",
        "id.inherited=x",
        "",
    ],
)
def test_a_question_is_about_the_latest(text: str) -> None:
    assert only_latest(parse(text)) == model.all_of(parse(text), IS_LATEST)


@pytest.mark.parametrize(
    "text",
    [
        "latest=false",
        "cloud_cover<20,latest.in=true|false",
        "cloud_cover<20;latest=false",
        "latest.not.eq=true",
        "id=x",
        "item=x,cloud_cover<20",
        "id.in=x|y",
        "name=x",
        "id=x;name=y",
    ],
)
def test_a_question_may_say_which_versions_it_wants(text: str) -> None:
    assert only_latest(parse(text)) == parse(text)


def test_a_related_document_says_nothing_of_the_one_that_is_found() -> None:
    text = "latest.linked_by:derived_from=false"
    assert only_latest(parse(text)) == model.all_of(parse(text), IS_LATEST)


def test_each_alternative_speaks_for_itself() -> None:
    found = only_latest(parse("id=x;cloud_cover<20"))
    assert found == model.any_of(parse("id=x"), model.all_of(parse("cloud_cover<20"), IS_LATEST))
