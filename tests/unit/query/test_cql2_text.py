"""CQL2 text: what it means, what is refused and where, and that no text harms the process."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rucio_dafab.query.cql2 import from_json
from rucio_dafab.query.cql2_text import parse, to_json
from rucio_dafab.query.errors import LimitError, QueryError, UnsupportedQuery
from rucio_dafab.query.limits import Limits
from rucio_dafab.query.model import EVERYTHING
from rucio_dafab.vocabulary import load

VOCABULARY = load()
WORDS = [
    *("and", "or", "not", "in", "like", "between", "is", "null", "true", "(", "(", ")", ")", ",", "=", "<", "<>", "-"),
    *("platform", '"eo:cloud_cover"', "datetime", "geometry", "'S2A'", "'2026-06-01'", "5", "1e400", "-3.5", "x0"),
    *("DATE(", "INTERVAL(", "BBOX(", "S_WITHIN(", "T_DURING(", "isA(", "related(", "casei(", "POINT(1 2)", "@", "'"),
]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("a=1 or b=2 and not c=3", "a = 1 OR (b = 2 AND (NOT (c = 3)))"),
        ("((((a=1))) OR ((b=2)))", "a = 1 OR b = 2"),
        ("5 < gsd", "gsd > 5"),
        ("TIMESTAMP('2026-06-01T00:00:00Z') >= datetime", "datetime <= '2026-06-01T00:00:00Z'"),
        ("T_BEFORE(DATE('2026-06-01'), datetime)", "T_AFTER(datetime, DATE('2026-06-01'))"),
        ("isnull = 1 AND x0 = 1", '"isnull" = 1 AND "x0" = 1'),
        ("gsd NOT BETWEEN -1 AND +2.50", "NOT gsd BETWEEN -1 AND 2.5"),
        ("ISEMPTY(foo) AND IsA(themes, 'Flood')", "isEmpty(foo) AND isa(themes, 'Flood')"),
        ("s_within(geom, linestring z (0 0 1,1 0 1))", "S_WITHIN(geom, 'LINESTRING(0 0,1 0)')"),
        ("s_within(geom,\n\tPOINT(1 -2.5e0))", "S_WITHIN(geom, 'POINT(1 -2.5)')"),
        ("related('link', 'derived_from', (gsd = 1))", "related('link', 'derived_from', gsd = 1)"),
        ("related('ancestor', related('descendant', gsd = 1))", "related('ancestor', (related('descendant', gsd=1)))"),
    ],
)
def test_ways_to_write_the_same(text: str, document: str) -> None:
    assert parse(text, VOCABULARY) == parse(document, VOCABULARY)


def test_names_and_values_are_what_is_written() -> None:
    assert to_json('"it\'s ""so""" = \'it\'\'s "so" (( --\'') == {
        "op": "=",
        "args": [{"property": 'it\'s "so"'}, 'it\'s "so" (( --'],
    }
    exact = to_json("a IN (9007199254740991, 0.1, TRUE, '1')")["args"][1]
    assert exact == [9007199254740991, 0.1, True, "1"] and isinstance(exact[0], int)


def test_lists_of_one_stay_lists() -> None:
    assert to_json("A_OVERLAPS(i, ('a'))")["args"][1] == ["a"]
    assert to_json("i IN ('a')")["args"][1] == ["a"]
    assert parse("A_EQUALS(instruments, ('msi'))", VOCABULARY) == from_json(
        {"op": "a_equals", "args": [{"property": "instruments"}, ["msi"]]}, VOCABULARY
    )


def test_no_text_is_everything() -> None:
    assert parse(" \n", VOCABULARY) == parse("TRUE", VOCABULARY) == EVERYTHING


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("platform = 'S2A' foo", "character 18: the CQL2 text cannot be read from 'foo' on"),
        ("(a = 1) AND (b <> )", "character 19: the CQL2 text cannot be read from ')' on"),
        ("gsd <", "the CQL2 text ends where a value, a name or a condition is missing"),
        ("(a = 1", "character 1: the bracket '(' is not closed"),
        ("a = 1)", "character 6: the bracket ')' closes nothing"),
        ("a = 1, b = 2", "character 6: the CQL2 text cannot be read from ', b = 2' on"),
        ("a = 'x", "character 5: the quote (') is not closed"),
        ("a = 'x' # b", "character 9: '#' is no part of CQL2 text"),
        ("S_WITHIN(geom, POINT(1 2)", "character 9: the bracket '(' is not closed"),
        ("S_WITHIN(geom, POINT(1 2", "character 21: the bracket of a geometry is not closed"),
        ("S_WITHIN(geom, POINT(1 x))", "not a geometry (WKT, GeoJSON, W_S_E_N or @area)"),
        ("a = b = c", "character 7: a second comparison ('=') in one test"),
        ("a-b = 5", "character 2: arithmetic ('-') is not supported; write a name that holds it in double quotes"),
        ("gsd * 2 > 5", "character 5: arithmetic ('*') is not supported"),
        ("a = 9007199254740993", "character 5: the number 9007199254740993 cannot be used: integers beyond 2^53"),
        ("a = 1e400", "character 5: the number 1e400 cannot be used: it must be finite"),
        ("a IN ()", "character 7: the CQL2 text cannot be read from ')' on"),
        ("near(a, b)", "unknown operator 'near'; the operators are and or not"),
        ("cloud_cover < 'lots'", "eo:cloud_cover takes a number in %, not 'lots'"),
        ("isA(themes, 'Floood')", "did you mean Flood (dafab:Flood)?"),
        ("DATE() = datetime", "character 1: function date is missing a required argument"),
    ],
)
def test_refusals_name_the_character(text: str, message: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(text, VOCABULARY)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value) and not str(refusal.value).startswith("/args")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CASEI(platform) = CASEI('s2a')", "'casei' of a property is not supported"),
        ("ACCENTI(platform) LIKE 'x%'", "'accenti' of a property is not supported"),
        ("platform = CASEI('s2a')", "platform is compared with a value, not with 'casei'"),
        ("platform = constellation", "platform is compared with a value, not with 'another property'"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(UnsupportedQuery) as refusal:
        parse(text, VOCABULARY)
    assert message in str(refusal.value)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join) | st.text(max_size=20))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        parse(text, VOCABULARY)
    except QueryError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 600


def test_size_is_limited() -> None:
    with pytest.raises(LimitError, match=r"the filter has 40,004 bytes, at most 32,768"):
        parse("a='" + "x" * 40_000 + "'", VOCABULARY)
    with pytest.raises(LimitError, match="more than 256 tests and values"):
        parse(" OR ".join(["a=1"] * 300), VOCABULARY)
    with pytest.raises(LimitError, match="more than 256 tests and values"):
        parse("a IN (" + ",".join(["1"] * 3000) + ")", VOCABULARY)
    line = ",".join(f"{x / 1e5:.5f} 1" for x in range(9_000))
    assert parse(f"S_INTERSECTS(geom, LINESTRING({line}))", VOCABULARY)
    with pytest.raises(LimitError, match="vertices"):
        parse(f"S_INTERSECTS(geom, LINESTRING({line}))", VOCABULARY, Limits(vertices=8_000))


def test_as_deep_as_the_limit_is_read() -> None:
    deep = "gsd = 1"
    for _ in range(31):
        deep = f"related('ancestor', {deep})"
    assert parse(deep, VOCABULARY)
    with pytest.raises(LimitError, match="nested deeper than 32 levels"):
        parse(f"NOT {deep}", VOCABULARY)


# Each of these overflows the stack of the grammar, or takes it longer than anyone lives.
HOSTILE = {
    "brackets": '"(" * 2_500 + "a=1" + ")" * 2_500',
    "brackets within the limit of tokens": '"(" * 1_500 + "a=1" + ")" * 1_500',
    "open brackets": '"(" * 5_000',
    "an error deep inside": '"(" * 34 + "a 5 5" + ")" * 34',
    "an open error deep inside": '"(" * 34 + "a ="',
    "lists of lists": '"f(" + "(" * 30 + "1,2" + "),3" * 30 + ")"',
    "functions": '"f(" * 2_500 + "1" + ")" * 2_500',
    "negations": '"NOT " * 4_000 + "a = 1"',
    "signs": '"a = " + "-" * 4_000 + "1"',
    "sums": '"a = " + "+".join(["1"] * 2_000)',
    "powers": '"a = " + "^".join(["1"] * 2_000)',
    "comparisons": '"a" + "=1" * 2_000',
    "betweens": '"a BETWEEN " * 2_000 + "1"',
    "nulls": '"a" + " IS NULL" * 2_000',
    "quotes": '"a = " + chr(39) * 20_001',
    "names": '"a" * 32_000 + chr(34)',
    "brackets of a geometry": '"S_WITHIN(geom, POINT" + "(" * 30_000 + ")" * 30_000 + ")"',
    "collections": '"S_WITHIN(geom, " + "GEOMETRYCOLLECTION(" * 1_000 + "POINT(1 2)" + ")" * 1_001',
    "a number": '"a = " + "9" * 30_000',
    "a small number": '"a = 1e-" + "9" * 30_000 + " AND"',
    "blanks": '" " * 1_000_000 + "a ="',
    "megabytes": '"a" * 50_000_000',
    "half a surrogate pair": '"a = " + chr(39) + chr(0xD800) + chr(39)',
    "NUL": '"a = " + chr(39) + chr(0) + chr(39)',
}


def test_hostile_texts_leave_the_process_alive() -> None:
    """Each text is refused within its second, by a process that is still there for the next one."""
    code = f"""
import sys, time
from rucio_dafab.query.cql2_text import parse
from rucio_dafab.query.errors import QueryError
from rucio_dafab.vocabulary import load
vocabulary = load()
for name, text in {{ {", ".join(f"{name!r}: {text}" for name, text in HOSTILE.items())} }}.items():
    began = time.process_time()
    try:
        parse(text, vocabulary)
        print("READ", name)
    except QueryError as error:
        took, line = time.process_time() - began, str(error)
        in_short = took < 1 and len(line) < 600 and "\\n" not in line
        print("refused" if in_short else f"WRONG {{took}} {{line[:200]}}", name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == [f"refused {name}" for name in HOSTILE]
