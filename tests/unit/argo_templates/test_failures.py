"""What failed of late comes last, in its order, and is never left out."""

import pytest

from argo_templates.failures import last


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ({}, "abcd"),
        ({"a": 1}, "bcda"),
        ({"a": 3, "b": 1, "d": 1}, "cbda"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, "abcd"),
        ({"x": 9}, "abcd"),
    ],
)
def test_what_failed_keeps_nothing_else_from_its_turn(failed: dict[str, int], expected: str) -> None:
    assert "".join(last("abcd", failed)) == expected
