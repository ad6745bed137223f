"""What tests of our tables ask of a database, and do to it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).parent / "rucio-dafab"

Db = Callable[..., "subprocess.CompletedProcess[str]"]
"""``rucio-dafab db …``."""


def columns(connection: Any) -> dict[str, str]:
    rows = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'dafab' AND table_name = 'document'"
    )
    return dict(rows.fetchall())


def make_dids(connection: Any) -> None:
    """Make containers ``one`` and ``two`` in the scope ``fill``."""
    connection.execute(
        "INSERT INTO rucio.accounts (account, account_type, status, created_at, updated_at)"
        " VALUES ('filler', 'USER', 'ACTIVE', now(), now()) ON CONFLICT DO NOTHING"
    )
    connection.execute(
        "INSERT INTO rucio.scopes (scope, account, status, is_default, created_at, updated_at)"
        " VALUES ('fill', 'filler', 'O', false, now(), now()) ON CONFLICT DO NOTHING"
    )
    for name in ("one", "two"):
        connection.execute(
            "INSERT INTO rucio.dids (scope, name, account, did_type, availability, created_at, updated_at)"
            " VALUES ('fill', %s, 'filler', 'C', 'A', now(), now())",
            (name,),
        )
