"""Commands that work on the database itself, as ``rucio-dafab db`` does, find the server's configuration."""

import os
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import Final

from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home

_LATER: Final = 75
"""Exit status of what another try may mend (``EX_TEMPFAIL`` of sysexits.h)."""


class ServerUnknown(DafabError):
    """No configuration of a server is at hand, or its database cannot be read."""


class DatabaseSilent(DafabError):
    """The database of the server does not answer."""

    exit_code = _LATER


def use_server_configuration() -> None:
    """Point Rucio, before it is imported, at the server's ``rucio.cfg``; classes then mean what is published there.

    The database is tried at once, so that no command fails of it half-way and at length.

    That is the one of ``RUCIO_CONFIG`` where it names a database, else the one of the site of ``DAFAB_HOME``: the
    variables that ``rucio-dafab env`` prints name a client's.

    Raises:
        ServerUnknown: if there is neither, or Rucio cannot use it.
        DatabaseSilent: if the database cannot be reached.
    """
    named = os.environ.get("RUCIO_CONFIG")
    for path in (Path(named) if named else None, Home.from_environment().server_config):
        if path is not None and _has_database(path):
            os.environ["RUCIO_CONFIG"] = str(path)
            _try_database(path)
            _use_published_ontologies()
            return
    raise ServerUnknown(
        "this command works on the database: set RUCIO_CONFIG to the server's rucio.cfg, or DAFAB_HOME to a site"
    )


def _try_database(configuration: Path) -> None:
    from sqlalchemy.exc import ArgumentError, OperationalError  # noqa: PLC0415 - slow to import

    from rucio_dafab.catalogue import sessions  # noqa: PLC0415 - reads the server's configuration
    from rucio_dafab.catalogue.errors import database_said  # noqa: PLC0415

    try:
        sessions.engine().connect().close()
    except OperationalError as error:
        raise DatabaseSilent(f"the database of {configuration} does not answer: {database_said(error)}") from error
    except ArgumentError as error:
        raise ServerUnknown(f"{configuration} names no database that can be opened: [database] default") from error


def _use_published_ontologies() -> None:
    from rucio_dafab.catalogue import ontology_snapshots, sessions  # noqa: PLC0415 - reads the server's configuration

    ontology_snapshots.install(sessions.engine)


def _has_database(path: Path) -> bool:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (ConfigParserError, UnicodeDecodeError):
        return False
    return parser.has_option("database", "default")
