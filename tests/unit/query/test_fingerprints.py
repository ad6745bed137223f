"""The fingerprints of a document: whatever is asked for with one has it, and what is told apart is told apart."""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rucio_dafab.query.fingerprints import APART, fingerprint, fingerprints

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=30
)
DOCUMENTS = st.dictionaries(st.text() | st.sampled_from(sorted(APART)), JSON, max_size=5)


def told(document: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what can be asked for with ``=`` or with ``contains``: a path of keys, and a value."""
    for key, value in document.items():
        for element in value if isinstance(value, list) else [value]:
            if not isinstance(element, dict | list):
                yield (key,), element
        if isinstance(value, dict):
            yield from (((key, *path), found) for path, found in told(value))


@given(DOCUMENTS)
def test_a_document_has_the_fingerprint_of_each_of_its_values(document: dict[str, Any]) -> None:
    found = fingerprints(document)
    wanted = {number for path, value in told(document) if (number := fingerprint(path, value)) is not None}
    assert found == sorted(wanted)
    assert all(-(2**31) <= number < 2**31 for number in wanted)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_one_number_has_one_fingerprint_however_it_is_written(share: float, count: int) -> None:
    # In jsonb 1, 1.0 and 1e0 are one number, and so are 0 and -0.0, 1e23 and what repr says of it.
    written = Decimal(repr(share))
    if written == written.to_integral():
        assert fingerprint(("a",), share) == fingerprint(("a",), int(written)) is not None
    if abs(count) < 2**53:
        assert fingerprint(("a",), count) == fingerprint(("a",), float(count)) is not None


@given(st.integers(-(10**14), 10**14), st.integers(0, 6))
def test_numbers_of_three_decimals_have_one_and_others_none(digits: int, decimals: int) -> None:
    number = float(Decimal(digits).scaleb(-decimals))
    has_few = Decimal(repr(number)) == round(Decimal(repr(number)), 3)
    assert (fingerprint(("a",), number) is not None) == has_few
    assert len(fingerprints({"a": number, "b": {"c": number}, "d": [number]})) == 3 * has_few


@pytest.mark.parametrize("text", ["5", "05.11", "1.0e-3", "20230101110825123", "1e3", "-0.5", "3.250"])
def test_a_string_that_reads_as_a_number_has_one_as_either(text: str) -> None:
    for value in (text, float(text)):
        number = fingerprint(("properties", "a"), value)
        assert number is not None
        assert fingerprints({"properties": {"a": value}}) == [number]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("S2A", 1741417844),
        ("ü", -2014632108),
        (True, -1825897488),
        (5, 1454345147),
        (5.0, 1454345147),
        (-0.0, 650477364),
        (5.11, -1929094226),
        (0.001, -494489339),
        (1e23, -869339288),
        (20230101110825123, 79229761),
    ],
)
def test_what_is_stored_keeps_its_meaning(value: str | float, number: int) -> None:
    """Where this fails, stored fingerprints no longer are those that are asked for: a revision has to empty them."""
    assert fingerprint(("properties", "a:b"), value) == number
    assert fingerprints({"id": "x", "properties": {"a:b": [value], "c": "2026-06-01T10:00:00Z"}}) == [number]


def test_what_differs_has_other_fingerprints() -> None:
    values = ["1", 1, True, "True", False, "", "a", 2]
    asked = [
        fingerprint(path, value) for path in (("properties", "a"), ("a",), ("properties", "b")) for value in values
    ]
    assert None not in asked
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize(
    "value", [0.1234, 1e-5, None, "2026-06-01T10:00:00Z", "2026-06-01t10:00:00.123+02:00", [1], {"a": 1}, math.inf]
)
def test_ranges_are_asked_for_otherwise(value: object) -> None:
    assert fingerprints({"properties": {"a": 0.1234, "b": "2026-06-01T10:00:00Z"}}) == []
    if not isinstance(value, list | dict):
        assert fingerprint(("properties", "a"), value) is None


def test_a_day_is_a_text_and_no_time() -> None:
    assert fingerprint(("properties", "season"), "2026-06-01") is not None


@pytest.mark.parametrize("member", sorted(APART))
def test_members_with_columns_of_their_own_have_none(member: str) -> None:
    assert fingerprints({member: "x"}) == []
    assert fingerprint((member,), "x") is None
    assert fingerprint(("properties", member), "x") is not None


def test_half_a_surrogate_pair_can_be_asked_for() -> None:
    assert fingerprint(("properties", "a"), "\ud800") is not None
