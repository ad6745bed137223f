"""Which item a link names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rucio_dafab.stac.links import (
    EXTENSION,
    LATEST,
    MODEL,
    PREDECESSOR,
    SUCCESSOR,
    Link,
    address,
    leads_to_model,
    links_of,
    model_link,
    named_by,
    with_links,
)

ITEM = "S2A_MSIL2A_20151201T033112_N0500"


@pytest.mark.parametrize(
    ("href", "named"),
    [
        (f"https://dafab.cern.ch/stac/collections/sentinel_2_l2a/items/{ITEM}", (None, ITEM)),
        (f"http://127.0.0.1:8080/collections/c/items/{ITEM}/?f=json#top", (None, ITEM)),
        (f"../../collections/c/items/{ITEM}", (None, ITEM)),
        (f"collections/c/items/{ITEM}", (None, ITEM)),
        ("https://h/collections/c/items/a%2Db", (None, "a-b")),
        (f"https://rucio.example/dids/other.scope/{ITEM}", ("other.scope", ITEM)),
        (f"other.scope:{ITEM}", ("other.scope", ITEM)),
        (ITEM, (None, ITEM)),
    ],
)
def test_an_item_is_named_by_an_address_a_did_or_its_name(href: str, named: tuple[str | None, str]) -> None:
    assert named_by(href) == named


@pytest.mark.parametrize(
    "href",
    [
        None,
        5,
        "",
        "https://dafab.cern.ch/stac/collections/sentinel_2_l2a",
        "https://example.org/LICENSE",
        f"./{ITEM}/{ITEM}.json",
        "https://h/collections/c/items/",
        "https://h/collections/c/items/a/b",
        "https://h/collections/c/items/a%2Fb",
        "https://[half/collections/c/items/a",
        "two words",
        "urn:ogc:def",
        "a" * 251,
        "https://h/collections/c/items/" + "a" * 251,
        "x" * 3000,
        "https://h/collections/c/items/a\x00b",
    ],
)
def test_other_hrefs_name_nothing(href: object) -> None:
    assert named_by(href) is None


def test_links_are_taken_once_and_without_those_that_tell_the_place() -> None:
    links = [
        *({"rel": rel, "href": ITEM} for rel in ("self", "root", "parent", "item", "collection")),
        {"rel": "derived_from", "href": ITEM},
        {"rel": "derived_from", "href": f"https://h/collections/c/items/{ITEM}"},
        {"rel": "related", "href": f"scope:{ITEM}"},
        {"rel": "via", "href": "own"},
        {"rel": "license", "href": "https://example.org/LICENSE"},
        {"rel": "x" * 101, "href": ITEM},
        {"href": ITEM},
        {"rel": ["derived_from"], "href": ITEM},
        "no link",
        None,
    ]
    found = links_of({"links": links}, "own")
    assert found == (Link("derived_from", None, ITEM), Link("related", "scope", ITEM))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.lists(st.fixed_dictionaries({}, optional={"rel": json_values, "href": json_values}) | json_values))
def test_no_link_of_a_document_breaks_its_reading(links: Any) -> None:
    for found in links_of({"links": links}, "own"):
        assert found.name and 1 <= len(found.rel) <= 100
    assert links_of({"links": {"rel": "x"}}, "own") == ()


def test_version_links_replace_those_of_before_and_bring_their_extension() -> None:
    before = {"links": [{"rel": "via", "href": "x"}, {"rel": LATEST, "href": "old"}], "stac_extensions": ["other"]}
    told = with_links(before, [(SUCCESSOR, "new"), (LATEST, "new")], replaced={SUCCESSOR, LATEST})
    assert [(link["rel"], link["href"]) for link in told["links"]] == [
        ("via", "x"),
        (SUCCESSOR, "new"),
        (LATEST, "new"),
    ]
    assert told["stac_extensions"] == ["other", EXTENSION]
    assert with_links(told, [(SUCCESSOR, "new"), (LATEST, "new")], replaced={SUCCESSOR, LATEST}) == told
    assert with_links({"id": "x"}, [], replaced={PREDECESSOR}) == {"id": "x", "links": []}


def test_an_item_is_linked_by_the_address_that_it_gives_or_by_its_id() -> None:
    assert address({"id": "x", "links": [{"rel": "self", "href": "https://h/x"}]}) == "https://h/x"
    assert address({"id": "x", "links": []}) == "x"


def test_links_by_rule_are_known_and_win_over_the_same_by_a_person() -> None:
    person = {"rel": "same_scene", "href": ITEM}
    ruled = person | {"dafab:rule": "same-scene/1"}
    wanted = (Link("same_scene", None, ITEM, "same-scene/1"),)
    assert links_of({"links": [person, ruled]}, "own") == wanted == links_of({"links": [ruled, person]}, "own")
    for other in (5, "", "Same/1", "same-scene", "same-scene/", "a/b/c"):
        assert links_of({"links": [person | {"dafab:rule": other}]}, "own") == (Link("same_scene", None, ITEM),)


def test_the_link_to_a_model_is_a_relation_of_its_own() -> None:
    model = {
        "id": "net-1",
        "properties": {"mlm:name": "net", "version": "0.1.0"},
        "links": [{"rel": "self", "href": "https://h/collections/models/items/net-1"}],
    }
    made = model_link(model)
    assert made == {
        "rel": "mlm:model",
        "href": "https://h/collections/models/items/net-1",
        "type": "application/geo+json",
        "title": "net 0.1.0",
        "mlm:name": "net",
    }
    scene = {"rel": "derived_from", "href": "scene"}
    for written in (made, made | {"rel": "derived_from"}):
        found = links_of({"links": [scene, written]}, "product")
        assert found == (Link("derived_from", None, "scene"), Link(MODEL, None, "net-1")), "mlm writes it so"


@pytest.mark.parametrize("link", [{}, {"rel": "derived_from"}, {"rel": "via", "mlm:name": "n"},
                                  {"rel": "derived_from", "mlm:name": None}, {"rel": [], "mlm:name": "n"}])  # fmt: skip
def test_no_other_link_leads_to_a_model(link: dict[str, Any]) -> None:
    assert not leads_to_model(link)
