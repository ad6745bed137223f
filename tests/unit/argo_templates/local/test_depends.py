"""The grammar of ``depends``: what is written is read again, and means what a table of truth says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argo_templates.local import depends
from argo_templates.local.errors import ExpressionError

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
TASKS = st.builds(depends.Task, NAMES) | st.builds(
    lambda name, result: depends.Task(name, (result,)), NAMES, st.sampled_from(depends.RESULTS)
)
DEPENDS = st.recursive(
    TASKS,
    lambda inner: (
        st.builds(depends.Not, inner)
        | st.builds(depends.And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(depends.Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=8,
)


@given(DEPENDS, st.sets(st.tuples(NAMES, st.sampled_from(depends.RESULTS))))
def test_what_is_written_is_read_to_the_same_meaning(written: depends.Depends, true: set[tuple[str, str]]) -> None:
    read = depends.parse(depends.write(written))
    assert depends.names(read) == depends.names(written)
    truth = true | {(name, "Succeeded") for name in sorted(depends.names(written))[:1]}
    assert depends.holds(read, lambda *asked: asked in truth) == depends.holds(written, lambda *asked: asked in truth)


@given(st.text(alphabet="ab-.&|!() SucedFail", max_size=30))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        depends.parse(text)
    except ExpressionError as refusal:
        assert "\n" not in str(refusal)


@pytest.mark.parametrize("a", [True, False])
@pytest.mark.parametrize("b", [True, False])
@pytest.mark.parametrize("c", [True, False])
def test_and_binds_stronger_than_or(a: bool, b: bool, c: bool) -> None:
    truth = {"a": a, "b": b, "c": c}
    read = depends.parse("a.Failed || b.Failed && !c.Failed")
    assert depends.holds(read, lambda name, _: truth[name]) == (a or (b and not c))


@pytest.mark.parametrize(
    ("result", "truth"), [("Succeeded", True), ("Skipped", True), ("Failed", False), ("Omitted", False)]
)
def test_a_name_alone_asks_for_success_or_what_was_left_out(result: str, truth: bool) -> None:
    assert depends.holds(depends.parse("a-b"), lambda _, asked: asked == result) is truth


def test_nothing_always_holds() -> None:
    assert depends.holds(depends.parse("  "), lambda *_: False)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a &&", "depends 'a &&' ends too early"),
        ("(a", "depends '(a' ends too early"),
        ("a b", "cannot read depends 'a b' at 'b'"),
        ("a & b", "cannot read depends 'a & b' at '& b'"),
        ("a.Done", "depends 'a.Done': there is no 'Done', only Succeeded, Failed, Errored, Skipped"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, line: str) -> None:
    with pytest.raises(ExpressionError) as refusal:
        depends.parse(text)
    assert str(refusal.value).startswith(line)


@pytest.mark.parametrize("text", ["(" * 5000 + "a" + ")" * 5000, "!" * 5000 + "a"])
def test_what_is_nested_without_an_end_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="has more than 300 parentheses and negations"):
        depends.parse(text)
