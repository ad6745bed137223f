"""DaFab's JSON filter, as the live catalogue takes it, read into the query model.

A tree of logical nodes and comparisons. Beyond the live language, a node may name a related document in general:
``"related": "ancestor"``, ``"descendant"``, ``"link:derived_from"``, ``"linked_by:derived_from"`` or
``"along:derivedFrom"``; ``"inherited": true`` is the first of these. And there are comparators for space and classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from rucio_dafab.query.dafab_tests import COMPARATORS, LISTS, UNTYPED, WITHOUT_VALUE, Subject
from rucio_dafab.query.errors import LimitError, QueryError, located
from rucio_dafab.query.limits import LIMITS, Limits
from rucio_dafab.query.model import (
    DidField,
    Expression,
    Operand,
    Property,
    Relation,
    all_of,
    any_of,
    negate,
)
from rucio_dafab.query.typed_tests import did_queryable, related_by
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.coercion import Scalar, coerce, show
from rucio_dafab.vocabulary.queryables import Queryable, ValueType, escape_segment

_LONGEST_PATH = 64
_HIGHEST_POSITION = 2**31 - 1
_MOST_VALUES = 256
_LONGEST_TEXT = 4096
_MEMBERS = {
    "logical": frozenset({"type", "combinator", "filters", "inherited", "related"}),
    "comparison": frozenset({"type", "on", "path", "comparator", "value", "valueType", "inherited", "related"}),
}
_VALUE_TYPES = {
    "string": ValueType.STRING,
    "date": ValueType.DATETIME,
    "number": ValueType.NUMBER,
    "numeric": ValueType.NUMBER,
    "integer": ValueType.INTEGER,
    "int": ValueType.INTEGER,
    "boolean": ValueType.BOOLEAN,
    "bool": ValueType.BOOLEAN,
    "array": None,
}


def parse(document: object, vocabulary: Vocabulary, limits: Limits = LIMITS) -> Expression:
    """Return the expression of a filter.

    Args:
        document: The filter, as JSON values.
        vocabulary: The declared types of what its paths name.
        limits: How large the filter may be: bytes of its JSON, nodes and depth of the tree.

    Raises:
        QueryError: with the JSON pointer of what is wrong.
    """
    _check_size(document, limits)
    return _Reader(vocabulary).read(document, "", related=False)


def _check_size(document: object, limits: Limits) -> None:
    """Count nodes, depth and bytes before anything recurses."""
    todo, nodes = [(document, 1)], 0
    while todo:
        node, depth = todo.pop()
        nodes += 1
        if nodes > limits.nodes:
            raise LimitError(f"the filter has more than {limits.nodes} nodes")
        if depth > limits.depth:
            raise LimitError(f"the filter is nested deeper than {limits.depth} levels")
        filters = node.get("filters") if isinstance(node, Mapping) else None
        todo.extend((each, depth + 1) for each in (filters if isinstance(filters, list) else ()))
    try:
        size = len(orjson.dumps(document))
    except orjson.JSONEncodeError as error:
        raise QueryError(f"the filter is not JSON: {error}", "/") from error
    if size > limits.filter_bytes:
        raise LimitError(f"the filter has {size:,} bytes, at most {limits.filter_bytes:,} are taken")


@dataclass(frozen=True)
class _Reader:
    vocabulary: Vocabulary

    def read(self, node: object, place: str, related: bool) -> Expression:
        kind = node.get("type") if isinstance(node, Mapping) else None
        if not isinstance(node, Mapping) or not isinstance(kind, str) or kind not in _MEMBERS:
            raise QueryError(f"{show(node)} is no node: its type is logical or comparison", place or "/")
        if unknown := sorted(str(key) for key in set(node) - _MEMBERS[kind]):
            raise QueryError(f"a {kind} node has no member {show(unknown[0])}", place or "/")
        relation = _relation(node, place, related)
        inside = related or relation is not None
        expression = self._logical(node, place, inside) if kind == "logical" else self._comparison(node, place)
        if relation is None:
            return expression
        return related_by(relation[0], expression, relation[1], self.vocabulary, f"{place}/related")

    def _logical(self, node: Mapping[str, Any], place: str, related: bool) -> Expression:
        combinator, filters = node.get("combinator"), node.get("filters")
        if not isinstance(combinator, str) or combinator not in {"and", "or", "not"}:
            raise QueryError(f"the combinator is and, or or not, not {show(combinator)}", f"{place}/combinator")
        if not isinstance(filters, list):
            raise QueryError("a logical node has a list of filters", f"{place}/filters")
        if combinator == "not" and len(filters) != 1:
            raise QueryError(f"not takes one filter, not {len(filters)}", f"{place}/filters")
        parts = [self.read(each, f"{place}/filters/{number}", related) for number, each in enumerate(filters)]
        if combinator == "not":
            return negate(parts[0])
        return (all_of if combinator == "and" else any_of)(*parts)

    def _comparison(self, node: Mapping[str, Any], place: str) -> Expression:
        comparator = node.get("comparator")
        if not isinstance(comparator, str) or comparator not in COMPARATORS:
            known = " ".join(COMPARATORS)
            raise QueryError(f"unknown comparator {show(comparator)}; they are {known}", f"{place}/comparator")
        operand, queryable = self._operand(node, place)
        kind = _value_type(node, comparator, place)
        if kind is ValueType.DATETIME:
            queryable = _as_time(queryable, f"{place}/valueType")
        with located(f"{place}/value"):
            values = _values(node, comparator, kind, queryable, place)
            return COMPARATORS[comparator](Subject(operand, queryable, comparator, values, place, self.vocabulary))

    def _operand(self, node: Mapping[str, Any], place: str) -> tuple[Operand, Queryable]:
        path, on = _path(node.get("path"), f"{place}/path"), node.get("on", "document")
        if on == "did":
            field = next((each for each in DidField if path == [each.value]), None)
            if field is None:
                fields = ", ".join(each.value for each in DidField)
                raise QueryError(f"the path of a test on the DID is one of its fields: {fields}", f"{place}/path")
            return field, did_queryable(field)
        if on != "document":
            raise QueryError(f"on is document or did, not {show(on)}", f"{place}/on")
        with located(f"{place}/path"):
            queryable = self.vocabulary.queryables.resolve("/" + "/".join(map(escape_segment, path)))
        return Property(queryable.pointer), queryable


def _relation(node: Mapping[str, Any], place: str, related: bool) -> tuple[Relation, str | None] | None:
    inherited, name = node.get("inherited", False), node.get("related")
    if not isinstance(inherited, bool):
        raise QueryError(f"inherited is true or false, not {show(inherited)}", f"{place}/inherited")
    if not inherited and name is None:
        return None
    member = "inherited" if inherited else "related"
    if related or (inherited and name is not None):
        raise QueryError("a node can name one related document: mark the group around it", f"{place}/{member}")
    kind, colon, link = (Relation.ANCESTOR.value if inherited else str(name)).partition(":")
    relation = next((each for each in Relation if each == kind), None)
    if relation is None or relation.takes_link is not bool(link) or bool(colon) is not bool(link):
        known = "ancestor, descendant, link:NAME, linked_by:NAME or along:NAME"
        raise QueryError(f"related is {known}, not {show(name)}", f"{place}/related")
    return relation, link or None


def _path(path: object, place: str) -> list[str]:
    if not isinstance(path, list) or not 1 <= len(path) <= _LONGEST_PATH:
        raise QueryError(f"a path is a list of 1 to {_LONGEST_PATH} members, such as properties and datetime", place)
    for number, segment in enumerate(path):
        is_position = isinstance(segment, int) and not isinstance(segment, bool) and 0 <= segment <= _HIGHEST_POSITION
        if not is_position and not isinstance(segment, str):
            raise QueryError(f"{show(segment)} is no name of a member and no position in a list", f"{place}/{number}")
    return [str(segment) for segment in path]


def _value_type(node: Mapping[str, Any], comparator: str, place: str) -> ValueType | None:
    name = node.get("valueType")
    if name is None:
        return None
    if not isinstance(name, str) or name.lower() not in _VALUE_TYPES:
        raise QueryError(f"the value type is one of {' '.join(_VALUE_TYPES)}, not {show(name)}", f"{place}/valueType")
    kind = _VALUE_TYPES[name.lower()]
    if kind is None and comparator not in LISTS | WITHOUT_VALUE:
        raise QueryError(f"the value type array is not for {comparator}", f"{place}/valueType")
    if comparator in {"like", "notLike"} and kind is not ValueType.STRING:
        raise QueryError(f"{comparator} compares text: its value type is string", f"{place}/valueType")
    return kind


def _as_time(queryable: Queryable, place: str) -> Queryable:
    if queryable.is_declared and queryable.type is not ValueType.DATETIME:
        raise QueryError(f"{queryable.name} holds {queryable.type.value} values, not dates", place)
    return replace(queryable, type=ValueType.DATETIME)


def _values(
    node: Mapping[str, Any], comparator: str, kind: ValueType | None, queryable: Queryable, place: str
) -> tuple[Any, ...]:
    if comparator in WITHOUT_VALUE:
        if "value" in node:
            raise QueryError(f"{comparator} takes no value", f"{place}/value")
        return ()
    if "value" not in node:
        raise QueryError(f"{comparator} needs a value", place or "/")
    value = node["value"]
    if comparator in UNTYPED:
        if kind is not None:
            raise QueryError(f"{comparator} takes no value type", f"{place}/valueType")
        return (value,)
    if comparator not in LISTS:
        return (_value(value, kind, queryable),)
    if not isinstance(value, list) or len(value) > _MOST_VALUES:
        raise QueryError(f"{comparator} takes a list of at most {_MOST_VALUES} values", f"{place}/value")
    return tuple(_value(each, kind, queryable) for each in value)


def _value(value: object, kind: ValueType | None, queryable: Queryable) -> Scalar | None:
    """Return one value, read as the value type says; null stays ``None``."""
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        raise LimitError(f"a text has {len(value):,} characters, at most {_LONGEST_TEXT:,} are taken")
    if value is None:
        return None
    # A date stays as written, since it may stand for a whole day.
    read_as = ValueType.STRING if kind is ValueType.DATETIME else kind or ValueType.ANY
    return coerce(Queryable(queryable.name, "/", read_as, unit=queryable.unit), value)
