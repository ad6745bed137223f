"""The conditions of a workflow: ``when`` (govaluate's language) and ``retryStrategy.expression`` (expr's).

A small evaluator over texts, numbers and truth: comparisons, ``in``, ``&&``, ``||``, ``!``, matching, and in the
expression of a retry ``lastRetry.…``, ``retries``, ``asInt`` and ``asFloat``. There is no arithmetic, no call of
anything else and no way to reach Python: what is not in this list is refused when the document is read.

https://argo-workflows.readthedocs.io/en/latest/retries/#conditional-retries
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from argo_templates.local.errors import ExpressionError

Value: TypeAlias = str | float | bool | list[Any]
Scope: TypeAlias = Mapping[str, Value]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<number>-?\d+(?:\.\d+)?)(?![\w.])"
    r"|(?P<operator>==|!=|<=|>=|=~|!~|&&|\|\||[<>!(),\[\]])|(?P<word>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*))"
)
_SPELLINGS: Final = {"and": "&&", "or": "||", "not": "!"}
_COMPARISONS: Final = ("==", "!=", "<=", ">=", "<", ">", "=~", "!~", "in", "matches", "contains", "startsWith")
_FUNCTIONS: Final = ("asInt", "asFloat")
MOST_NESTED: Final = 100
"""Parentheses, lists and negations of one text: each may stand within the one before."""

LAST_RETRY: Final = ("lastRetry.exitCode", "lastRetry.status", "lastRetry.duration", "lastRetry.message", "retries")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the two languages differ in.

    Attributes:
        name: the member of the document, for refusals.
        words: names that have a value.
        functions: whether ``asInt`` and ``asFloat`` may be called.
        bare: whether another word is a text, as govaluate with Argo's own change takes it.
    """

    name: str
    words: frozenset[str] = frozenset()
    functions: bool = False
    bare: bool = False


WHEN: Final = Dialect("when", bare=True)
RETRY: Final = Dialect("retryStrategy.expression", frozenset(LAST_RETRY), functions=True)


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or a truth."""

    value: Value


@dataclass(frozen=True, slots=True)
class Name:
    """A name that has a value."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator, a function, or ``list``, over its operands."""

    operator: str
    operands: "tuple[Expression, ...]"


Expression: TypeAlias = Literal | Name | Operation


def parse(text: str, dialect: Dialect) -> Expression:
    """Read an expression.

    Raises:
        ExpressionError: naming what cannot be read and where it stands.
    """
    if sum(text.count(each) for each in "([!") + text.count("not") > MOST_NESTED:
        raise ExpressionError(f"{dialect.name} {text[:60]!r}… has more than {MOST_NESTED} parentheses and negations")
    reader = _Reader(text, dialect)
    found = reader.alternatives()
    if reader.symbol:
        raise reader.refusal()
    return found


def evaluate(expression: Expression, scope: Scope) -> Value:
    """Return the value of an expression.

    Raises:
        ExpressionError: if its operands do not go together, or a text that should be a number is none.
    """
    match expression:
        case Literal(value):
            return value
        case Name(name):
            return scope[name]
        case Operation("&&", operands):
            return all(_truth(evaluate(operand, scope)) for operand in operands)
        case Operation("||", operands):
            return any(_truth(evaluate(operand, scope)) for operand in operands)
        case Operation(operator, operands):
            return _apply(operator, [evaluate(operand, scope) for operand in operands])


def is_true(text: str, dialect: Dialect, scope: Scope | None = None) -> bool:
    """Tell whether a condition holds.

    Raises:
        ExpressionError: if it cannot be read or has no truth.
    """
    return _truth(evaluate(parse(text, dialect), scope or {}))


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise ExpressionError(f"{value!r} is neither true nor false")
    return value


def _apply(operator: str, values: list[Any]) -> Value:
    try:
        return _OPERATIONS[operator](*values) if operator != "list" else values
    except (TypeError, ValueError, re.error) as error:
        raise ExpressionError(f"{operator} of {' and '.join(map(repr, values))}: {error}") from error


def _same(left: Any, right: Any) -> bool:
    """Compare without Python's ``True == 1``."""
    return type(left) is type(right) and bool(left == right)


def _matches(left: str, right: str) -> bool:
    return re.search(right, left) is not None


_OPERATIONS: Final[Mapping[str, Callable[..., Value]]] = {
    "!": lambda value: not _truth(value),
    "==": _same,
    "!=": lambda left, right: not _same(left, right),
    "<": lambda left, right: bool(left < right),
    ">": lambda left, right: bool(left > right),
    "<=": lambda left, right: bool(left <= right),
    ">=": lambda left, right: bool(left >= right),
    "=~": _matches,
    "!~": lambda left, right: not _matches(left, right),
    "matches": _matches,
    "contains": lambda left, right: right in left,
    "startsWith": lambda left, right: left.startswith(right),
    "in": lambda left, right: any(_same(left, each) for each in right),
    # Numbers are floats here, so that 75 and 75.0 are the same one.
    "asInt": lambda value: float(int(value)),
    "asFloat": float,
}


class _Reader:
    """Reads one token ahead, by falling precedence: or, and, comparison, not."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text, self._dialect = text, dialect
        self._at = self._end = 0
        self._kind: str | None = ""
        self.symbol = ""
        self._next()

    def refusal(self) -> ExpressionError:
        rest = self._text[self._at :].strip()
        what = f"cannot be read at {rest[:30]!r}" if rest else "ends too early"
        return ExpressionError(f"{self._dialect.name} {self._text!r} {what}")

    def alternatives(self) -> Expression:
        return self._chain("||", lambda: self._chain("&&", self._comparison))

    def _chain(self, operator: str, operand: Callable[[], Expression]) -> Expression:
        found = [operand()]
        while self._kind == "operator" and self.symbol == operator:
            self._next()
            found.append(operand())
        return found[0] if len(found) == 1 else Operation(operator, tuple(found))

    def _comparison(self) -> Expression:
        left = self._factor()
        if self._kind != "text" and self.symbol in _COMPARISONS:
            operator = self.symbol
            self._next()
            return Operation(operator, (left, self._factor()))
        return left

    def _factor(self) -> Expression:
        kind, symbol = self._kind, self.symbol
        if kind == "operator" and symbol == "!":
            self._next()
            return Operation("!", (self._factor(),))
        if kind == "operator" and symbol == "(":
            return self._parenthesis()
        if kind == "operator" and symbol == "[":
            return Operation("list", tuple(self._listed("]")))
        if kind == "text":
            self._next()
            return Literal(re.sub(r"\\(.)", r"\1", symbol[1:-1]))
        if kind == "number":
            self._next()
            return Literal(float(symbol))
        if kind == "word":
            return self._word(symbol)
        raise self.refusal()

    def _parenthesis(self) -> Expression:
        """Return what stands in parentheses; with a comma in it that is govaluate's list."""
        found = self._listed(")")
        return found[0] if len(found) == 1 else Operation("list", tuple(found))

    def _listed(self, end: str) -> list[Expression]:
        self._next()
        found = [self.alternatives()]
        while self._kind == "operator" and self.symbol == ",":
            self._next()
            found.append(self.alternatives())
        if self._kind != "operator" or self.symbol != end:
            raise self.refusal()
        self._next()
        return found

    def _word(self, word: str) -> Expression:
        if word in ("true", "false"):
            self._next()
            return Literal(word == "true")
        if self._dialect.functions and word in _FUNCTIONS:
            self._next()
            if self.symbol != "(" or len(operands := self._listed(")")) != 1:
                raise self.refusal()
            return Operation(word, tuple(operands))
        if word not in self._dialect.words and not (self._dialect.bare and "." not in word):
            raise self.refusal()
        self._next()
        return Name(word) if word in self._dialect.words else Literal(word)

    def _next(self) -> None:
        self._at = self._end
        if not self._text[self._at :].strip():
            self._kind, self.symbol, self._at = None, "", len(self._text)
            return
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise self.refusal()
        self._end = found.end()
        self._kind, self.symbol = found.lastgroup, found[0].strip()
        if self._kind == "word" and self.symbol in _SPELLINGS:
            self._kind, self.symbol = "operator", _SPELLINGS[self.symbol]
