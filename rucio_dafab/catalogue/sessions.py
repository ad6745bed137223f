"""Transactions for commands that work on the database itself, without a request that brings one."""

from contextlib import AbstractContextManager

from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session, get_engine
from sqlalchemy import Engine
from sqlalchemy.orm import Session


def writing() -> AbstractContextManager[Session]:
    """Return a transaction that is committed when the block ends."""
    opened: AbstractContextManager[Session] = db_session(DatabaseOperationType.WRITE)
    return opened


def reading() -> AbstractContextManager[Session]:
    """Return a transaction that only reads."""
    opened: AbstractContextManager[Session] = db_session(DatabaseOperationType.READ)
    return opened


def engine() -> Engine:
    """Return the engine of Rucio's database."""
    found: Engine = get_engine()
    return found


def forget_connections() -> None:
    """Forget the connections of the process that this one is a copy of: they are that one's to use and to close."""
    engine().dispose(close=False)
