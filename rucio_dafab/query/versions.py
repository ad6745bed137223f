"""Which versions a question is about: the latest ones, unless it says so itself.

A question says so where it tests ``latest`` (a declared queryable), and where it names an item by its id: who knows an
item wants it, whatever came after it.
"""

from typing import Final

from rucio_dafab.query.model import (
    And,
    Comparator,
    Comparison,
    DidField,
    Expression,
    In,
    Or,
    Property,
    Related,
    all_of,
    any_of,
    children,
)

LATEST: Final = Property("/dafab:latest")
"""Whether nothing in the catalogue names the document as its predecessor; never unknown."""

IS_LATEST: Final = Comparison(LATEST, Comparator.EQUAL, True)

_ID: Final = Property("/id")


def only_latest(expression: Expression) -> Expression:
    """Return `expression` for the latest versions alone, unless it says itself which it wants.

    Of alternatives, each one says it for itself.
    """
    if tests_latest(expression) or names_items(expression):
        return expression
    if isinstance(expression, Or) and any(names_items(part) for part in expression.parts):
        return any_of(*(only_latest(part) for part in expression.parts))
    return all_of(expression, IS_LATEST)


def tests_latest(expression: Expression) -> bool:
    """Return whether `expression` tests ``latest``, outside of related documents."""
    if isinstance(expression, Related):
        return False
    return getattr(expression, "operand", None) == LATEST or any(map(tests_latest, children(expression)))


def names_items(expression: Expression) -> bool:
    """Return whether only documents whose id, or DIDs whose name, is given can satisfy `expression`."""
    match expression:
        case And(parts):
            return any(map(names_items, parts))
        case Or(parts):
            return bool(parts) and all(map(names_items, parts))
        case Comparison(operand, Comparator.EQUAL) | In(operand):
            return operand in {_ID, DidField.NAME}
        case _:
            return False
