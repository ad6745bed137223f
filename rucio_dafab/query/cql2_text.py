"""CQL2 text (OGC 21-065r2) read into the query model, by the library ``cql2`` and :mod:`rucio_dafab.query.cql2_reader`.

The grammar of ``cql2`` takes time exponential in the nesting of brackets around an error, overflows the stack of the
process where they are many, and reads every number as a double. So it never sees any of that: brackets are taken apart
here, innermost first, and names, values and geometries are taken out; what is left for it is one level of operators
between placeholders, such as ``x0 = x1 AND NOT x2``, whose precedence and meaning are its work.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import cql2

from rucio_dafab.query.cql2_reader import from_json
from rucio_dafab.query.cql2_tokens import Token, place, tokens
from rucio_dafab.query.errors import QueryError
from rucio_dafab.query.limits import LIMITS, Limits
from rucio_dafab.query.model import EVERYTHING, Expression
from rucio_dafab.vocabulary import Vocabulary

# The standard's functions are lower-cased by the library; these are ours.
_FUNCTIONS = {"isa": "isA", "isempty": "isEmpty", "did": "did", "related": "related"}
_COLUMN = re.compile(r"--> 1:(\d+)")
_SHOWN = 20


def parse(text: str, vocabulary: Vocabulary, limits: Limits = LIMITS) -> Expression:
    """Return the expression of a CQL2 text; a blank text is :data:`EVERYTHING`.

    Args:
        text: The question. Beside the standard: a string as a geometry (``'@luxembourg'``), and the functions of
            :mod:`rucio_dafab.query.cql2`, whatever their case.
        vocabulary: Properties, areas and classes.
        limits: How large the question may be.

    Raises:
        QueryError: naming what is wrong, with its place where the text itself is wrong.
    """
    if not text.strip():
        return EVERYTHING
    try:
        return from_json(to_json(text, limits), vocabulary, limits)
    except QueryError as error:
        if not error.place.startswith("/"):
            raise
        # The pointer is one into JSON that the asker never saw.
        raise type(error)(str(error).removeprefix(f"{error.place}: ")) from error


def to_json(text: str, limits: Limits = LIMITS) -> Any:
    """Return a CQL2 text as CQL2-JSON, with integers as such and a geometry as its WKT.

    Raises:
        QueryError: saying at which character the text cannot be read.
    """
    reading = _Reading(text, tokens(text, limits))
    document = reading.expression()
    if reading.next is not None:
        raise reading.refuse(reading.next.start)
    return document


@dataclass
class _Reading:
    """A walk over the tokens; `values` are what the placeholders stand for."""

    text: str
    tokens: list[Token]
    position: int = 0
    values: list[Any] = field(default_factory=list)

    @property
    def next(self) -> Token | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def is_next(self, *symbols: str) -> bool:
        token = self.next
        return token is not None and token.kind == "symbol" and token.value in symbols

    def refuse(self, start: int) -> QueryError:
        rest = self.text[start:].strip()
        if not rest:
            return QueryError("the CQL2 text ends where a value, a name or a condition is missing")
        return QueryError(f"the CQL2 text cannot be read from {rest[:_SHOWN]!r} on", place(start))

    def expression(self, lists: bool = False) -> Any:
        """Read up to a comma, a closing bracket or the end; `lists` takes ``('a')`` alone for a list of one."""
        piece: list[tuple[str, int]] = []
        while (token := self.next) is not None and not self.is_next(",", ")"):
            self.position += 1
            if token.kind == "symbol" and token.value == "(":
                self._bracket(piece, token, lists)
            elif token.kind == "word" and not token.is_reserved and self.is_next("("):
                self._function(piece, token)
            elif token.kind == "symbol" or token.is_reserved:
                piece.append((str(token.value), token.start))
            else:
                is_name = token.kind in {"word", "name"}
                self._add(piece, {"property": token.value} if is_name else token.value, token.start)
        end = len(self.text) if token is None else token.start
        return self._resolve(piece, end)

    def _add(self, piece: list[tuple[str, int]], value: Any, start: int) -> None:
        piece.append((f"x{len(self.values)}", start))
        self.values.append(value)

    def _bracket(self, piece: list[tuple[str, int]], token: Token, lists: bool) -> None:
        is_whole = not piece
        after_in = bool(piece) and piece[-1][0].lower() == "in"
        values = self._elements()
        if not values:
            raise self.refuse(token.start + 1)
        if after_in:
            self._write(piece, values, token.start)
        else:
            is_list = len(values) > 1 or (lists and is_whole and (self.next is None or self.is_next(",", ")")))
            self._add(piece, values if is_list else values[0], token.start)

    def _function(self, piece: list[tuple[str, int]], token: Token) -> None:
        self.position += 1
        name = str(token.value)
        values = self._elements(lists=name.lower().startswith("a_"))
        piece.append((_FUNCTIONS.get(name.lower(), name), token.start))
        self._write(piece, values, token.start)

    def _write(self, piece: list[tuple[str, int]], values: list[Any], start: int) -> None:
        piece.append(("(", start))
        for number, value in enumerate(values):
            if number:
                piece.append((",", start))
            self._add(piece, value, start)
        piece.append((")", start))

    def _elements(self, lists: bool = False) -> list[Any]:
        """Read what is in a bracket and the bracket's end, which :func:`tokens` knows to be there."""
        values: list[Any] = []
        while not self.is_next(")") or values:
            values.append(self.expression(lists))
            if not self.is_next(","):
                break
            self.position += 1
        self.position += 1
        return values

    def _resolve(self, piece: list[tuple[str, int]], end: int) -> Any:
        """Return the value of one level of operators; a placeholder alone is what it stands for."""
        if not piece:
            raise self.refuse(end)
        text = " ".join(word for word, _ in piece)
        if len(piece) == 1 and re.fullmatch(r"x\d+", text):
            return self.values[int(text[1:])]
        try:
            document = cql2.parse_text(text).to_json()
        except (cql2.ParseError, cql2.ValidationError) as error:
            raise self._located(error, piece, end) from error
        return self._fill(document)

    def _located(self, error: Exception, piece: list[tuple[str, int]], end: int) -> QueryError:
        column = _COLUMN.search(str(error))
        if column is None:
            return QueryError(" ".join(str(error).split())[:120], place(piece[0][1]))
        at = 1
        for word, start in piece:
            if int(column[1]) < at + len(word):
                return self.refuse(start)
            at += len(word) + 1
        return self.refuse(end)

    def _fill(self, node: Any) -> Any:
        """Return `node` with the values that its placeholders stand for."""
        if isinstance(node, list):
            return [self._fill(each) for each in node]
        if not isinstance(node, dict):
            return node
        if set(node) == {"property"} and re.fullmatch(r"x\d+", str(node["property"])):
            return self.values[int(node["property"][1:])]
        return {key: self._fill(value) for key, value in node.items()}
