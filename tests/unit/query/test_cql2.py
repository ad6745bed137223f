"""The wire form: everything in the model goes there and back; everything else is refused with its place."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.query import model, rucio_filter
from rucio_dafab.query.cql2 import from_json, to_json
from rucio_dafab.query.errors import LimitError, QueryError
from rucio_dafab.vocabulary import load
from tests.unit.query.strategies import whole_language

VOCABULARY = load()
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)
OPERATORS = ["and", "not", "=", "in", "like", "s_within", "t_during", "isA", "did", "related", "a_contains", "between"]
NODES = st.recursive(
    JSON | st.sampled_from([{"property": "platform"}, {"property": "geometry"}, {"property": "datetime"}]),
    lambda inner: st.fixed_dictionaries({"op": st.sampled_from(OPERATORS), "args": st.lists(inner, max_size=3)}),
)


@settings(max_examples=150, deadline=None)
@given(whole_language())
def test_everything_goes_there_and_back(expression: model.Expression) -> None:
    document = orjson.loads(orjson.dumps(to_json(expression)))
    back = from_json(document, VOCABULARY)
    assert back == expression
    assert to_json(back) == document


@settings(max_examples=150, deadline=None)
@given(NODES)
def test_any_json_is_read_or_refused(document: Any) -> None:
    try:
        from_json(document, VOCABULARY)
    except QueryError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"op": "=", "args": [{"property": "platform"}, "S2A"]}, "platform=S2A"),
        ({"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]}, "cloud_cover<20"),
        ({"op": "not", "args": [{"op": "isNull", "args": [{"property": "gsd"}]}]}, "gsd.not.isnull=true"),
        (
            {"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": [11, 50, 12, 51]}]},
            "geom.intersects=11_50_12_51",
        ),
        ({"op": "isA", "args": [{"property": "themes"}, "Hochwasser"]}, "theme.isa=Flood"),
        ({"op": "<=", "args": [{"property": "datetime"}, {"date": "2026-06-30"}]}, "datetime.lte=2026-06-30"),
        (
            {"op": "t_intersects", "args": [{"property": "datetime"}, {"interval": ["2026-06-01", ".."]}]},
            "datetime.intersects=2026-06-01/..",
        ),
        ({"op": "between", "args": [{"property": "gsd"}, 10, 20]}, "10<=gsd<=20"),
        ({"op": "a_contains", "args": [{"property": "instruments"}, ["msi", "olci"]]}, "instruments.contains=msi&olci"),
        ({"op": "in", "args": [{"op": "did", "args": ["did_type"]}, ["CONTAINER", "DATASET"]]}, "did_type=COLLECTION"),
    ],
)
def test_the_same_question_is_the_same_model(document: Any, text: str) -> None:
    assert from_json(document, VOCABULARY) == rucio_filter.parse(text, VOCABULARY)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"op": "near", "args": []}, "/op: unknown operator 'near'; the operators are and or not"),
        ({"op": "=", "args": [{"property": "gsd"}]}, "/args: '=' takes 2 arguments, not 1"),
        (
            {"op": "and", "args": [{"op": "<", "args": [{"property": "eo:cloud_cover"}, "lots"]}]},
            "/args/0/args: eo:cloud_cover takes a number in %, not 'lots'",
        ),
        ({"op": "s_within", "args": [{"property": "gsd"}, "@luxembourg"]}, "/args/0: only geometry can be asked so"),
        ({"op": "like", "args": [{"property": "platform"}, "S2\\"]}, "a pattern cannot end with the escape character"),
        ({"op": "isA", "args": [{"property": "themes"}, "Floood"]}, "did you mean Flood (dafab:Flood)?"),
        ({"op": "=", "args": [1, 1]}, '/args/0: the first argument must be {"property": name}'),
        ({"op": "=", "args": [{"property": "gsd"}, 10**400]}, "integers beyond 2^53 are not exact"),
        ({"op": "related", "args": ["link", {}]}, "related takes ancestor or descendant"),
        ({"op": "related", "args": ["ancestor", "x", {}]}, "related takes ancestor or descendant"),
        ({"op": "related", "args": ["linked_by", "", {}]}, "/args/1: a link relation is a name such as derived_from"),
        ({"op": "related", "args": ["link", 5, {}]}, "/args/1: a link relation is a name such as derived_from, not 5"),
        ({"op": "=", "args": [{"property": "cloud_covr"}, 5]}, "did you mean cloud_cover? Else write /properties/"),
        ({"op": "=", "args": [{"property": "bbox"}, "x"]}, "geometry holds geometry, which cannot be compared so"),
        ({"op": "=", "args": [{"property": "gsd"}, {"date": "2026-06-01"}]}, "gsd takes a number in m, not"),
        ("x", "/: 'x' is not a condition"),
    ],
)
def test_refusals_name_the_place(document: Any, message: str) -> None:
    with pytest.raises(QueryError) as refusal:
        from_json(document, VOCABULARY)
    assert message in str(refusal.value)


def test_deep_nesting_is_refused_before_python_overflows() -> None:
    document: Any = {"op": "isNull", "args": [{"property": "gsd"}]}
    for _ in range(100_000):
        document = {"op": "not", "args": [document]}
    with pytest.raises(LimitError, match="nested deeper than 32"):
        from_json(document, VOCABULARY)


def test_a_long_disjunction_is_refused() -> None:
    test = {"op": "isNull", "args": [{"property": "gsd"}]}
    with pytest.raises(LimitError, match="more than 256 tests"):
        from_json({"op": "or", "args": [test] * 300}, VOCABULARY)
