"""Conditions: their truth, what they refuse, and that nothing else can be reached by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo_templates import factory
from argo_templates.local.errors import ExpressionError
from argo_templates.local.expressions import RETRY, WHEN, Dialect, is_true, parse

LAST = {
    "lastRetry.status": "Failed",
    "lastRetry.exitCode": "75",
    "lastRetry.duration": "3",
    "lastRetry.message": "x",
    "retries": "0",
}
OURS = str(factory.RETRY.expression)
TEXTS = st.text(alphabet=st.characters(blacklist_characters="'\\", blacklist_categories=("Cs", "Cc")), max_size=12)


@given(TEXTS, TEXTS)
def test_texts_are_the_same_or_not(left: str, right: str) -> None:
    assert is_true(f"'{left}' == '{right}'", WHEN) is (left == right)
    assert is_true(f"'{left}' != '{right}'", WHEN) is (left != right)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_numbers_are_compared_as_numbers(left: int, right: int) -> None:
    assert is_true(f"{left} < {right}", WHEN) is (left < right)
    assert is_true(f"{left} >= {right}", WHEN) is (left >= right)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=3), min_size=1, max_size=3))
def test_and_binds_stronger_than_or(values: list[list[bool]]) -> None:
    text = " || ".join(" && ".join(str(each).lower() for each in row) for row in values)
    assert is_true(text, WHEN) is any(map(all, values))


@given(st.text(alphabet="ab'\"=!&|<>()[], .0123~in", max_size=30))
def test_any_text_has_a_truth_or_is_refused_in_one_line(text: str) -> None:
    try:
        is_true(text, WHEN)
    except ExpressionError as refusal:
        assert "\n" not in str(refusal)


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("'water,fields' =~ 'water'", True),
        ("'fields' !~ 'water'", True),
        ("heads == 'heads'", True),
        ("'a' in ('a', 'b')", True),
        ("!('a' == 'b') && (1 < 2)", True),
        ("'1' == 1", False),
        ("true == 1", False),
    ],
)
def test_conditions(text: str, truth: bool) -> None:
    assert is_true(text, WHEN) is truth


@pytest.mark.parametrize(
    ("status", "code", "retries", "truth"),
    [
        ("Failed", "75", "2", True),
        ("Failed", "1", "0", False),
        ("Error", "-1", "2", True),
        ("Failed", "143", "1", True),
        ("Failed", "137", "0", True),
        ("Failed", "137", "1", False),
    ],
)
def test_the_expression_of_our_retries(status: str, code: str, retries: str, truth: bool) -> None:
    last = {"lastRetry.status": status, "lastRetry.exitCode": code, "retries": retries}
    assert is_true(OURS, RETRY, LAST | last) is truth


def test_the_words_of_exprs_language() -> None:
    assert is_true("lastRetry.message contains 'x' and not (asFloat(lastRetry.duration) > 5)", RETRY, LAST)
    assert is_true("lastRetry.message matches '^x$' or lastRetry.message startsWith 'y'", RETRY, LAST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gr-hpc == 'x'",
        "1 + 1 == 2",
        "'a' ==",
        "('a'",
        "__import__('os').system('true')",
        "''.__class__ == ''",
        "sprig.env('HOME') == ''",
        "'a' == 'b",
    ],
)
@pytest.mark.parametrize("dialect", [WHEN, RETRY])
def test_what_is_not_done_is_refused_when_it_is_read(text: str, dialect: Dialect) -> None:
    with pytest.raises(ExpressionError):
        parse(text, dialect)


@pytest.mark.parametrize("text", ["'a'", "1 < 'a'", "'a' =~ '('", "3"])
def test_what_has_no_truth_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        is_true(text, WHEN)


def test_a_number_that_is_none() -> None:
    with pytest.raises(ExpressionError, match="asInt of 'x'"):
        is_true("asInt(lastRetry.message) == 1", RETRY, LAST)
