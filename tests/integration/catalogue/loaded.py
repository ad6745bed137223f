"""What a load left in the tables, held still."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


def rows(database: psycopg.Connection[Any], table: str, scope: str) -> list[str]:
    """Return the rows of a table that speak of a scope, without what differs from call to call."""
    is_told = table == "rucio.messages"
    told = "payload LIKE '%%\"' || %s || '\"%%'" if is_told else "scope = %s AND name <> 'other'"
    found = database.execute(
        f"SELECT to_jsonb(t) - '{{id,created_at,updated_at}}'::text[] FROM {table} t WHERE {told}", (scope,)
    )
    return sorted(json.dumps(row, sort_keys=True).replace(scope, "SCOPE") for (row,) in found)


@contextmanager
def paused(site: Any) -> Iterator[None]:
    """Hold Rucio's daemons: they take ``updated_dids`` and ``messages`` away while a test compares them."""
    (process,) = (each["pid"] for each in site.status()["processes"] if each["name"] == "daemons")
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
