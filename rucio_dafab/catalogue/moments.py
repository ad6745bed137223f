"""Changes of tables in use, in a moment in which nobody reads them.

A change that waits for a reader makes every later reader wait behind it: a listing of minutes would stop the catalogue.
So each attempt waits for a fifth of a second only, and is made again later.
"""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Final, TypeVar

from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from rucio_dafab.catalogue.errors import MigrationError
from rucio_dafab.catalogue.tables import SCHEMA

LOCK_MILLISECONDS: Final = 200
"""For how long a change may keep readers waiting behind it, once in :data:`PAUSE`."""

PAUSE: Final = 1.0
"""Seconds between attempts."""

PATIENCE: Final = 900.0
"""Seconds after which a change is given up: a long listing is read in minutes."""

Changed = TypeVar("Changed")


def in_a_free_moment(engine: Engine, change: Callable[[Connection], Changed]) -> Changed:
    """Make a change in a transaction, again and again until no lock is in its way; return what it returns.

    Args:
        engine: of Rucio's database.
        change: what is done in the transaction; of an attempt that failed nothing stays.

    Raises:
        MigrationError: if the tables are in use for :data:`PATIENCE`.
    """
    last = monotonic() + PATIENCE
    while True:
        try:
            with engine.begin() as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_MILLISECONDS}ms'"))
                return change(connection)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            if monotonic() > last:
                raise MigrationError(
                    f"the tables of {SCHEMA} are in use without a break: they could not be changed in {PATIENCE:.0f} s"
                ) from error
        sleep(PAUSE)
