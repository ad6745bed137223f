"""Rows of an answer: a few at once, many from a cursor, or a page a transaction, so that memory stays flat."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import Column, Result, Row, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

FEW: Final = 1000
"""Rows that are asked for at once: most questions have fewer answers, and a cursor costs more than they do."""

STREAM: Final = 1000
"""Rows that a cursor hands over at once: of five times as many, libpq takes twice the time for each."""

KeyColumn = Column[Any] | InstrumentedAttribute[Any]


def read_rows(question: Select[Any], limit: int | None = None, *, session: Session) -> Iterator[Any]:
    """Send a question that begins to answer at once; return what yields its rows.

    Where there turn out to be many, the first ones are thrown away and the question is sent once more, for a cursor.

    Args:
        question: no limit of its own.
        limit: of the rows.
        session: the caller's transaction; the rows are read as they are taken.
    """
    few = FEW if limit is None else min(limit, FEW)
    first = session.execute(question.limit(few)).all()
    if len(first) < few or few == limit:
        return iter(first)
    return stream_rows(question.limit(limit), session=session)


def stream_rows(question: Select[Any], *, session: Session) -> Iterator[Any]:
    """Send a question, and return what yields the rows of its answer from a cursor."""
    answer = session.execute(question, execution_options={"yield_per": STREAM})
    return chain.from_iterable(answer.partitions())


class KeyPages:
    """The rows of a whole table in the order of scope and name, a page at a time.

    Each page may be asked for in a transaction of its own. A page is of one scope: PostgreSQL takes
    ``(scope, name) > (…)`` for a test of the scope alone, expects a row, and sorts what is left of the table for each
    page, so that a million rows would take an hour.

    Args:
        question: what is read of each row, its ``name`` among it.
        scope: the first column of the table's key.
        name: the second one, and the last.
        most: rows of a page.
    """

    def __init__(self, question: Select[Any], scope: KeyColumn, name: KeyColumn, most: int) -> None:
        self._question, self._scope, self._name = question.limit(most), scope, name
        self._scopes: Select[Any] = select(func.min(scope))
        self._after: tuple[Any, str] | None = None

    def following(self, execute: Callable[[Select[Any]], Result[Any]]) -> Sequence[Row[Any]]:
        """Return the next page, an empty one after the last.

        Args:
            execute: sends a statement, in the transaction that the page is for.
        """
        while True:
            if self._after is None:
                scope = execute(self._scopes).scalar()
                if scope is None:
                    return []
                self._after = (scope, "")
            scope, name = self._after
            if page := execute(self.statement(scope, name)).all():
                self._after = (scope, page[-1].name)
                return page
            self._after, self._scopes = None, select(func.min(self._scope)).where(self._scope > scope)

    def statement(self, scope: Any, name: str) -> Select[Any]:
        """Return what asks for the page after a name in a scope."""
        return self._question.where(self._scope == scope, self._name > name).order_by(self._name)
