"""Comparisons by the declared type of what is compared: what every language says in the same way."""

from collections.abc import Sequence

from rucio_dafab.query.errors import QueryError, located
from rucio_dafab.query.model import (
    Comparator,
    Comparison,
    DidField,
    Expression,
    IsA,
    Operand,
    Property,
    Related,
    Relation,
    any_of,
    one_of,
)
from rucio_dafab.query.times import compare_time
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.coercion import Scalar, coerce, show
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import Queryable, ValueType
from rucio_dafab.vocabulary.times import Interval, parse_extent, parse_interval

_DID_FIELD_TYPES = {
    DidField.BYTES: ValueType.INTEGER,
    DidField.LENGTH: ValueType.INTEGER,
    DidField.CREATED_AT: ValueType.DATETIME,
    DidField.UPDATED_AT: ValueType.DATETIME,
}
_LONGEST_RELATION = 100
_LONGEST_IRI = 500
_NOT_COMPARED = {
    ValueType.GEOMETRY: "ask how it lies to another geometry",
    ValueType.CONCEPTS: "ask whether they are a class",
    ValueType.STRINGS: "ask what the list contains",
}


def did_queryable(field: DidField, name: str = "") -> Queryable:
    """Return a field of the DID with its type, called `name` in messages."""
    return Queryable(name or field.value, "/", _DID_FIELD_TYPES.get(field, ValueType.STRING))


def compare(
    operand: Operand, queryable: Queryable, comparator: Comparator, value: object, place: str = ""
) -> Expression:
    """Return `operand` compared with `value`; a date stands for its whole day.

    Raises:
        QueryError: if what `queryable` holds cannot be compared, or has no such order.
        VocabularyError: if `value` is not of its type.
    """
    if queryable.type in _NOT_COMPARED:
        hint = _NOT_COMPARED[queryable.type]
        raise QueryError(f"{queryable.name} holds {queryable.type.value}, which cannot be compared so: {hint}", place)
    if queryable.type is ValueType.DATETIME:
        return compare_time(operand, comparator, extent(value, queryable), place)
    scalar = coerce(queryable, value)
    if isinstance(scalar, bool) and comparator is not Comparator.EQUAL:
        raise QueryError("true and false have no order", place)
    return Comparison(operand, comparator, scalar)


def one_of_values(operand: Operand, queryable: Queryable, values: Sequence[object], place: str = "") -> Expression:
    """Return the test that `operand` equals one of `values`; of none, false.

    Raises:
        QueryError: if what `queryable` holds cannot be compared.
        VocabularyError: if a value is not of its type.
    """
    if queryable.type is ValueType.DATETIME or queryable.type in _NOT_COMPARED or not values:
        return any_of(*(compare(operand, queryable, Comparator.EQUAL, value, place) for value in values))
    return one_of(operand, *(coerce(queryable, value) for value in values))


def extent(value: object, queryable: Queryable) -> Interval:
    """Return what a date, a time or an interval as text, or a typed time, covers.

    Raises:
        VocabularyError: if `value` is none of them.
    """
    if isinstance(value, str):
        return parse_interval(value)
    moment: Scalar = coerce(queryable, value)
    return parse_extent(str(moment))


def is_time(value: object) -> bool:
    """Return whether `value` is a text that :func:`extent` reads: a date, a time, or an interval of them."""
    try:
        return isinstance(value, str) and bool(parse_interval(value))
    except VocabularyError:
        return False


def link_relation(name: object, place: str = "") -> str:
    """Return the name of a link relation, such as ``derived_from``.

    Raises:
        QueryError: if it cannot be one.
    """
    longest = _LONGEST_RELATION if "://" not in str(name) else _LONGEST_IRI
    if not isinstance(name, str) or not 1 <= len(name) <= longest or not name.isprintable():
        raise QueryError(f"a link relation is a name such as derived_from, not {show(name)}", place)
    return name


def is_a(operand: Property, name: str, vocabulary: Vocabulary) -> IsA:
    """Return the test for a class that has this name, with everything below it.

    Raises:
        VocabularyError: for an unknown or ambiguous name, with the candidates.
    """
    class_id = vocabulary.ontology.resolve(name)
    return IsA(operand, class_id, vocabulary.ontology.expand(class_id))


def related_by(relation: Relation, condition: Expression, link: object, vocabulary: Vocabulary, place: str) -> Related:
    """Return the test of a related document that one or more steps lead to.

    Args:
        relation: how it is reached.
        condition: what must hold on it.
        link: the name of a link, or of a relation of the ontology, where `relation` takes one.
        vocabulary: knows the relations of the ontology.
        place: what a refusal names.

    Raises:
        QueryError: if `link` cannot be a name, the ontology has no such relation, or the catalogue does not follow it.
    """
    if not relation.takes_link:
        return Related(relation, condition)
    name = link_relation(link, place)
    if relation is not Relation.ALONG:
        return Related(relation, condition, name)
    with located(place):
        asked = vocabulary.ontology.relation(name)
        return Related(relation, condition, asked, vocabulary.ontology.way(asked))


def from_wildcards(text: str, one: str = "") -> str:
    """Return wildcards as a pattern of the model: ``*`` is any characters, `one` any one character.

    With `one`, ``%`` is any characters, too.
    """
    out = []
    for letter in text:
        if letter == "*" or (one and letter == "%"):
            out.append("%")
        elif one and letter == one:
            out.append("_")
        else:
            out.append(f"\\{letter}" if letter in "%_\\" else letter)
    return "".join(out)
