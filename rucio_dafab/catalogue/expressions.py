"""Questions about the questions: which tests are on the DID itself, and what is left of a question without them."""

from collections.abc import Callable

from rucio_dafab.query.model import EVERYTHING, And, DidField, Expression, Not, Or, Related, all_of, any_of

Leaf = Callable[[Expression], bool]


def is_did_test(node: Expression) -> bool:
    """Return whether a node tests a field of the DID."""
    return isinstance(getattr(node, "operand", None), DidField)


def is_name_test(node: Expression) -> bool:
    """Return whether a node tests the name of the DID."""
    return getattr(node, "operand", None) is DidField.NAME


def is_remote_test(node: Expression) -> bool:
    """Return whether a node tests a field of the DID that is not kept beside its document."""
    return getattr(node, "operand", None) in {DidField.ACCOUNT, DidField.CREATED_AT, DidField.UPDATED_AT}


def is_document_test(node: Expression) -> bool:
    """Return whether a node tests the document, or a related one."""
    return not isinstance(node, And | Or | Not) and not is_did_test(node)


def has(expression: Expression, leaf: Leaf) -> bool:
    """Return whether some test of an expression, outside of related documents, is of a kind."""
    if isinstance(expression, Related):
        return leaf(expression)
    match expression:
        case And(parts) | Or(parts):
            return any(has(part, leaf) for part in parts)
        case Not(part):
            return has(part, leaf)
        case _:
            return leaf(expression)


def relax(expression: Expression, leaf: Leaf) -> Expression:
    """Return a condition without tests of a kind that holds wherever the expression does.

    A test of the kind becomes true; so does a negation that has one inside.
    """
    match expression:
        case And(parts):
            return all_of(*(relax(part, leaf) for part in parts))
        case Or(parts):
            relaxed = [relax(part, leaf) for part in parts]
            return EVERYTHING if EVERYTHING in relaxed else any_of(*relaxed)
        case Not(part):
            return EVERYTHING if has(part, leaf) else expression
        case _:
            return EVERYTHING if leaf(expression) else expression
