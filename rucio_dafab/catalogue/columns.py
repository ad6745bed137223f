"""The typed columns of the queryables, and the fingerprints: added, filled and indexed on a catalogue in use."""

from collections.abc import Callable, Container, Iterator
from typing import Any, Final

import orjson
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    MetaData,
    Select,
    Table,
    bindparam,
    func,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import CreateIndex

from rucio_dafab.catalogue.moments import in_a_free_moment
from rucio_dafab.catalogue.record import later_reader
from rucio_dafab.catalogue.rows import KeyPages
from rucio_dafab.catalogue.tables import (
    FINGERPRINTS,
    FINGERPRINTS_INDEX,
    FORMER_INDEX,
    SCHEMA,
    TABLE,
    document,
    fixed_columns,
    former_indexes,
    later_indexes,
    make_table,
    typed_index,
)
from rucio_dafab.catalogue.typed import typed_queryables
from rucio_dafab.vocabulary.queryables import Queryables
from rucio_dafab.vocabulary.queryables import load as load_queryables

BATCH: Final = 500
"""Documents filled in one transaction: their rows are locked for a few tens of milliseconds."""


def synchronise(engine: Engine, queryables: Queryables | None = None) -> tuple[str, ...]:
    """Add the columns and indexes that the queryables declare and the table lacks; fill them from the documents.

    Adding is a change of the catalogue of PostgreSQL alone, filling goes in short transactions and the indexes are made
    ``CONCURRENTLY``, so readers are never blocked. A column whose filling broke off is filled anew. A column that
    nothing declares any more stays.

    Returns:
        What was added or filled, a line each.

    Raises:
        MigrationError: if a column cannot be added, since the table is never free.
    """
    declared = queryables or load_queryables()
    table = make_table(declared, MetaData(schema=SCHEMA))
    with engine.begin() as connection:
        present = _present(connection)
        unfilled = _unfilled(connection, table, declared)
    missing = [name for _, name in typed_queryables(declared) if name not in present]
    if missing:
        _add(engine, table, missing)
    if unfilled:
        _fill(engine, table, unfilled, declared)
    indexes = _make_indexes(engine, table, declared)
    return tuple(f"column {name}" for name in unfilled) + tuple(f"index {name}" for name in indexes)


def _unfilled(connection: Connection, table: Table, declared: Queryables) -> list[str]:
    """Return the columns that may lack values: a column gets its index only once it is filled."""
    ready = _indexes(connection)
    # At an older revision it is not there yet.
    prints = FINGERPRINTS in _present(connection) and connection.scalar(select(_lack_fingerprints(table).exists()))
    return ([FINGERPRINTS] if prints else []) + [
        name
        for queryable, name in typed_queryables(declared)
        if ready.isdisjoint({str(typed_index(table, declared, queryable, name).name), *former_indexes(queryable, name)})
    ]


def _lack_fingerprints(table: Table) -> Select[Any]:
    """Return what asks for the documents whose fingerprints are to be computed."""
    return select(table.c.name).where(table.c[FINGERPRINTS].is_(None))


def _add(engine: Engine, table: Table, names: list[str]) -> None:
    def add(connection: Connection) -> None:
        for name in names:
            column = f"{_quoted(engine, name)} {table.c[name].type.compile(engine.dialect)}"
            connection.execute(text(f"ALTER TABLE {SCHEMA}.{TABLE} ADD COLUMN IF NOT EXISTS {column}"))

    in_a_free_moment(engine, add)


def differences(connection: Connection, queryables: Queryables | None = None) -> tuple[str, ...]:
    """Return how the table differs from the declared queryables, a line each."""
    declared = queryables or load_queryables()
    table = make_table(declared, MetaData(schema=SCHEMA))
    present, indexes = _present(connection), _indexes(connection)
    found = []
    for _, name in typed_queryables(declared):
        wanted = table.c[name].type.compile(connection.dialect)
        if name not in present:
            found.append(f"the column {name} is missing: run `rucio-dafab db upgrade`")
        elif present[name] != wanted:
            found.append(f"the column {name} is {present[name]}, the queryables declare {wanted}")
    missing = (str(index.name) for index in _wanted_indexes(table, declared, present) if index.name not in indexes)
    found += [f"the index {name} is missing: run `rucio-dafab db upgrade`" for name in missing]
    return tuple(found)


def unfilled_rows(connection: Connection) -> tuple[str, ...]:
    """Return in a line how many documents a server of before made since the last upgrade; nothing where it made none.

    They are found, but looked at one by one.
    """
    number = connection.scalar(select(func.count()).select_from(_lack_fingerprints(document).subquery()))
    return (f"{number} of the documents lack fingerprints: run `rucio-dafab db upgrade`",) if number else ()


def _present(connection: Connection) -> dict[str, str]:
    """Return the type of each column, as DDL writes it."""
    found = inspect(connection).get_columns(TABLE, schema=SCHEMA)
    return {column["name"]: column["type"].compile(connection.dialect) for column in found}


def _indexes(connection: Connection) -> set[str]:
    """Return the names of the indexes that are ready: one whose making broke off is not."""
    statement = text(
        "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = CAST(:table AS regclass) AND i.indisvalid"
    )
    return set(connection.scalars(statement, {"table": f"{SCHEMA}.{TABLE}"}))


def _make_indexes(engine: Engine, table: Table, declared: Queryables) -> list[str]:
    """Make the indexes that are missing and drop what they replace, outside of any transaction: ``CONCURRENTLY``."""
    made = []
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        ready = _indexes(connection)
        for index in _wanted_indexes(table, declared, _present(connection)):
            if index.name in ready:
                continue
            _make_index(connection, index)
            made.append(str(index.name))
        for former in _former(declared, _indexes(connection)):
            _drop_index(connection, former)
    return made


def restore_former_index(engine: Engine) -> None:
    """Make the index that the one of the fingerprints replaced, blocking nobody: they are about to go."""
    table = Table(TABLE, MetaData(schema=SCHEMA), Column("searchable", JSONB))
    operators = {"searchable": "jsonb_path_ops"}
    index = Index(FORMER_INDEX, table.c.searchable, postgresql_using="gin", postgresql_ops=operators)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if FORMER_INDEX not in _indexes(connection):
            _make_index(connection, index)


def _make_index(connection: Connection, index: Index) -> None:
    _drop_index(connection, str(index.name))  # its making broke off
    index.dialect_options["postgresql"]["concurrently"] = True
    connection.execute(CreateIndex(index))


def _drop_index(connection: Connection, name: str) -> None:
    connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {SCHEMA}.{_quoted(connection.engine, name)}"))


def _former(declared: Queryables, ready: Container[str]) -> Iterator[str]:
    """Yield the names of the indexes that those that are ready replace."""
    if FINGERPRINTS_INDEX in ready:
        yield FORMER_INDEX
    for queryable, name in typed_queryables(declared):
        yield from sorted(former_indexes(queryable, name))


def _wanted_indexes(table: Table, declared: Queryables, present: Container[str]) -> list[Index]:
    # At an older revision some columns are not there yet.
    is_whole = all(column.name in present for column in fixed_columns())
    typed = typed_queryables(declared)
    return [
        *(later_indexes(table) if is_whole else ()),
        *(
            typed_index(table, declared, queryable, name)
            for queryable, name in typed
            if is_whole or not queryable.broad
        ),
    ]


def _fill(engine: Engine, table: Table, names: list[str], declared: Queryables) -> None:
    """Fill new columns from the documents, a batch a transaction, in the order of the key."""
    values: dict[Any, Any] = {name: bindparam(f"new_{name}") for name in names}
    statement = (
        update(table).where(table.c.scope == bindparam("of_scope"), table.c.name == bindparam("of_name")).values(values)
    )
    read = later_reader(declared)
    question = select(table.c.scope, table.c.name, table.c.document).with_for_update()
    if names == [FINGERPRINTS]:
        question = question.where(table.c[FINGERPRINTS].is_(None))
    pages = KeyPages(question, table.c.scope, table.c.name, BATCH)
    while True:
        with engine.begin() as connection:
            rows = pages.following(connection.execute)
            if not rows:
                return
            # Most documents have nothing for a new column: their rows stay as they are.
            filled = [each for row in rows if (each := _filled(row, names, read)) is not None]
            if filled:
                connection.execute(statement, filled)


def _filled(row: Any, names: list[str], read: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any] | None:
    """Return the values of a row's new columns with its key; ``None`` where it has none of them."""
    typed = read(orjson.loads(row.document))
    if all(typed[name] is None for name in names):
        return None
    return {"of_scope": row.scope, "of_name": row.name} | {f"new_{name}": typed[name] for name in names}


def _quoted(engine: Engine, name: str) -> str:
    return engine.dialect.identifier_preparer.quote(name)
