"""What PostgreSQL's planner knows of the tables: told at once after a load, since autovacuum looks once a minute.

Until then it takes full tables for empty ones: the golden query over 777 scenes and their field products that had just
been loaded took 1.5 s instead of 20 ms, growing with the square of the catalogue.
"""

from typing import Final

from rucio.db.sqla import models
from sqlalchemy import text
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.links import link
from rucio_dafab.catalogue.tables import document

LEAST: Final = 50
"""Rows, and"""
SHARE: Final = 0.1
"""the share of a table, after which autovacuum would look too (``autovacuum_analyze_threshold``, ``_scale_factor``)."""

_TABLES: Final = (
    document,
    link,
    models.DataIdentifier.__table__,
    models.DataIdentifierAssociation.__table__,
)


_KNOWN: Final = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")


def tell(written: int, *, session: Session) -> bool:
    """Have the tables that searches read looked at, where so many documents written make a difference.

    A table that somebody else is looking at, or cleans, is left to them.

    Returns:
        Whether they were looked at.
    """
    known = session.scalar(_KNOWN, {"name": document.fullname}) or 0
    if written < LEAST + SHARE * max(known, 0):
        return False
    session.execute(text("ANALYZE (SKIP_LOCKED) " + ", ".join(table.fullname for table in _TABLES)))
    return True
