"""CQL2 text cut into tokens; everything about its size is counted here, before any grammar sees it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rucio_dafab.query.errors import LimitError, QueryError
from rucio_dafab.query.limits import Limits, check_bytes
from rucio_dafab.vocabulary.coercion import UnfitValue, check_number

RESERVED = frozenset({"and", "or", "not", "in", "like", "between", "is", "null", "true", "false"})
"""Words that are never names; anything may be one in double quotes."""

# A test takes at most 16 tokens: T_DURING ( p , INTERVAL ( DATE ( a ) , DATE ( b ) ) ) and a connective are 17, a
# value of a list is two.
_TOKENS_A_NODE = 17
# Beyond the connectives: the brackets of a function, of an interval in it, and of a date in that.
_BRACKETS_OF_A_TEST = 3
_COMPARING = frozenset({"=", "<>", "!=", "<", "<=", ">", ">=", "like", "in", "between", "is"})
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'[^']*(?:''[^']*)*')
  | (?P<name>"[^"]*(?:""[^"]*)*")
  | (?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)
  | (?P<geometry>(?:MULTI)?(?:POINT|LINESTRING|POLYGON)(?=\s*(?:ZM?|M)?\s*\()|GEOMETRYCOLLECTION(?=\s*\())
  | (?P<word>[^\W\d][\w.:]*)
  | (?P<symbol><=|>=|<>|!=|[-+*/%^<>=(),])
  )""",
    re.VERBOSE | re.IGNORECASE,
)
_BRACKET = re.compile(r"[()]")
_ARITHMETIC = frozenset("+-*/%^")


@dataclass(frozen=True)
class Token:
    """A piece of the text.

    Attributes:
        kind: ``string``, ``name`` (in double quotes), ``number``, ``geometry`` (WKT as written), ``word``, ``symbol``.
        value: What it means: without its quotes, a number as such, a symbol or a word as written.
        start: Where it begins, in characters from 0.
    """

    kind: str
    value: str | float
    start: int

    @property
    def is_operand(self) -> bool:
        """Whether it is a value or a name, so that a sign behind it is arithmetic."""
        return (self.kind != "symbol" and not self.is_reserved) or self.value == ")"

    @property
    def is_reserved(self) -> bool:
        """Whether it is a reserved word."""
        return self.kind == "word" and str(self.value).lower() in RESERVED


def place(position: int) -> str:
    """Return a position in the text as people count."""
    return f"character {position + 1}"


def tokens(text: str, limits: Limits) -> list[Token]:
    """Return the tokens of `text`.

    Raises:
        LimitError: if the text, a geometry, the nesting or a chain in it is larger than the limits.
        QueryError: for what is no part of the language, with its place.
    """
    check_bytes(text, limits.filter_bytes + limits.geometry_bytes, "the filter")
    found = list(_scan(text))
    geometries = [str(token.value) for token in found if token.kind == "geometry"]
    for geometry in geometries:
        check_bytes(geometry, limits.geometry_bytes, "the geometry")
    size = len(text.encode("utf-8", "surrogatepass")) - sum(map(len, geometries))
    if size > limits.filter_bytes:
        raise LimitError(f"the filter has {size:,} bytes, at most {limits.filter_bytes:,} are taken")
    if len(found) > _TOKENS_A_NODE * limits.nodes:
        raise LimitError(f"the filter has more than {limits.nodes} tests and values")
    _check_nesting(found, limits)
    _check_chains(found, limits)
    return found


def _scan(text: str) -> Iterator[Token]:
    position, last = 0, None
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _stranger(text, position + len(text[position:]) - len(text[position:].lstrip()))
        kind = str(match.lastgroup)
        start, position = match.span(kind)
        if kind == "number" and text[start] in "+-" and last is not None and last.is_operand:
            kind, position = "symbol", start + 1
        if kind == "geometry":
            position = _closing(text, position)
        last = _token(kind, text[start:position], start)
        yield last


def _token(kind: str, text: str, start: int) -> Token:
    match kind:
        case "string" | "name":
            return Token(kind, text[1:-1].replace(text[0] * 2, text[0]), start)
        case "number":
            return Token(kind, _number(text, start), start)
        case "symbol" if text in _ARITHMETIC:
            hint = "; write a name that holds it in double quotes" if text == "-" else ""
            raise QueryError(f"arithmetic ('{text}') is not supported{hint}", place(start))
        case _:
            return Token(kind, text, start)


def _number(text: str, start: int) -> float:
    # Python refuses to read integers of thousands of digits; nothing beyond 2^53 is taken anyway.
    value = int(text[:40]) if text.lstrip("+-").isdigit() else float(text)
    try:
        return check_number(value)
    except UnfitValue as error:
        raise QueryError(f"the number {text[:40]} cannot be used: {error}", place(start)) from error


def _closing(text: str, position: int) -> int:
    """Return where the brackets of a geometry end."""
    depth = 0
    for bracket in _BRACKET.finditer(text, position):
        depth += 1 if bracket.group() == "(" else -1
        if depth == 0:
            return bracket.end()
    raise QueryError("the bracket of a geometry is not closed", place(text.index("(", position)))


def _stranger(text: str, position: int) -> QueryError:
    letter = text[position]
    if letter in "'\"":
        return QueryError(f"the quote ({letter}) is not closed", place(position))
    return QueryError(f"{letter!r} is no part of CQL2 text", place(position))


def _check_nesting(found: list[Token], limits: Limits) -> None:
    """Count brackets: 2,500 of them overflow the stack of the grammar, and some thirty take it hours."""
    opened: list[Token] = []
    for token in found:
        if token.kind == "symbol" and token.value == "(":
            opened.append(token)
        elif token.kind == "symbol" and token.value == ")":
            if not opened:
                raise QueryError("the bracket ')' closes nothing", place(token.start))
            opened.pop()
        if len(opened) > limits.depth + _BRACKETS_OF_A_TEST:
            raise LimitError(f"the filter is nested deeper than {limits.depth} levels", place(token.start))
    if opened:
        raise QueryError("the bracket '(' is not closed", place(opened[-1].start))


def _check_chains(found: list[Token], limits: Limits) -> None:
    """Refuse ``NOT NOT NOT …``, which nests without brackets, and ``a = b = c …``, which means nothing."""
    negations, compared = 0, [0]
    for token in found:
        word = str(token.value).lower() if token.kind in {"word", "symbol"} else ""
        negations = negations + 1 if word == "not" else 0
        if negations > limits.depth:
            raise LimitError(f"the filter is nested deeper than {limits.depth} levels", place(token.start))
        match word:
            case "(":
                compared.append(0)
            case ")":
                compared.pop()
            case "and" | "or" | ",":
                compared[-1] = 0
            case _ if word in _COMPARING:
                compared[-1] += 1
        if compared[-1] > 1:
            raise QueryError(f"a second comparison ('{word}') in one test", place(token.start))
