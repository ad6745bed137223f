"""The one query model: every language is parsed into it, and :mod:`rucio_dafab.query.sql` compiles it.

The logic has three values. A test of a member that the document lacks, that is JSON null, or whose value has another
JSON type than the test's value, is *unknown*; ``not`` of unknown is unknown; a document is found only where the whole
expression is true. So a document without the property matches neither a test nor its negation. Only :class:`IsNull` is
always true or false. A declared queryable whose stored value does not have the declared type counts as absent.

Values are frozen and hashable, geometries (shapely, EPSG:4326, valid, split at the antimeridian) included. Build
conjunctions and disjunctions with :func:`all_of` and :func:`any_of`, which keep them flat.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from shapely.geometry.base import BaseGeometry

from rucio_dafab.vocabulary.coercion import Scalar
from rucio_dafab.vocabulary.ontology_relations import Way
from rucio_dafab.vocabulary.times import Interval


class Comparator(StrEnum):
    """The six comparisons; the values are CQL2's. Parsers write "not equal" as the negation of "equal"."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


class SpatialOperator(StrEnum):
    """DE-9IM predicates of the footprint against a geometry; the values are CQL2's."""

    INTERSECTS = "s_intersects"
    WITHIN = "s_within"
    CONTAINS = "s_contains"
    DISJOINT = "s_disjoint"
    CROSSES = "s_crosses"
    TOUCHES = "s_touches"
    OVERLAPS = "s_overlaps"
    EQUALS = "s_equals"


class TemporalOperator(StrEnum):
    """How the document's extent [start, end] lies to an interval; names and meaning are CQL2's (OGC 21-065r2, 7.8).

    ``BEFORE``: end < begin of the interval. ``AFTER``: start > its end. ``DURING``: start > its begin and end < its
    end. ``INTERSECTS`` (also ``anyinteracts``): some instant in common, ends included. The others are those of Allen's
    interval algebra; the compiler has them as a table. An open end of the interval is infinitely far away.
    """

    BEFORE = "t_before"
    AFTER = "t_after"
    DURING = "t_during"
    CONTAINS = "t_contains"
    INTERSECTS = "t_intersects"
    EQUALS = "t_equals"
    MEETS = "t_meets"
    MET_BY = "t_metBy"
    STARTS = "t_starts"
    STARTED_BY = "t_startedBy"
    FINISHES = "t_finishes"
    FINISHED_BY = "t_finishedBy"
    OVERLAPS = "t_overlaps"
    OVERLAPPED_BY = "t_overlappedBy"


class Relation(StrEnum):
    """How a related document is reached: up or down the attachments, or along a STAC link, from its begin or its end.

    ``LINK`` is a document that this one names by a link, ``LINKED_BY`` one that names this one. ``ALONG`` is a relation
    of the ontology, which says what it follows, in how many steps, and what its inverse is.
    """

    ANCESTOR = "ancestor"
    DESCENDANT = "descendant"
    LINK = "link"
    LINKED_BY = "linked_by"
    ALONG = "along"

    @property
    def takes_link(self) -> bool:
        """Whether the name of a link, or of a relation of the ontology, belongs to it."""
        return self in {Relation.LINK, Relation.LINKED_BY, Relation.ALONG}


class DidField(StrEnum):
    """Fields of the DID itself, rather than of its document."""

    SCOPE = "scope"
    NAME = "name"
    DID_TYPE = "did_type"
    ACCOUNT = "account"
    BYTES = "bytes"
    LENGTH = "length"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


@dataclass(frozen=True)
class Property:
    """A member of the document, by RFC 6901 pointer from the root of the document."""

    pointer: str


Operand: TypeAlias = Property | DidField


@dataclass(frozen=True)
class Comparison:
    """`operand` compared with one value. On a document's ``datetime``: the whole extent must satisfy it."""

    operand: Operand
    comparator: Comparator
    value: Scalar


@dataclass(frozen=True)
class In:
    """`operand` equals one of `values`; unknown where its JSON type is that of none of them."""

    operand: Operand
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Like:
    r"""A string matched whole by a pattern: ``%`` any characters, ``_`` one, ``\`` takes the next one literally."""

    operand: Operand
    pattern: str


@dataclass(frozen=True)
class Contains:
    """An array that contains any one, or all, of `values`; unknown where the member is no array."""

    operand: Property
    values: tuple[Scalar, ...]
    every: bool = False


@dataclass(frozen=True)
class ContainedBy:
    """An array of which every element is one of `values`; unknown where the member is no array."""

    operand: Property
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class IsNull:
    """The member is absent or JSON null. Never unknown."""

    operand: Operand


@dataclass(frozen=True)
class IsEmpty:
    """The member is an empty string, array or object; unknown where it is absent or null."""

    operand: Property


@dataclass(frozen=True)
class Spatial:
    """The footprint stands in relation `operator` to `geometry` (planar, EPSG:4326)."""

    operand: Property
    operator: SpatialOperator
    geometry: BaseGeometry


@dataclass(frozen=True)
class DistanceWithin:
    """The footprint lies within `metres` of `geometry`, on the ellipsoid."""

    operand: Property
    geometry: BaseGeometry
    metres: float


@dataclass(frozen=True)
class Temporal:
    """The document's time (or one declared time) stands in relation `operator` to `interval`."""

    operand: Property
    operator: TemporalOperator
    interval: Interval


@dataclass(frozen=True)
class IsA:
    """The document shows the class with IRI `class_id` or anything below it; unknown where it names no class.

    ``below`` is that class with everything below it in the version of the ontology in which the question was read, so
    that all of a question means one version. It is empty where a question was not read but made.
    """

    operand: Property
    class_id: str
    below: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True)
class Related:
    """Some one related document satisfies `condition`. True or false: no such document is false.

    Attributes:
        relation: How it is reached.
        condition: What must hold on that one document as a whole.
        link: The link relation (``derived_from``) where `relation` takes one; of ``ALONG`` the relation's IRI; else
            ``None``.
        way: What ``ALONG`` follows, in the version of the ontology in which the question was read; ``None`` where it
            was not read but made.
    """

    relation: Relation
    condition: "Expression"
    link: str | None = None
    way: Way | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class And:
    """All of `parts`; of none, true."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Or:
    """Any of `parts`; of none, false."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Not:
    """The negation; of unknown, unknown."""

    part: "Expression"


Predicate: TypeAlias = (
    Comparison
    | In
    | Like
    | Contains
    | ContainedBy
    | IsNull
    | IsEmpty
    | Spatial
    | DistanceWithin
    | Temporal
    | IsA
    | Related
)
Expression: TypeAlias = Predicate | And | Or | Not

EVERYTHING = And(())
"""The expression that every document satisfies."""


def all_of(*parts: Expression) -> Expression:
    """Return the conjunction of `parts`: flat, and a single part as itself."""
    flat = _flatten(parts, And)
    return flat[0] if len(flat) == 1 else And(flat)


def any_of(*parts: Expression) -> Expression:
    """Return the disjunction of `parts`: flat, and a single part as itself."""
    flat = _flatten(parts, Or)
    return flat[0] if len(flat) == 1 else Or(flat)


def negate(part: Expression) -> Expression:
    """Return the negation of `part`; a double negation falls away."""
    return part.part if isinstance(part, Not) else Not(part)


def one_of(operand: Operand, *values: Scalar) -> Expression:
    """Return the test that `operand` equals one of `values`: a comparison where there is one."""
    distinct = tuple({(type(value), value): value for value in values}.values())
    return Comparison(operand, Comparator.EQUAL, distinct[0]) if len(distinct) == 1 else In(operand, distinct)


def walk(expression: Expression) -> Iterator[tuple[Expression, int]]:
    """Yield every node with its depth (the root is 1), without recursion, so that any depth can be measured."""
    todo = [(expression, 1)]
    while todo:
        node, depth = todo.pop()
        yield node, depth
        todo.extend((child, depth + 1) for child in children(node))


def children(node: Expression) -> tuple[Expression, ...]:
    """Return the expressions directly inside `node`."""
    match node:
        case And(parts) | Or(parts):
            return parts
        case Not(part):
            return (part,)
        case Related(condition=condition):
            return (condition,)
        case _:
            return ()


def tests_did_type(expression: Expression) -> bool:
    """Return whether `expression` says itself which types of DID it wants, outside of related documents."""
    if isinstance(expression, Related):
        return False
    if getattr(expression, "operand", None) is DidField.DID_TYPE:
        return True
    return any(tests_did_type(child) for child in children(expression))


def _flatten(parts: tuple[Expression, ...], kind: type[And] | type[Or]) -> tuple[Expression, ...]:
    inner = (part.parts if isinstance(part, kind) else (part,) for part in parts)
    return tuple(each for group in inner for each in group)
