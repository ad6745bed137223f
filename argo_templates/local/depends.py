"""The grammar of a task's ``depends``: ``a && (b.Succeeded || b.Skipped)``, as Argo documents it.

https://argo-workflows.readthedocs.io/en/latest/enhanced-depends-logic/
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from argo_templates.local.errors import ExpressionError

RESULTS: Final = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned", "AnySucceeded", "AllFailed")
"""What a task may be asked about. ``AnySucceeded`` and ``AllFailed`` ask about the items of a fan-out."""

BARE: Final = ("Succeeded", "Skipped", "Daemoned")
"""What a task's name alone asks: any of these."""

MOST_NESTED: Final = 300
"""Parentheses and negations of one text: each may stand within the one before."""

Asked: TypeAlias = Callable[[str, str], bool]
"""Tells whether a task has a result."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task and what is asked of it."""

    name: str
    results: tuple[str, ...] = BARE


@dataclass(frozen=True, slots=True)
class Not:
    """What must not hold."""

    operand: "Depends"


@dataclass(frozen=True, slots=True)
class And:
    """What must all hold."""

    operands: "tuple[Depends, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """Of which one must hold."""

    operands: "tuple[Depends, ...]"


Depends: TypeAlias = Task | Not | And | Or
NOTHING: Final = And(())
"""What depends on nothing: it always holds."""

_TOKEN: Final = re.compile(r"\s*(?:(&&|\|\||!|\(|\))|([A-Za-z_][\w-]*)(?:\.(\w+))?)")


def parse(text: str) -> Depends:
    """Read a ``depends``; an empty one is :data:`NOTHING`.

    Raises:
        ExpressionError: naming what cannot be read and where it stands.
    """
    reader = _Reader(text)
    if reader.kind == "end":
        return NOTHING
    if text.count("(") + text.count("!") > MOST_NESTED:
        raise ExpressionError(f"depends {text[:60]!r}… has more than {MOST_NESTED} parentheses and negations")
    found = reader.alternatives()
    if reader.kind != "end":
        raise reader.refusal()
    return found


def holds(depends: Depends, asked: Asked) -> bool:
    """Tell whether a ``depends`` holds."""
    match depends:
        case Task(name, results):
            return any(asked(name, result) for result in results)
        case Not(operand):
            return not holds(operand, asked)
        case And(operands):
            return all(holds(operand, asked) for operand in operands)
        case Or(operands):
            return any(holds(operand, asked) for operand in operands)


def names(depends: Depends) -> frozenset[str]:
    """Return the tasks that a ``depends`` asks about."""
    return frozenset(each.name for each in tasks(depends))


def tasks(depends: Depends) -> Iterator[Task]:
    """Yield what a ``depends`` asks, task by task."""
    match depends:
        case Task():
            yield depends
        case Not(operand):
            yield from tasks(operand)
        case And(operands) | Or(operands):
            for operand in operands:
                yield from tasks(operand)


def write(depends: Depends) -> str:
    """Return a ``depends`` as text that :func:`parse` reads to the same meaning."""
    match depends:
        case Task(name, results):
            return name if results == BARE else f"({' || '.join(f'{name}.{result}' for result in results)})"
        case Not(operand):
            return f"!{write(operand)}" if isinstance(operand, Task | Not) else f"!({write(operand)})"
        case And(operands):
            return f"({' && '.join(map(write, operands))})"
        case Or(operands):
            return f"({' || '.join(map(write, operands))})"


def of_task(task: Mapping[str, object]) -> Depends:
    """Return what a task of a DAG depends on, said by ``depends`` or by the older list ``dependencies``.

    Raises:
        ExpressionError: if it cannot be read.
    """
    listed = task.get("dependencies")
    if isinstance(listed, list) and listed:
        return And(tuple(Task(str(name)) for name in listed))
    return parse(str(task.get("depends", "")))


class _Reader:
    """Reads one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._consumed = 0
        self.kind = ""
        self._name = ""
        self._result: str | None = None
        self._next()

    def refusal(self) -> ExpressionError:
        rest = self._text[self._at :].strip()
        return ExpressionError(f"cannot read depends {self._text!r} at {rest[:30]!r}" if rest else self._short())

    def alternatives(self) -> Depends:
        found = [self._conjunction()]
        while self.kind == "||":
            self._next()
            found.append(self._conjunction())
        return found[0] if len(found) == 1 else Or(tuple(found))

    def _conjunction(self) -> Depends:
        found = [self._factor()]
        while self.kind == "&&":
            self._next()
            found.append(self._factor())
        return found[0] if len(found) == 1 else And(tuple(found))

    def _factor(self) -> Depends:
        if self.kind == "!":
            self._next()
            return Not(self._factor())
        if self.kind == "(":
            self._next()
            found = self.alternatives()
            if self.kind != ")":
                raise self.refusal()
            self._next()
            return found
        if self.kind != "name":
            raise self.refusal()
        found = Task(self._name) if self._result is None else Task(self._name, (self._known(self._result),))
        self._next()
        return found

    def _known(self, result: str) -> str:
        if result not in RESULTS:
            raise ExpressionError(f"depends {self._text!r}: there is no {result!r}, only {', '.join(RESULTS)}")
        return result

    def _short(self) -> str:
        return f"depends {self._text!r} ends too early"

    def _next(self) -> None:
        start = self._consumed
        if not self._text[start:].strip():
            self.kind, self._at = "end", len(self._text)
            return
        token = _TOKEN.match(self._text, start)
        self._at = start
        if token is None:
            raise self.refusal()
        self._consumed = token.end()
        self.kind = token[1] or "name"
        self._name, self._result = token[2] or "", token[3]
