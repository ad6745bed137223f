"""A private PostgreSQL cluster with PostGIS: made once, run by an unprivileged user, reached over loopback alone."""

import os
import pwd
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from psycopg import sql

from rucio_dafab.errors import DafabError
from rucio_dafab.files import PRIVATE, write_file
from rucio_dafab.site.configuration import render
from rucio_dafab.site.credentials import OWNER, SUPERUSER
from rucio_dafab.site.home import Home
from rucio_dafab.site.ports import LOOPBACK

_BINARIES: Final = Path("/usr/lib/postgresql/15/bin")
_EXTENSION: Final = Path("/usr/share/postgresql/15/extension/postgis.control")


class ClusterError(DafabError):
    """The database cluster cannot be made or does not answer."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The unprivileged user that PostgreSQL runs as when the command runs as root (PostgreSQL refuses root)."""

    name: str
    uid: int
    gid: int


def server_user() -> ServerUser | None:
    """Return the user to run PostgreSQL as; ``None`` means whoever runs the command.

    Raises:
        ClusterError: if the command runs as root and the machine has neither ``postgres`` nor ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return ServerUser(name, known[name].pw_uid, known[name].pw_gid)
    raise ClusterError("PostgreSQL refuses to run as root and this machine has no user postgres or nobody")


def binary(name: str) -> str:
    """Return the path of one of PostgreSQL 15's programs.

    Raises:
        ClusterError: if PostgreSQL 15 or PostGIS is not installed.
    """
    path = _BINARIES / name
    if not path.exists() or not _EXTENSION.exists():
        raise ClusterError(
            "PostgreSQL 15 with PostGIS is missing: apt-get install postgresql-15 postgresql-15-postgis-3"
        )
    return str(path)


def check_reachable(home: Home, user: ServerUser | None) -> None:
    """Refuse a home that the unprivileged server cannot enter.

    Raises:
        ClusterError: naming the first folder on the way that shuts it out.
    """
    if user is None:
        return
    for folder in reversed((home.root, *home.root.parents)):
        if folder.exists() and not _may_enter(folder, user):
            mode = folder.stat().st_mode & 0o777
            raise ClusterError(
                f"PostgreSQL runs as user {user.name}, who may not enter {folder} (mode {mode:o}): "
                f"set DAFAB_HOME to a folder elsewhere, for example /var/tmp/dafab"
            )


def make(home: Home, user: ServerUser | None, password: str) -> None:
    """Make the cluster unless it is there; one that was left half made is made anew.

    Args:
        home: the site.
        user: who runs the cluster.
        password: of the role ``postgres``.

    Raises:
        ClusterError: with the last line of what ``initdb`` said.
    """
    if home.postgres.exists():
        return
    unfinished = home.postgres.with_name("postgres.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password_file = unfinished.with_name("postgres.password")
    write_file(password_file, password + "\n", PRIVATE)
    try:
        if user:
            os.chown(unfinished, user.uid, user.gid)
            os.chown(password_file, user.uid, user.gid)
        _initdb(unfinished, password_file, user)
    finally:
        password_file.unlink()
    unfinished.rename(home.postgres)


def configure(home: Home, user: ServerUser | None, port: int) -> None:
    """Write the cluster's configuration from the templates in ``etc/postgres``."""
    for name in ("postgresql.conf", "pg_hba.conf"):
        path = home.postgres / name
        write_file(path, render(f"postgres/{name}", {"port": str(port)}), PRIVATE)
        if user:
            os.chown(path, user.uid, user.gid)


def conninfo(port: int, role: str, password: str, database: str) -> dict[str, Any]:
    """Return the arguments of ``psycopg.connect`` for one role."""
    return {
        "host": LOOPBACK,
        "port": port,
        "user": role,
        "password": password,
        "dbname": database,
        "connect_timeout": 5,
    }


def wait_until_ready(port: int, password: str, seconds: float) -> None:
    """Return as soon as the superuser can connect.

    Raises:
        ClusterError: if it cannot after that many seconds, or the password is refused.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(**conninfo(port, SUPERUSER, password, "postgres")).close()
        except psycopg.OperationalError as error:
            if "authentication failed" in str(error):
                raise ClusterError(f"PostgreSQL on port {port} refuses the password in credentials.json") from error
            if time.monotonic() > deadline:
                reason = str(error).strip().splitlines()[-1]
                raise ClusterError(
                    f"PostgreSQL does not answer on port {port} after {seconds:.0f} s: {reason}"
                ) from error
            time.sleep(0.05)
        else:
            return


def make_database(port: int, passwords: dict[str, str]) -> None:
    """Make the role and the database that Rucio owns, with PostGIS in it, unless they are there.

    Args:
        port: of the running cluster.
        passwords: by role.
    """
    with psycopg.connect(**conninfo(port, SUPERUSER, passwords[SUPERUSER], "postgres"), autocommit=True) as connection:
        # The server gets the verifier, so that the password itself is in no statement and no log.
        verifier = connection.pgconn.encrypt_password(passwords[OWNER].encode(), OWNER.encode()).decode()
        verb = "ALTER" if _exists(connection, "pg_roles", "rolname") else "CREATE"
        statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
        connection.execute(statement.format(sql.SQL(verb), sql.Identifier(OWNER), sql.Literal(verifier)))
        if not _exists(connection, "pg_database", "datname"):
            statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
            connection.execute(statement.format(sql.Identifier(OWNER), sql.Identifier(OWNER)))
    with psycopg.connect(**conninfo(port, SUPERUSER, passwords[SUPERUSER], OWNER), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgis")


def postmaster(home: Home) -> psutil.Process | None:
    """Return the server process of the cluster while it runs, whoever started it."""
    try:
        pid = int((home.postgres / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        process = psutil.Process(pid)
        ours = process.name() == "postgres" and str(home.postgres) in process.cmdline()
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None
    return process if ours else None


def _exists(connection: psycopg.Connection[Any], catalogue: str, column: str) -> bool:
    statement = sql.SQL("SELECT 1 FROM {} WHERE {} = {}")
    statement_for = statement.format(sql.Identifier(catalogue), sql.Identifier(column), sql.Literal(OWNER))
    return connection.execute(statement_for).fetchone() is not None


def _may_enter(folder: Path, user: ServerUser) -> bool:
    """Ask the kernel, as that user: modes alone do not tell what access lists allow."""
    probe = subprocess.run(  # noqa: S603
        ["/usr/bin/test", "-x", str(folder)],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return probe.returncode == 0


def _initdb(folder: Path, password_file: Path, user: ServerUser | None) -> None:
    who: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    command = [
        binary("initdb"),
        f"--pgdata={folder}",
        f"--username={SUPERUSER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
    ]
    made = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **who)  # noqa: S603
    if made.returncode:
        reason = (made.stderr.strip() or made.stdout.strip() or "no reason given").splitlines()[-1]
        raise ClusterError(f"initdb could not make a cluster in {folder}: {reason}")
