"""Rucio filters: what the stock CLI, the Python client and REST hand to a metadata plugin, as query model.

A filter is a list of dictionaries (OR of AND) or the string form (:mod:`rucio_dafab.query.rucio_split`). A key is a
property, an alias or a JSON pointer, followed by a chain of suffixes; the last one is the test. ``docs/query.md`` has
the table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from rucio_dafab.query import rucio_tests
from rucio_dafab.query.errors import QueryError, located
from rucio_dafab.query.limits import LIMITS, Limits, check, check_bytes
from rucio_dafab.query.model import (
    EVERYTHING,
    DidField,
    Expression,
    Operand,
    Property,
    Relation,
    all_of,
    any_of,
    negate,
)
from rucio_dafab.query.rucio_split import Tests, split
from rucio_dafab.query.rucio_tests import TESTS, Subject
from rucio_dafab.query.typed_tests import did_queryable, link_relation, related_by
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.queryables import Queryable

_DID_KEYS = {"name": DidField.NAME, "did_type": DidField.DID_TYPE} | {
    f"did_{field.value}": field for field in DidField if field is not DidField.DID_TYPE
}
_RELATIONS = {
    "inherited": Relation.ANCESTOR,
    "ancestor": Relation.ANCESTOR,
    "descendant": Relation.DESCENDANT,
}
_LINKS = {relation.value: relation for relation in Relation if relation.takes_link}


@dataclass(frozen=True)
class _Key:
    """A key taken apart: what is tested, by which test, negated or not, on which related document."""

    operand: Operand
    queryable: Queryable
    test: str
    negated_inside: bool
    negated_outside: bool
    related: tuple[Relation, str | None] | None


def parse(filters: object, vocabulary: Vocabulary, limits: Limits = LIMITS) -> Expression:
    """Return the expression of Rucio's parsed filters or of their string form; no filter is :data:`EVERYTHING`.

    Args:
        filters: A string, a dictionary, or a sequence of dictionaries that are alternatives.
        vocabulary: Keys, areas and classes.
        limits: How large the filter may be.

    Raises:
        QueryError: naming the key and what is wrong with it or with its value.
    """
    groups = _groups(filters, limits)
    expressions = [_group(tests, vocabulary, limits) for tests in groups]
    return check(any_of(*expressions) if expressions else EVERYTHING, limits)


def _groups(filters: object, limits: Limits) -> list[Tests]:
    if filters is None:
        return []
    if isinstance(filters, str):
        check_bytes(filters, limits.filter_bytes + limits.geometry_bytes, "the filter")
        return split(filters)
    dictionaries = [filters] if isinstance(filters, Mapping) else filters
    if not isinstance(dictionaries, Sequence) or not all(isinstance(each, Mapping) for each in dictionaries):
        raise QueryError("filters are a string, a dictionary or a list of dictionaries")
    return [list(each.items()) for each in dictionaries]


def _group(tests: Tests, vocabulary: Vocabulary, limits: Limits) -> Expression:
    """Return the conjunction of `tests`; those on one kind of related document must hold on ONE such document."""
    if len(tests) > limits.nodes:
        raise QueryError(f"the filter has more than {limits.nodes} tests and values")
    own: list[Expression] = []
    related: dict[tuple[Relation, str | None], list[Expression]] = {}
    size = 0
    for key, value in tests:
        where, expression = _test(key, value, vocabulary, limits)
        if not rucio_tests.is_spatial(expression):
            size += len(str(key)) + len(str(value))
        (own if where is None else related.setdefault(where, [])).append(expression)
    check_bytes(" " * min(size, limits.filter_bytes + 1), limits.filter_bytes, "the filter")
    joined = [
        related_by(relation, all_of(*inner), link, vocabulary, _place(relation, link))
        for (relation, link), inner in related.items()
    ]
    return all_of(*own, *joined)


def _test(
    text: object, value: object, vocabulary: Vocabulary, limits: Limits
) -> tuple[tuple[Relation, str | None] | None, Expression]:
    if not isinstance(text, str):
        raise QueryError("a test needs a key, an operator and a value, such as eo:cloud_cover.lt=20")
    place = text if len(text) <= 80 else f"{text[:77]}..."
    with located(place):
        key = _key(text, place, vocabulary)
        if key.operand is DidField.NAME and key.test == "eq" and value == "*":  # the CLI always sends it
            return None, EVERYTHING
        expression = TESTS[key.test](Subject(place, key.operand, key.queryable, vocabulary, limits), value)
    if key.negated_inside:
        expression = negate(expression)
    if key.related is None or not key.negated_outside:
        return key.related, expression
    return None, negate(related_by(key.related[0], expression, key.related[1], vocabulary, place))


def _key(text: str, place: str, vocabulary: Vocabulary) -> _Key:
    name, *suffixes = text.strip().split(".")
    name = unquote(name) if name.startswith("/") else name
    inside = outside = False
    related = None
    while suffixes and (suffixes[0] == "not" or _relation(suffixes[0], place)):
        suffix = suffixes.pop(0)
        if suffix != "not":
            if related is not None:
                raise QueryError("only one related document can be named in a key", place)
            related, outside, inside = _relation(suffix, place), inside, False
        else:
            inside = not inside
    if len(suffixes) > 1 or (suffixes and suffixes[0] not in TESTS):
        raise rucio_tests.unknown(next((each for each in suffixes if each not in TESTS), suffixes[-1]), place)
    operand, queryable = _operand(name, vocabulary)
    return _Key(operand, queryable, suffixes[0] if suffixes else "eq", inside, outside, related)


def _place(relation: Relation, link: str | None) -> str:
    return f".{relation.value}" + (f":{link[:60]}" if link else "")


def _relation(suffix: str, place: str) -> tuple[Relation, str | None] | None:
    kind, _, link = suffix.partition(":")
    if link and kind in _LINKS:
        return _LINKS[kind], link_relation(unquote(link), place)
    return (_RELATIONS[suffix], None) if suffix in _RELATIONS else None


def _operand(name: str, vocabulary: Vocabulary) -> tuple[Operand, Queryable]:
    if field := _DID_KEYS.get(name):
        return field, did_queryable(field, name)
    queryable = vocabulary.queryables.asked(name)
    return Property(queryable.pointer), queryable
