"""The query model as CQL2-JSON (OGC 21-065r2): the wire form between client and service.

Standard operators throughout. What the standard lacks are functions: ``isA(property, class)``, ``isEmpty(property)``,
``s_dwithin(property, geometry, metres)``, ``did(field)`` as an operand, and ``related(relation, condition)`` or
``related("link", "linked_by" or "along", relation, condition)``. ``a_contains`` asks for all values of a list,
``a_overlaps`` for any.
"""

from datetime import datetime
from typing import Any

import orjson
import shapely

from rucio_dafab.query.cql2_reader import from_json
from rucio_dafab.query.model import (
    And,
    Comparison,
    ContainedBy,
    Contains,
    DidField,
    DistanceWithin,
    Expression,
    In,
    IsA,
    IsEmpty,
    IsNull,
    Like,
    Not,
    Operand,
    Or,
    Related,
    Spatial,
    Temporal,
)
from rucio_dafab.vocabulary.queryables import Queryables
from rucio_dafab.vocabulary.queryables import load as load_queryables
from rucio_dafab.vocabulary.times import Interval, format_instant

__all__ = ["from_json", "to_json"]


def to_json(expression: Expression, queryables: Queryables | None = None) -> Any:
    """Return `expression` as a CQL2-JSON document, which :func:`from_json` reads back to an equal expression.

    Args:
        expression: What to write.
        queryables: Names of properties; by default this installation's. A path of no name is written as its JSON
        pointer.
    """
    return _Writer(queryables or load_queryables()).write(expression)


class _Writer:
    def __init__(self, queryables: Queryables) -> None:
        self._queryables = queryables

    def write(self, node: Expression) -> Any:
        match node:
            case And(()) | Or(()):
                return isinstance(node, And)
            case And(parts) | Or(parts):
                return _call("and" if isinstance(node, And) else "or", *map(self.write, parts))
            case Not(part):
                return _call("not", self.write(part))
            case Related(relation, condition, link):
                return _call("related", relation.value, *([link] if link else []), self.write(condition))
            case _:
                operator, arguments = _predicate(node)
                return _call(operator, self._operand(node.operand), *arguments)

    def _operand(self, operand: Operand) -> dict[str, Any]:
        if isinstance(operand, DidField):
            return _call("did", operand.value)
        return {"property": self._queryables.key_of(operand.pointer)}


def _predicate(node: Any) -> tuple[str, list[Any]]:
    """Return a test's operator and its arguments after the operand."""
    operator, *members = _SHAPES[type(node)]
    name = getattr(node, operator).value if operator in {"comparator", "operator"} else operator
    if isinstance(node, Contains) and node.every:
        name = "a_contains"
    return name, [_value(getattr(node, member)) for member in members]


# A test's operator (or the attribute that holds it), then the attributes that are its arguments.
_SHAPES: dict[type, tuple[str, ...]] = {
    Comparison: ("comparator", "value"),
    In: ("in", "values"),
    Like: ("like", "pattern"),
    Contains: ("a_overlaps", "values"),
    ContainedBy: ("a_containedBy", "values"),
    IsNull: ("isNull",),
    IsEmpty: ("isEmpty",),
    IsA: ("isA", "class_id"),
    Spatial: ("operator", "geometry"),
    DistanceWithin: ("s_dwithin", "geometry", "metres"),
    Temporal: ("operator", "interval"),
}


def _value(value: Any) -> Any:
    match value:
        case tuple():
            return [_value(each) for each in value]
        case datetime():
            return {"timestamp": format_instant(value)}
        case Interval(start, end):
            return {"interval": [".." if bound is None else format_instant(bound) for bound in (start, end)]}
        case shapely.Geometry():
            return orjson.loads(shapely.to_geojson(value))
        case _:
            return value


def _call(operator: str, *arguments: Any) -> dict[str, Any]:
    return {"op": operator, "args": list(arguments)}
