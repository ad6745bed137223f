"""Rows of an answer: a few at once, many from a server-side cursor, so that memory stays flat."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.orm import Session

FEW: Final = 1000
"""Rows that are asked for at once: most questions have fewer answers, and a cursor costs more than they do."""

STREAM: Final = 1000
"""Rows that a cursor hands over at once: of five times as many, libpq takes twice the time for each."""


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
