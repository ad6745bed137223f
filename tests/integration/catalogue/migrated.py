"""A database with Rucio's tables and none of ours, and ``rucio-dafab db`` for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rucio_dafab.site.credentials import load
from tests.integration.catalogue.tables_support import COMMAND, Db

BUILD = "from rucio.db.sqla.util import build_database, create_base_vo; build_database(); create_base_vo()"
DATABASE = "dafab_migrations"


@pytest.fixture(scope="module")
def superuser(site: Any, database_address: str) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection of the cluster's superuser to a fresh database without extensions, which goes afterwards."""
    settings = psycopg.conninfo.conninfo_to_dict(database_address)
    who = {"user": "postgres", "password": load(site.home).database["postgres"]}
    with psycopg.connect(**settings | who | {"dbname": "postgres"}, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER rucio TEMPLATE template0")
        with psycopg.connect(**settings | who | {"dbname": DATABASE}, autocommit=True) as inside:
            yield inside
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture(scope="module")
def environment(superuser: Any, server_config: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a server whose database holds Rucio's tables and none of ours."""
    folder = tmp_path_factory.mktemp("migrations")
    for name in ("rucio.cfg", "alembic.ini"):
        text = server_config.with_name(name).read_text().replace("/rucio\n", f"/{DATABASE}\n")
        (folder / name).write_text(text.replace(str(server_config.parent), str(folder)))
    environment = os.environ | {"RUCIO_CONFIG": str(folder / "rucio.cfg")}
    subprocess.run([sys.executable, "-c", BUILD], env=environment, check=True, capture_output=True, timeout=120)
    return environment


@pytest.fixture(scope="module")
def db(environment: dict[str, str]) -> Db:
    """Return ``rucio-dafab db …`` of that server."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [str(COMMAND), "db", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture
def empty(db: Db, superuser: Any) -> None:
    """Take our tables away, whatever an earlier test left."""
    superuser.execute("CREATE EXTENSION IF NOT EXISTS postgis")
    assert db("downgrade", "--yes").returncode == 0
