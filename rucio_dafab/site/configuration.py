"""The configuration of every process of a site, rendered from the templates in ``etc/``."""

import os
import shlex
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from rucio_dafab.files import PRIVATE, write_file
from rucio_dafab.resources import resources
from rucio_dafab.site.credentials import OWNER, Credentials
from rucio_dafab.site.home import ACCOUNTS, Home
from rucio_dafab.site.ports import LOOPBACK
from rucio_dafab.site.record import SiteRecord

MAX_REQUEST_LINE: Final = 1 << 20
"""Bytes of a request's head that the service reads: filters with thousands of vertices arrive in the query string."""

DAEMON_SECONDS: Final = 15
"""Pause between two rounds of Rucio's daemons, seconds."""


def render(template: str, values: Mapping[str, str]) -> str:
    """Fill a template of ``etc/``; a name without a value is a fault of this project and raises ``KeyError``."""
    text = (resources() / "etc" / template).read_text(encoding="utf-8")
    return Template(text).substitute(values)


def write_server_files(home: Home, record: SiteRecord, credentials: Credentials) -> None:
    """Write the configuration of the Rucio server and its migrations, both with the database's password in them."""
    password = credentials.database[OWNER]
    alembic = home.server_config.with_name("alembic.ini")
    values = {
        "log": str(home.log),
        "mail_templates": str(Path(sysconfig.get_path("data")) / "rucio" / "etc" / "mail_templates"),
        "database_url": f"postgresql+psycopg://{OWNER}:{password}@{LOOPBACK}:{record.postgres_port}/{OWNER}",
        "alembic": str(alembic),
        "url": record.url,
    }
    write_file(home.server_config, render("rucio/server.cfg", values), PRIVATE)
    write_file(alembic, render("rucio/alembic.ini", values), PRIVATE)


def write_client_files(home: Home, record: SiteRecord, credentials: Credentials) -> None:
    """Write the ``rucio.cfg`` of each account."""
    for account in ACCOUNTS:
        path = home.client_config(account)
        # Rucio's default is one token file for all servers: two sites would hand each other their tokens.
        token = path.with_name("token")
        values = {
            "url": record.url,
            "account": account,
            "password": credentials.accounts[account],
            "token": str(token),
        }
        write_file(path, render("rucio/client.cfg", values), PRIVATE)
        token.unlink(missing_ok=True)


def write_dasi_file(home: Home) -> None:
    """Write the site's ``dasi.yml`` unless it is there: it is the user's to change."""
    if not home.dasi_config.exists():
        values = {"home": str(home.root), "schema": str(resources() / "etc" / "fdb" / "schema")}
        write_file(home.dasi_config, render("fdb/dasi.yml.template", values))


def write_supervisor_file(home: Home, record: SiteRecord, postgres: str, postgres_user: str | None) -> Path:
    """Write the supervisor's configuration and return its path.

    Args:
        home: the site.
        record: its choices; the sockets' folder exists.
        postgres: path of the program ``postgres``.
        postgres_user: who runs it; ``None`` for the supervisor's own user.
    """
    values = {
        "log": home.log,
        "run": home.run,
        "root": home.root,
        "postgres": home.postgres,
        "server_config": home.server_config,
        "socket": record.socket,
        "url": record.url,
        "postgres_command": shlex.join([postgres, "-D", str(home.postgres)]),
        "service_command": shlex.join(service_command(record)),
        "daemons_command": shlex.join(
            [sys.executable, "-m", "rucio_dafab.site.daemons", "--pause", str(DAEMON_SECONDS)]
        ),
        # Said aloud, so that the supervisor does not warn of it at every start.
        "supervisor_user": "user = root" if os.geteuid() == 0 else "",
        "postgres_user": f"user = {postgres_user}" if postgres_user else "",
    }
    path = home.etc / "supervisord.conf"
    write_file(path, render("supervisor/supervisord.conf", {key: str(value) for key, value in values.items()}), PRIVATE)
    return path


def service_command(record: SiteRecord) -> list[str]:
    """Return the command line of the service."""
    return [
        sys.executable,
        "-m",
        "uvicorn",
        "rucio_dafab.service.app:make_app",
        "--factory",
        f"--host={LOOPBACK}",
        f"--port={record.http_port}",
        f"--h11-max-incomplete-event-size={MAX_REQUEST_LINE}",
        "--timeout-keep-alive=75",
        "--timeout-graceful-shutdown=5",
        "--no-access-log",
        "--log-level=warning",
    ]
