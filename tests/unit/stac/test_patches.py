"""Changes of documents by JSON pointer: what each operator does to objects and arrays, and what it refuses."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rucio_dafab.stac import pointers
from rucio_dafab.stac.errors import DocumentError, DocumentInvalid, PathInvalid, PathOccupied, PathUnknown
from rucio_dafab.stac.patches import Operation, Operator, apply, read_operation

DOCUMENT: dict[str, Any] = {"a": {"b": 1, "x/y": {"~": 2}, "": 3}, "list": [1, [2, 3], {"c": 4}], "null": None}


def change(op: str, path: str, *value: Any, document: Any = DOCUMENT) -> Any:
    """Apply one change, as a client sends it, to a copy of a document."""
    wire = {"op": op, "path": path} | ({"value": value[0]} if value else {})
    return apply(deepcopy(document), read_operation(wire, "/operations/0"))


@pytest.mark.parametrize(
    ("op", "path", "place"),
    [
        ("insert", "/new", ("new",)),
        ("insert", "/a/c", ("a", "c")),
        ("upsert", "/a/b", ("a", "b")),
        ("update", "/a/b", ("a", "b")),
        ("update", "/null", ("null",)),
        ("update", "/a/x~1y/~0", ("a", "x/y", "~")),
        ("update", "/a/", ("a", "")),
        ("insert", "/list/3", ("list", "3")),
        ("insert", "/list/-", ("list", "3")),
        ("upsert", "/list/-", ("list", "3")),
        ("upsert", "/list/3", ("list", "3")),
        ("upsert", "/list/0", ("list", "0")),
        ("update", "/list/1/1", ("list", "1", "1")),
        ("insert", "/list/2/d", ("list", "2", "d")),
        ("insert", "/made/on/the/way", ("made", "on", "the", "way")),
        ("upsert", "/a/x~1y/deep/er", ("a", "x/y", "deep", "er")),
    ],
)
def test_a_value_is_put(op: str, path: str, place: tuple[str, ...]) -> None:
    changed = change(op, path, {"put": [1]})
    assert pointers.get(changed, place) == {"put": [1]}


def test_deleting() -> None:
    assert change("delete", "/a/x~1y") == DOCUMENT | {"a": {"b": 1, "": 3}}
    assert change("delete", "/list/1") == DOCUMENT | {"list": [1, {"c": 4}]}
    assert change("delete", "/null") == {"a": DOCUMENT["a"], "list": DOCUMENT["list"]}


@pytest.mark.parametrize(
    ("op", "path", "error"),
    [
        ("insert", "/a/b", PathOccupied),
        ("insert", "/null", PathOccupied),
        ("insert", "/list/0", PathOccupied),
        ("insert", "", PathOccupied),
        ("update", "/absent", PathUnknown),
        ("update", "/absent/deeper", PathUnknown),
        ("delete", "/a/absent", PathUnknown),
        ("delete", "/list/9/x", PathUnknown),
        ("delete", "/list/3", PathUnknown),
        ("delete", "/list/-", PathUnknown),
        ("update", "/list/-", PathUnknown),
        ("update", "/list/99", PathUnknown),
        ("insert", "/list/4", PathInvalid),
        ("insert", "/list/-/x", PathInvalid),
        ("upsert", "/list/01", PathInvalid),
        ("upsert", "/list/1e0", PathInvalid),
        ("upsert", "/list/-1", PathInvalid),
        ("upsert", "/list/" + "9" * 1900, PathInvalid),
        ("insert", "/a/b/c", PathInvalid),
        ("insert", "/null/c", PathInvalid),
        ("update", "/a/b/c", PathInvalid),
        ("insert", "/links/0", PathInvalid),
        ("upsert", "/links/-", PathInvalid),
        ("insert", "/a/b/c/d", PathInvalid),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(op: str, path: str, error: type[DocumentError]) -> None:
    with pytest.raises(DocumentError) as refused:
        change(op, path, *([] if op == "delete" else [{}]))
    assert type(refused.value) is error
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 400


def test_the_whole_document() -> None:
    assert change("update", "", {"b": 2}) == {"b": 2}
    assert change("upsert", "", {"b": 2}, document=None) == {"b": 2}
    assert change("insert", "", {"b": 2}, document=None) == {"b": 2}
    assert change("insert", "/b/c", 2, document=None) == {"b": {"c": 2}}
    assert change("delete", "") is None
    for op in ("update", "delete"):
        for path in ("", "/a"):
            with pytest.raises(PathUnknown):
                change(op, path, *([] if op == "delete" else [{}]), document=None)


def test_a_value_is_copied() -> None:
    value = {"shared": []}
    operation = read_operation({"op": "insert", "path": "/v", "value": value}, "/operations/0")
    one, other = apply({}, operation), apply({}, operation)
    apply(one, Operation(Operator.INSERT, ("v", "shared", "-"), 1))
    assert (one, other, value) == ({"v": {"shared": [1]}}, {"v": {"shared": []}}, {"shared": []})


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"op": "replace", "path": "/a", "value": 1},
        {"op": ["insert"], "path": "/a", "value": 1},
        {"op": "insert", "path": "/a"},
        {"op": "delete", "path": "/a", "value": 1},
        {"op": "insert", "value": 1},
        {"op": "insert", "path": 5, "value": 1},
        {"op": "insert", "path": "a", "value": 1},
        {"op": "insert", "path": "/a~2", "value": 1},
        {"op": "insert", "path": "/a\x00", "value": 1},
        {"op": "insert", "path": "/" + "a" * 3000, "value": 1},
        {"op": "insert", "path": "/a", "value": float("nan")},
        {"op": "insert", "path": "/a", "value": 2**64},
        {"op": "insert", "path": "/a", "value": "\ud800"},
        {"op": "upsert", "path": "", "value": []},
    ],
)
def test_what_is_no_change_is_refused_with_its_place(wire: dict[str, Any]) -> None:
    with pytest.raises(DocumentInvalid, match=r"/operations/7") as refused:
        read_operation(wire, "/operations/7")
    assert len(str(refused.value)) < 300


def test_a_value_nested_too_deep_is_refused() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    with pytest.raises(DocumentInvalid, match="nested"):
        read_operation({"op": "insert", "path": "/a", "value": deep}, "/operations/0")


_names = st.sampled_from(["a", "b", "0", "1", "-", "x/y", "~", ""])
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_names, inner, max_size=3)),
    max_leaves=8,
)
_documents = st.dictionaries(_names, _values, max_size=4)
_paths = st.lists(_names, min_size=1, max_size=4).map(tuple)


@given(_documents, _paths, _values)
def test_the_operators_agree_with_each_other(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """What upsert does is what insert does where nothing is, and what update does where something is."""
    outcomes = {}
    for operator in Operator:
        try:
            outcomes[operator] = apply(deepcopy(document), Operation(operator, path, value))
        except DocumentError as error:
            outcomes[operator] = type(error)
    inserted, updated, upserted = (outcomes[each] for each in (Operator.INSERT, Operator.UPDATE, Operator.UPSERT))
    present = pointers.get(document, path) is not pointers.ABSENT
    if present:
        assert inserted is PathOccupied
        assert upserted == updated
        assert pointers.get(updated, path) == value
        assert isinstance(outcomes[Operator.DELETE], dict)
    else:
        assert upserted == inserted
        assert updated in {PathUnknown, PathInvalid}
        assert outcomes[Operator.DELETE] is updated
    if isinstance(inserted, dict):
        assert apply(deepcopy(inserted), Operation(Operator.DELETE, _last(document, path))) is not None


def _last(document: dict[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    """Return a path whose ``-`` at the end is the number that an append gave it."""
    parent = pointers.get(document, path[:-1])
    return (*path[:-1], str(len(parent))) if path[-1] == "-" and isinstance(parent, list) else path
