"""Our schema in Rucio's database: up, down and check, with Alembic and a version table of our own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from rucio.db.sqla.models import DataIdentifier
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError

from rucio_dafab.catalogue import columns
from rucio_dafab.catalogue.errors import MigrationError, database_said
from rucio_dafab.catalogue.moments import in_a_free_moment
from rucio_dafab.catalogue.tables import SCHEMA, TABLE

EXTENSIONS: Final = ("postgis", "btree_gist")
"""PostgreSQL extensions that the indexes need."""

VERSION_TABLE: Final = "revision"
_LOCK: Final = 0x_DAFA_B000
_LOCK_SECONDS: Final = 0.2


def upgrade(engine: Engine, revision: str = "head") -> tuple[str, ...]:
    """Bring the tables to a revision, and their typed columns to what the queryables declare.

    Can be run again, and by several at once: they follow each other. Readers are not blocked.

    Returns:
        What was done, a line each; nothing when all was as it should be.

    Raises:
        MigrationError: if the database is out of reach, is none of Rucio's, or lacks an extension that its user may
            not create.
    """
    with _exclusive(engine):
        before, after = in_a_free_moment(engine, partial(_up, revision=revision))
        moved = (f"revision {before or 'none'} → {after}",) if before != after else ()
        steps = moved + columns.synchronise(engine)
        if steps:
            _analyse(engine)
        return steps


def _up(connection: Connection, revision: str) -> tuple[str | None, str | None]:
    """Bring the tables to a revision; return the one of before, and the one of now."""
    before = _current(connection)
    _check_rucio(connection)
    _create_extensions(connection)
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    command.upgrade(_config(connection), revision)
    return before, _current(connection)


def downgrade(engine: Engine, revision: str = "base") -> tuple[str, ...]:
    """Take the tables back to a revision; ``base`` removes all of ours, and every document with it.

    What a revision has in its function ``before_downgrade`` is done first, outside of any transaction. Readers are not
    blocked.

    Raises:
        MigrationError: if the database is out of reach, or the tables are never free.
    """
    with _exclusive(engine):
        with engine.connect() as connection:
            before = _current(connection)
            undone = _undone(connection, before, revision) if before else []
        if before is None:
            return ()
        # Where all goes there is nothing to be made first.
        for script in undone if undone[-1:] and undone[-1].down_revision else ():
            getattr(script.module, "before_downgrade", lambda _engine: None)(engine)
        after = in_a_free_moment(engine, partial(_down, revision=revision))
    return (f"revision {before} → {after or 'none'}",)


def _undone(connection: Connection, current: str, revision: str) -> list[Script]:
    """Return the revisions that a downgrade takes back, the newest first."""
    return list(ScriptDirectory.from_config(_config(connection)).iterate_revisions(current, revision))


def _down(connection: Connection, revision: str) -> str | None:
    """Take the tables back to a revision, and return it; ``None`` where nothing of ours is left."""
    command.downgrade(_config(connection), revision)
    after = _current(connection)
    if after is None:
        connection.execute(text(f"DROP TABLE {SCHEMA}.{VERSION_TABLE}"))
        connection.execute(text(f"DROP SCHEMA {SCHEMA}"))
    return after


def check(engine: Engine, *, rows: bool = True) -> tuple[str, ...]:
    """Return what differs from the newest revision and the declared queryables, a line each; nothing when all is well.

    Args:
        engine: of Rucio's database.
        rows: whether to look for documents of servers of before, too.

    Raises:
        MigrationError: if the database is out of reach.
    """
    with _reached(engine) as connection:
        current, head = _current(connection), ScriptDirectory.from_config(_config(connection)).get_current_head()
        if current is None:
            return (f"the database has no documents table of ours: run `rucio-dafab db upgrade` (to {head})",)
        if current != head:
            return (f"the tables are at revision {current}, not {head}: run `rucio-dafab db upgrade`",)
        return columns.differences(connection) or (columns.unfilled_rows(connection) if rows else ())


def _analyse(engine: Engine) -> None:
    """Let PostgreSQL look at the documents: of new columns and indexes it would guess, and plan badly for hours."""
    with engine.begin() as connection:
        connection.execute(text(f"ANALYZE {SCHEMA}.{TABLE}"))


@contextmanager
def _exclusive(engine: Engine) -> Iterator[None]:
    """Hold our advisory lock, so that two upgrades follow each other.

    It belongs to a connection outside of any transaction: an open one would make ``CREATE INDEX CONCURRENTLY`` wait.
    """
    with _reached(engine) as connection:
        # Asked for again and again: waiting holds a snapshot, for whose end CREATE INDEX CONCURRENTLY would wait.
        while not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}):
            time.sleep(_LOCK_SECONDS)
        yield


@contextmanager
def _reached(engine: Engine) -> Iterator[Connection]:
    try:
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    except OperationalError as error:
        raise MigrationError(f"the database is out of reach: {database_said(error)}") from error
    try:
        yield connection
    finally:
        # Closed for good, rather than back to the pool: the lock ends with the connection.
        connection.invalidate()
        connection.close()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE, schema=SCHEMA):
        return None
    options = {"version_table": VERSION_TABLE, "version_table_schema": SCHEMA}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _check_rucio(connection: Connection) -> None:
    dids = DataIdentifier.__table__
    if not inspect(connection).has_table(dids.name, schema=dids.schema):
        raise MigrationError(f"the database has no table {dids.fullname}: build Rucio's own schema first")


def _create_extensions(connection: Connection) -> None:
    present = set(connection.scalars(text("SELECT extname FROM pg_extension")))
    for extension in EXTENSIONS:
        if extension in present:
            continue
        try:
            with connection.begin_nested():
                connection.execute(text(f"CREATE EXTENSION {extension}"))
        except DBAPIError as error:
            raise MigrationError(
                f"the database lacks the extension {extension} and it cannot be created ({database_said(error)}):"
                f" a superuser has to run CREATE EXTENSION {extension}"
            ) from error
