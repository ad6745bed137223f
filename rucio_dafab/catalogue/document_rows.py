"""Rows of documents on their way into the table: new ones copied in, others written one after the other.

A row is what :func:`rucio_dafab.catalogue.record.make_record` gives, and beside that the ``scope`` and ``name`` of its
DID as the database has them.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, repeat
from typing import Any, Final

from psycopg import Cursor, sql
from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    Table,
    make_url,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.links import link
from rucio_dafab.catalogue.tables import KEPT_BY_DATABASE
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.stac.links import PREDECESSOR

Row = Mapping[str, Any]

_KEY: Final = ("scope", "name")
COLUMNS: Final = tuple(column for column in table.columns if column.name not in KEPT_BY_DATABASE)
"""Columns of a row."""

_TYPES: Final = (
    (BigInteger, "int8"),
    (Boolean, "bool"),
    (DateTime, "timestamptz"),
    (Double, "float8"),
)
"""Types of columns as psycopg calls them; of all others, text."""

_ENCODED: Final = frozenset({"geometry", "searchable", "document"})
"""Columns whose values are bytes already."""

_JSONB_VERSION: Final = b"\x01"
_ONE_DIMENSION: Final = struct.Struct("!5i")
"""Dimensions, whether some element is null, type of the elements, how many, index of the first."""
_LENGTH: Final = struct.Struct("!i")
_TEXT: Final = 25
_INTEGER: Final = 23
"""The types ``text`` and ``int4`` (``pg_type.oid``)."""
_NO_TEXTS: Final = struct.pack("!3i", 0, 0, _TEXT)
_NO_INTEGERS: Final = struct.pack("!3i", 0, 0, _INTEGER)
_DIALECT: Final = make_url("postgresql+psycopg://").get_dialect()()


def row_of(scope: InternalScope, name: str, record: Row) -> dict[str, Any]:
    """Return the row of a DID whose document gave a record."""
    return {"scope": scope.internal, "name": name, **record}


def cursor_of(session: Session) -> Any:
    """Return a cursor of psycopg on the session's own connection: COPY is nothing that SQLAlchemy knows."""
    return session.connection().connection.cursor()


def copy_in(cursor: Cursor[Any], into: Table, columns: Sequence[Column[Any]], rows: Iterable[Row]) -> None:
    """Copy rows into a table, within the cursor's transaction.

    The binary form of COPY spares the server reading a document of 9 kB letter by letter: a sixth of its time.

    Args:
        cursor: of psycopg.
        into: the table.
        columns: those that the rows have.
        rows: values by name of the column.
    """
    names = [column.name for column in columns]
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(str(into.schema), into.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    encoders = [(index, encode) for index, column in enumerate(columns) if (encode := _encoder(column))]
    with cursor.copy(statement) as copy:
        copy.set_types([_psycopg_type(column) for column in columns])
        for row in rows:
            values = [row[name] for name in names]
            for index, encode in encoders:
                values[index] = encode(values[index])
            copy.write_row(values)


def put(row: Row, *, session: Session) -> bool | None:
    """Write one document in place of any that its DID had, and hold the DID until the transaction ends.

    Returns:
        Whether the DID had none before; ``None`` where there is no such DID.
    """
    session.flush()
    connection, parameters = session.connection(), _parameters(row)
    if connection.exec_driver_sql(_insertion(), parameters).rowcount:
        return True
    return False if connection.exec_driver_sql(_replacement(), parameters).rowcount else None


def insert_all(rows: Iterable[Row], *, session: Session) -> None:
    """Write the documents of DIDs that have none; the caller holds these."""
    _execute_all(_insertion(), rows, session)


def replace_all(rows: Iterable[Row], *, session: Session) -> None:
    """Write documents in place of those that their DIDs have; the caller holds these."""
    _execute_all(_replacement(), rows, session)


def _execute_all(statement: str, rows: Iterable[Row], session: Session) -> None:
    if parameters := [_parameters(row) for row in rows]:
        session.connection().exec_driver_sql(statement, parameters)


# SQLAlchemy would take longer to compile these than PostgreSQL to run them; and psycopg remembers how to send a
# statement of less than 4096 letters alone.
@cache
def _insertion() -> str:
    """Return the statement that holds a DID and gives it a document, with the state of the DID, unless it has one."""
    names = ", ".join(_quoted(column.name) for column in COLUMNS)
    values = ", ".join(_value(column) for column in COLUMNS)
    return f"""
WITH held AS (
  SELECT did_type::text, suppressed, bytes, length FROM {models.DataIdentifier.__table__.fullname}
  WHERE scope = %(scope)s AND name = %(name)s FOR NO KEY UPDATE)
INSERT INTO {table.fullname} ({names}, latest, did_type, did_suppressed, did_bytes, did_length)
SELECT {values}, NOT EXISTS (
  SELECT FROM {link.fullname}
  WHERE target_scope = %(scope)s AND target_name = %(name)s AND rel = '{PREDECESSOR}'), held.*
FROM held ON CONFLICT DO NOTHING"""  # noqa: S608 - names of our own tables and columns


@cache
def _replacement() -> str:
    changes = ", ".join(f"{_quoted(column.name)} = {_value(column)}" for column in COLUMNS if column.name not in _KEY)
    return f"""
UPDATE {table.fullname} SET {changes}, updated_at = now() WHERE scope = %(scope)s AND name = %(name)s"""  # noqa: S608


def _value(column: Column[Any]) -> str:
    if column.name == "geometry":
        return "ST_GeomFromEWKB(%(geometry)s)"
    return f"%({column.name})s::{column.type.compile(_DIALECT)}"


def _quoted(name: str) -> str:
    return str(_DIALECT.identifier_preparer.quote(name))


def _parameters(row: Row) -> dict[str, Any]:
    return {**row, **{name: row[name].decode() for name in ("searchable", "document")}}


def _array(texts: Sequence[str] | None) -> bytes | None:
    """Return texts as PostgreSQL sends ``text[]`` (``array_send``): psycopg takes as long for them as for all else."""
    if texts is None:
        return None
    if not texts:
        return _NO_TEXTS
    parts = [_ONE_DIMENSION.pack(1, 0, _TEXT, len(texts), 1)]
    for each in texts:
        encoded = each.encode()
        parts += (_LENGTH.pack(len(encoded)), encoded)
    return b"".join(parts)


def _integers(numbers: Sequence[int] | None) -> bytes | None:
    """Return numbers as PostgreSQL sends ``int4[]``."""
    if numbers is None:
        return None
    if not numbers:
        return _NO_INTEGERS
    lengths_and_numbers = chain.from_iterable(zip(repeat(4), numbers, strict=False))
    return struct.pack(f"!{5 + 2 * len(numbers)}i", 1, 0, _INTEGER, len(numbers), 1, *lengths_and_numbers)


def _encoder(column: Column[Any]) -> Callable[[Any], bytes | None] | None:
    """Return what makes the bytes that PostgreSQL takes of a column's value, where psycopg does not."""
    if isinstance(column.type, JSONB):
        return _JSONB_VERSION.__add__
    if isinstance(column.type, ARRAY):
        return _integers if isinstance(column.type.item_type, Integer) else _array
    return None


def _psycopg_type(column: Column[Any]) -> str:
    if column.name in _ENCODED or isinstance(column.type, ARRAY):
        return "bytea"
    return next((name for kind, name in _TYPES if isinstance(column.type, kind)), "text")
