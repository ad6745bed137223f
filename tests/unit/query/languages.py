"""Expressions written in every language, so that tests can ask the same question in all of them.

A language that cannot say something raises :class:`Inexpressible`.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import cql2
import orjson
import shapely

from rucio_dafab.query import cql2 as cql2_json
from rucio_dafab.query import cql2_text, dafab_filter, model, rucio_filter
from rucio_dafab.query.model import Comparator, DidField, Relation, TemporalOperator
from rucio_dafab.vocabulary import load
from rucio_dafab.vocabulary.queryables import ValueType, split_pointer
from rucio_dafab.vocabulary.times import Interval, format_instant

VOCABULARY = load()
_PLAIN = re.compile(r"[\w:./+-]+( [\w:./+-]+)*")
_DAFAB = {
    Comparator.EQUAL: "equals",
    Comparator.LESS: "lessThan",
    Comparator.LESS_OR_EQUAL: "lessThanOrEqual",
    Comparator.GREATER: "greaterThan",
    Comparator.GREATER_OR_EQUAL: "greaterThanOrEqual",
}
_SUFFIX = {
    Comparator.EQUAL: "eq",
    Comparator.LESS: "lt",
    Comparator.LESS_OR_EQUAL: "lte",
    Comparator.GREATER: "gt",
    Comparator.GREATER_OR_EQUAL: "gte",
    TemporalOperator.BEFORE: "before",
    TemporalOperator.AFTER: "after",
    TemporalOperator.INTERSECTS: "intersects",
}


class Inexpressible(Exception):
    """The language has no words for it."""


def to_cql2_json(expression: model.Expression) -> Any:
    return orjson.loads(orjson.dumps(cql2_json.to_json(expression)))


def to_cql2_text(expression: model.Expression) -> str:
    """Return the text that the library itself writes."""
    document = to_cql2_json(expression)
    read = cql2.parse_json(orjson.dumps(document).decode())
    for node, _ in model.walk(expression):
        values = getattr(node, "values", (getattr(node, "value", None),))
        if any(isinstance(value, float) and abs(value) > 2**53 for value in values):
            raise Inexpressible("the library writes it as an integer")
    if read.to_json() != document:
        raise Inexpressible("the library reads some numbers with an error in their last digit")
    return str(read.to_text())


def to_dafab(expression: model.Expression) -> dict[str, Any]:
    match expression:
        case model.And(parts) | model.Or(parts):
            combinator = "and" if isinstance(expression, model.And) else "or"
            return {"type": "logical", "combinator": combinator, "filters": [to_dafab(part) for part in parts]}
        case model.Not(part):
            return {"type": "logical", "combinator": "not", "filters": [to_dafab(part)]}
        case model.Related(relation, condition, link):
            if any(isinstance(node, model.Related) for node, _ in model.walk(condition)):
                raise Inexpressible("a related document of a related one")
            marked = {"related": _reach(relation, link)}
            return to_dafab(condition) | ({"inherited": True} if relation is Relation.ANCESTOR else marked)
    comparator, value = _dafab_test(expression)
    return {"type": "comparison", "comparator": comparator, **_dafab_path(expression), **value}


def _dafab_path(test: Any) -> dict[str, Any]:
    if isinstance(test.operand, DidField):
        return {"on": "did", "path": [test.operand.value]}
    return {"path": [int(each) if each.isdigit() else each for each in split_pointer(test.operand.pointer)]}


def _dafab_test(test: model.Expression) -> tuple[str, dict[str, Any]]:  # noqa: PLR0911 - one line a test
    match test:
        case model.Comparison(_, comparator, datetime() as moment):
            return _DAFAB[comparator], {"value": format_instant(moment), "valueType": "date"}
        case model.Comparison(_, comparator, value):
            kinds = {bool: "boolean", str: "string", int: "number", float: "number"}
            return _DAFAB[comparator], {"value": value, "valueType": kinds[type(value)]}
        case model.In(_, values):
            return "in", {"value": list(values)}
        case model.Like(_, pattern):
            return "like", {"value": to_wildcards(pattern)}
        case model.Contains(_, values, every):
            return "containsAll" if every else "containsAny", {"value": list(values)}
        case model.IsNull():
            return "isNull", {}
        case model.IsEmpty():
            return "isEmpty", {}
        case model.IsA(_, class_id):
            return "isA", {"value": class_id}
        case model.Spatial(_, operator, geometry) if operator not in {"s_contains", "s_equals"}:
            return operator.value.removeprefix("s_"), {"value": orjson.loads(shapely.to_geojson(geometry))}
    raise Inexpressible(type(test).__name__)


def to_rucio(expression: model.Expression) -> str:
    """Return the string form: alternatives of conjunctions of tests."""
    if expression == model.EVERYTHING:
        return ""
    groups = expression.parts if isinstance(expression, model.Or) else (expression,)
    if not groups:
        raise Inexpressible("never true")
    return ";".join(",".join(_rucio_group(group)) for group in groups)


def _rucio_group(group: model.Expression) -> list[str]:
    tests = group.parts if isinstance(group, model.And) else (group,)
    related = [test for test in tests if isinstance(test, model.Related)]
    reached = [(test.relation, test.link) for test in related]
    if not tests or len(set(reached)) < len(reached) or list(tests[len(tests) - len(related) :]) != related:
        raise Inexpressible("related documents come last, each once")
    return [text for test in tests for text in _rucio_tests(test)]


def _rucio_tests(test: model.Expression) -> list[str]:
    match test:
        case model.Not(model.Related(relation, condition, link)):
            negated, inner = isinstance(condition, model.Not), condition
            leaf = inner.part if isinstance(inner, model.Not) else inner
            return [_rucio_test(leaf, f".not.{_reach_in_key(relation, link)}" + (".not" if negated else ""))]
        case model.Related(relation, condition, link):
            parts = condition.parts if isinstance(condition, model.And) else (condition,)
            if not parts:
                raise Inexpressible("a related document of any kind")
            return [_negatable(part, f".{_reach_in_key(relation, link)}") for part in parts]
    return [_negatable(test, "")]


def _reach(relation: Relation, link: str | None) -> str:
    return f"{relation.value}:{link}" if link else relation.value


def _reach_in_key(relation: Relation, link: str | None) -> str:
    return _reach(relation, quote(link, safe="/:").replace(".", "%2E") if link else None)


def _negatable(test: model.Expression, chain: str) -> str:
    return _rucio_test(test.part, chain + ".not") if isinstance(test, model.Not) else _rucio_test(test, chain)


def _rucio_test(test: Any, chain: str) -> str:
    if isinstance(test, model.And | model.Or | model.Not | model.Related | model.ContainedBy):
        raise Inexpressible(type(test).__name__)
    suffix, value = _rucio_value(test)
    return f"{_rucio_key(test.operand)}{chain}.{suffix}={value}"


def _rucio_key(operand: model.Operand) -> str:
    if isinstance(operand, DidField):
        return operand.value if operand in {DidField.NAME, DidField.DID_TYPE} else f"did_{operand.value}"
    return quote(operand.pointer, safe="/:~()").replace(".", "%2E")


def _rucio_value(test: Any) -> tuple[str, str]:  # noqa: PLR0911, C901 - one line a test
    match test:
        case model.Comparison(operand, comparator, value):
            return _SUFFIX[comparator], _plain(operand, value, comparator is Comparator.EQUAL)
        case model.In(operand, values):
            if operand is DidField.DID_TYPE and list(values) != sorted(values):
                raise Inexpressible("types of DIDs are sorted")
            return "in", "|".join(_plain(operand, value) for value in values)
        case model.Like(operand, pattern):
            text = to_wildcards(pattern)
            if not re.fullmatch(r"[\w*?%:.-]+", text):
                raise Inexpressible("a pattern with letters of the language")
            return "like", text
        case model.Contains(operand, values, every):
            return "contains", ("&" if every else "|").join(_plain(operand, value) for value in values)
        case model.IsNull():
            return "isnull", "true"
        case model.IsEmpty():
            return "isempty", "true"
        case model.IsA(_, class_id):
            return "isa", class_id
        case model.Spatial(_, operator, geometry):
            return operator.value.removeprefix("s_"), shapely.to_geojson(geometry)
        case model.DistanceWithin(_, geometry, metres):
            return "dwithin", f"{shapely.to_geojson(geometry)}|{metres}"
        case model.Temporal(_, operator, interval) if operator in _SUFFIX:
            return _SUFFIX[operator], _interval(interval)
    raise Inexpressible(type(test).__name__)


def _interval(interval: Interval) -> str:
    return "/".join(".." if end is None else format_instant(end) for end in (interval.start, interval.end))


def _plain(operand: model.Operand, value: Any, exactly: bool = True) -> str:
    declared = isinstance(operand, DidField) or VOCABULARY.queryables.at(operand.pointer).type is not ValueType.ANY
    if isinstance(value, datetime) and exactly and not declared:
        raise Inexpressible("an equal text is asked for")
    if isinstance(value, datetime):
        return format_instant(value)
    if not isinstance(value, str):
        if isinstance(value, bool) or (exactly and not declared):
            raise Inexpressible("a string would do as well")
        return repr(value)
    if not _PLAIN.fullmatch(value) or (not declared and re.fullmatch(r"(?i)true|false|[-+.\d][-+.\de]*", value)):
        raise Inexpressible("a value with letters of the language, or that could be a number")
    return value


def to_wildcards(pattern: str) -> str:
    out, escaped = [], False
    for letter in pattern:
        if not escaped and letter == "\\":
            escaped = True
        elif (escaped and letter in "%*?") or (not escaped and letter in "*?"):
            raise Inexpressible("a wildcard that stands for itself")
        else:
            out.append({"%": "*", "_": "?"}[letter] if not escaped and letter in "%_" else letter)
            escaped = False
    return "".join(out)


LANGUAGES: dict[str, tuple[Callable[[model.Expression], Any], Callable[[Any], model.Expression]]] = {
    "Rucio filter": (to_rucio, lambda text: rucio_filter.parse(text, VOCABULARY)),
    "CQL2 text": (to_cql2_text, lambda text: cql2_text.parse(text, VOCABULARY)),
    "CQL2 JSON": (to_cql2_json, lambda document: cql2_json.from_json(document, VOCABULARY)),
    "DaFab JSON": (to_dafab, lambda document: dafab_filter.parse(document, VOCABULARY)),
}
"""How a question is written and read in each language."""
