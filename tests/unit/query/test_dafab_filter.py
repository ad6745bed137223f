"""DaFab's JSON filter: what the live catalogue's client sends is read, everything else is refused with its place."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.query import model, rucio_filter
from rucio_dafab.query.cql2 import to_json
from rucio_dafab.query.dafab_filter import parse
from rucio_dafab.query.dafab_tests import COMPARATORS
from rucio_dafab.query.errors import LimitError, QueryError
from rucio_dafab.query.limits import Limits
from rucio_dafab.vocabulary import load

VOCABULARY = load()
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)


def ask(path: list[Any], comparator: str, *value: Any, **more: Any) -> dict[str, Any]:
    given_value = {"value": value[0]} if value else {}
    return {"type": "comparison", "path": path, "comparator": comparator} | given_value | more


def group(combinator: str, *filters: Any, **more: Any) -> dict[str, Any]:
    return {"type": "logical", "combinator": combinator, "filters": list(filters)} | more


FOO, CLOUD = ["properties", "foo"], ["properties", "eo:cloud_cover"]
TIME, START, END = (["properties", name] for name in ("datetime", "start_datetime", "end_datetime"))


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (
            group(
                "or",
                group(
                    "and",
                    ask(TIME, "greaterThanOrEqual", "2026-06-01", valueType="date"),
                    ask(TIME, "lessThanOrEqual", "2026-06-30", valueType="date"),
                ),
                group(
                    "and",
                    ask(END, "greaterThanOrEqual", "2026-06-01", valueType="date"),
                    ask(START, "lessThanOrEqual", "2026-06-30", valueType="date"),
                ),
            ),
            "datetime.during=2026-06-01/2026-06-30;end_datetime>=2026-06-01,start_datetime<=2026-06-30",
        ),
        (
            group(
                "and",
                ask(["bbox", 0], "lessThanOrEqual", 12.5, valueType="numeric"),
                ask(["bbox", 2], "greaterThanOrEqual", 11, valueType="NUMBER"),
            ),
            "/bbox/0<=12.5,/bbox/2>=11",
        ),
        (
            group(
                "and",
                ask(["name"], "like", "S2*", on="did"),
                ask(["did_type"], "in", ["CONTAINER", "DATASET", "FILE"], on="did"),
            ),
            "name=S2*,did_type=ALL",
        ),
        (ask(CLOUD, "lessThan", "20", valueType="number"), "cloud_cover<20"),
        (ask(["properties", "sat:relative_orbit"], "equals", 8, valueType="int"), "relative_orbit=8"),
        (ask(["properties", "a/b", "c~d", 0], "equals", "x"), "/properties/a~1b/c~0d/0=x"),
        (ask(FOO, "notLike", "50%_?*"), r"foo.not.like=50%_?*"),
        (ask(CLOUD, "isNotNull", valueType=None), "cloud_cover.isnull=false"),
        (ask(CLOUD, "notEquals", None), "cloud_cover.isnull=false"),
        (ask(FOO, "isNotEmpty", valueType="array"), "foo.isempty=false"),
        (ask(CLOUD, "lessThan", 5, inherited=True), "cloud_cover.inherited<5"),
        (group("not", ask(CLOUD, "lessThan", 5), inherited=True), "cloud_cover.inherited.not.lt=5"),
        (group("not", ask(CLOUD, "lessThan", 5, inherited=True)), "cloud_cover.not.inherited.lt=5"),
        (group("and", ask(CLOUD, "lessThan", 5, inherited=False)), "cloud_cover<5"),
        (group("and"), ""),
    ],
)
def test_what_it_means(document: Any, text: str) -> None:
    assert parse(document, VOCABULARY) == rucio_filter.parse(text, VOCABULARY)


def test_values_keep_their_type() -> None:
    assert to_json(parse(ask(FOO, "in", ["5", 5, True]), VOCABULARY))["args"][1] == ["5", 5, True]
    assert to_json(parse(ask(FOO, "equals", "5", valueType="integer"), VOCABULARY))["args"][1] == 5
    assert parse(ask(FOO, "in", []), VOCABULARY) == model.Or(())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "/: None is no node: its type is logical or comparison"),
        ({"type": []}, "/: {'type': []} is no node"),
        (group("nand"), "/combinator: the combinator is and, or or not, not 'nand'"),
        (group("not"), "/filters: not takes one filter, not 0"),
        (group("and", filters={}), "/filters: a logical node has a list of filters"),
        (group("and", ask(FOO, "isNull"), "x"), "/filters/1: 'x' is no node"),
        (
            group("or", group("and", ask(FOO, "is", 1))),
            "/filters/0/filters/0/comparator: unknown comparator 'is'; they",
        ),
        (ask(FOO, "equals", 1, values=1), "/: a comparison node has no member 'values'"),
        (ask([], "equals", 1), "/path: a path is a list of 1 to 64 members"),
        (ask(["a", True], "equals", 1), "/path/1: True is no name of a member and no position"),
        (ask(["a", -1], "equals", 1), "/path/1: -1 is no name"),
        (ask(["a\x00"], "equals", 1), "/path: '/a\\x00' cannot be a key"),
        (ask(FOO, "equals"), "/: equals needs a value"),
        (ask(FOO, "isNull", 1), "/value: isNull takes no value"),
        (ask(FOO, "in", "x"), "/value: in takes a list of at most 256 values"),
        (ask(FOO, "in", ["x"] * 257), "/value: in takes a list of at most 256 values"),
        (ask(FOO, "in", ["x", None]), "/value: in cannot ask for null: use isNull"),
        (ask(FOO, "lessThan", None), "/value: lessThan cannot ask for null: use isNull"),
        (ask(FOO, "lessThan", True), "/: true and false have no order"),
        (ask(FOO, "equals", {}), "/value: /properties/foo takes a string, a number, true or false, not {}"),
        (ask(FOO, "equals", math.inf), "/value: /properties/foo takes a string, a number, true or false, not inf"),
        (ask(FOO, "equals", "a\x00"), "it holds NUL"),
        (ask(FOO, "equals", "\ud800"), "/: the filter is not JSON: str is not valid UTF-8"),
        (ask(FOO, "equals", 10**400), "/: the filter is not JSON: Integer exceeds 64-bit range"),
        (ask(FOO, "like", 5), "/comparator: like takes a path that holds strings, and a pattern"),
        (ask(FOO, "like", "x", valueType="number"), "/valueType: like compares text: its value type is string"),
        (ask(FOO, "equals", "x", valueType="array"), "/valueType: the value type array is not for equals"),
        (ask(FOO, "equals", "x", valueType="text"), "/valueType: the value type is one of string date number"),
        (ask(CLOUD, "like", "x"), "/comparator: like takes a path that holds strings, and a pattern"),
        (ask(CLOUD, "contains", 5), "/comparator: contains is for lists, and eo:cloud_cover does not hold one"),
        (ask(CLOUD, "lessThan", "lots"), "/value: eo:cloud_cover takes a number in %, not 'lots'"),
        (ask(CLOUD, "lessThan", "2026-06-01", valueType="date"), "/valueType: eo:cloud_cover holds number values, not"),
        (ask(TIME, "lessThan", "soon", valueType="date"), "/value: 'soon' is not a time"),
        (ask(["geometry"], "equals", "x"), "/: geometry holds geometry, which cannot be compared so"),
        (ask(["properties", "themes"], "equals", "Flood"), "themes holds concepts, which cannot be compared so"),
        (
            ask(["nam"], "equals", "x", on="did"),
            "/path: the path of a test on the DID is one of its fields: scope, name",
        ),
        (ask(["name"], "isEmpty", on="did"), "/comparator: isEmpty is for documents, not for fields of the DID"),
        (ask(["name"], "equals", "x", on="rse"), "/on: on is document or did, not 'rse'"),
        (ask(FOO, "isNull", inherited="yes"), "/inherited: inherited is true or false, not 'yes'"),
        (
            ask(FOO, "isNull", related="sibling"),
            "/related: related is ancestor, descendant, link:NAME, linked_by:NAME or along:NAME",
        ),
        *(
            (ask(FOO, "isNull", related=wrong), f"link:NAME, linked_by:NAME or along:NAME, not {wrong!r}")
            for wrong in ("link", "link:", "linked_by:", "ancestor:", "descendant:x", 5, [])
        ),
        (ask(FOO, "isNull", related="link:" + "x" * 101), "/related: a link relation is a name such as derived_from"),
        (ask(FOO, "isNull", related="link:a\x00b"), "/related: a link relation is a name such as derived_from"),
        (ask(FOO, "isNull", related="ancestor", inherited=True), "/inherited: a node can name one related document"),
        (
            group("and", ask(FOO, "isNull", inherited=True), inherited=True),
            "/filters/0/inherited: a node can name one related document: mark the group around it",
        ),
    ],
)
def test_refusals_name_the_place(document: Any, message: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(document, VOCABULARY)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 500


def test_limits_are_those_of_the_live_catalogue() -> None:
    assert parse(group("or", *[ask(FOO, "notEquals", 1)] * 255), VOCABULARY)
    with pytest.raises(LimitError, match="more than 256 nodes"):
        parse(group("or", *[ask(FOO, "isNull")] * 256), VOCABULARY)
    assert parse(ask(FOO, "in", [f"a{number}" for number in range(256)]), VOCABULARY)
    with pytest.raises(LimitError, match=r"bytes, at most 32,768"):
        parse(ask(FOO, "in", ["x" * 4000] * 9), VOCABULARY)
    with pytest.raises(LimitError, match="a text has 4,097 characters"):
        parse(ask(FOO, "equals", "x" * 4097), VOCABULARY)
    with pytest.raises(LimitError, match="more than 1 nodes"):
        parse(group("or", ask(FOO, "isNull")), VOCABULARY, Limits(nodes=1))


def test_depth_is_counted_before_python_overflows() -> None:
    deep: Any = ask(FOO, "isNull")
    for _ in range(31):
        deep = group("not", deep)
    assert parse(deep, VOCABULARY)
    for _ in range(100_000):
        deep = group("not", deep)
    with pytest.raises(LimitError, match="nested deeper than 32 levels"):
        parse(deep, VOCABULARY)
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    with pytest.raises(QueryError, match="the filter is not JSON: Recursion limit reached"):
        parse(ask(FOO, "equals", value), VOCABULARY)


PATHS = st.sampled_from(
    [FOO, CLOUD, TIME, ["geometry"], ["properties", "themes"], ["properties", "instruments"], ["name"]]
)


@settings(max_examples=300, deadline=None)
@given(
    JSON
    | st.fixed_dictionaries(
        {"type": st.just("comparison"), "path": PATHS | JSON, "comparator": st.sampled_from(sorted(COMPARATORS))},
        optional={
            "value": JSON,
            "valueType": st.sampled_from(["string", "number", "date", "array", "boolean", "integer"]) | JSON,
            "on": st.sampled_from(["did", "document"]) | JSON,
            "inherited": st.booleans() | JSON,
            "related": st.sampled_from(["descendant", "link:x", "linked_by:x"]) | JSON,
        },
    )
)
def test_any_json_is_read_or_refused_in_one_line(document: Any) -> None:
    try:
        parse(document, VOCABULARY)
    except QueryError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 600
