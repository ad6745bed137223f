"""Connections that a restarted PostgreSQL left behind are noticed before they are used."""

import logging
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import DisconnectionError

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
