"""Sessions for answers that are streamed; connections that a restarted PostgreSQL left behind are noticed in time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rucio.common.exception import DatabaseException
from rucio.db.sqla.session import get_engine, get_maker
from sqlalchemy import Engine, event
from sqlalchemy.exc import DatabaseError, DisconnectionError
from sqlalchemy.orm import Session

_LOGGER: Final = logging.getLogger(__name__)


def ping_on_checkout(engine: Engine) -> None:
    """Make the pool try each connection before it hands it out; a dead one is replaced.

    Rucio's configuration has no such option, and its retries know the errors of other databases only: without this the
    calls after a restart of PostgreSQL fail, one for each pooled connection.
    """

    def try_connection(connection: Any, _record: Any, _proxy: Any) -> None:
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            _LOGGER.warning("a pooled connection to the database was dead: %s", error)
            alive = False
        if not alive:
            raise DisconnectionError("the connection is dead")

    event.listen(engine, "checkout", try_connection)


@contextmanager
def reading() -> Iterator[Session]:
    """Give a session that may be used and closed by different threads: those that stream take turns.

    Rucio's own sessions belong to the thread that opened them, and would stay open.
    """
    get_engine()
    with get_maker()() as session:
        try:
            yield session
        except DatabaseError as error:
            raise DatabaseException(str(error)) from error
