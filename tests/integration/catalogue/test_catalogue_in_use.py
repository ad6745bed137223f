"""Our tables changed while they are in use: by servers of before, beside readers, and by two at once."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from rucio_dafab.query.fingerprints import fingerprint
from tests.integration.catalogue.tables_support import Db, columns, make_dids

pytest_plugins = ["tests.integration.catalogue.migrated"]
pytestmark = pytest.mark.integration

FORMER = """
SELECT pg_get_indexdef(indexrelid) LIKE '%gin (searchable jsonb_path_ops)' FROM pg_index
WHERE indisvalid AND indexrelid = to_regclass('dafab.document_searchable')
"""
"""Whether the index that the one of the fingerprints replaced is what it was; nothing where it is not there."""


def test_documents_of_before_get_their_fingerprints(db: Db, superuser: Any, empty: None) -> None:
    assert db("upgrade", "0008").returncode == 0
    make_dids(superuser)
    document = json.dumps({"properties": {"season": "wet", "rows": 7, "share": 0.1234}})
    superuser.execute(
        "INSERT INTO dafab.document (scope, name, partial, searchable, document) VALUES ('fill', 'one', true, %s, %s)",
        (document, document),
    )
    assert "index document_fingerprints" in db("upgrade").stdout
    path = ("properties", "season")
    found = superuser.execute("SELECT fingerprints FROM dafab.document").fetchone()[0]
    assert len(found) == 2
    assert fingerprint(path, "wet") in found
    # A kill between the column and its last values: it is filled anew before its index is made.
    superuser.execute("DROP INDEX dafab.document_fingerprints; UPDATE dafab.document SET fingerprints = NULL")
    assert db("check").returncode == 1
    assert db("upgrade").returncode == 0
    assert db("check").returncode == 0
    assert superuser.execute("SELECT fingerprints FROM dafab.document").fetchone()[0] == found
    assert db("downgrade", "0008", "--yes").returncode == 0
    assert "fingerprints" not in columns(superuser)
    before = superuser.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'document_searchable'").fetchone()
    assert "gin (searchable jsonb_path_ops)" in before[0]
    superuser.execute("DELETE FROM rucio.dids WHERE scope = 'fill'")


OF_HEALTH = """
from rucio_dafab.catalogue import migrations
from rucio_dafab.catalogue.sessions import engine
print(migrations.check(engine(), rows=False))
"""


def test_what_a_server_of_before_writes_is_named_filled_and_set_right(
    db: Db, environment: dict[str, str], superuser: Any, empty: None
) -> None:
    assert db("upgrade").returncode == 0
    make_dids(superuser)
    document = json.dumps({"properties": {"season": "wet"}})
    superuser.execute(
        "INSERT INTO dafab.document (scope, name, partial, searchable, document)"
        " SELECT 'fill', name, true, %s, %s FROM rucio.dids WHERE scope = 'fill'",
        (document, document),
    )
    noticed = db("check")
    assert noticed.returncode == 1
    assert "2 of the documents lack fingerprints" in noticed.stderr
    command = [sys.executable, "-W", "ignore", "-c", OF_HEALTH]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "()\n"
    assert db("upgrade").returncode == 0
    assert db("check").stdout == "up to date\n"
    wet, dry = (fingerprint(("properties", "season"), season) for season in ("wet", "dry"))
    prints = "SELECT fingerprints FROM dafab.document ORDER BY name"
    assert superuser.execute(prints).fetchall() == [([wet],), ([wet],)]
    # It writes a document anew, and leaves a column that it does not know.
    superuser.execute("UPDATE dafab.document SET document = replace(document, 'wet', 'dry') WHERE name = 'one'")
    assert db("reindex").stdout == "2 documents, 1 changed\n"
    assert superuser.execute(prints).fetchall() == [([dry],), ([wet],)]
    superuser.execute("DELETE FROM rucio.dids WHERE scope = 'fill'")


@pytest.mark.parametrize(
    ("revision", "column", "command"),
    [
        pytest.param("head", "gsd", ["upgrade"], id="queryable"),
        pytest.param("0008", "fingerprints", ["upgrade"], id="revision"),
        pytest.param("head", "fingerprints", ["downgrade", "0008", "--yes"], id="back"),
    ],
)
def test_a_change_of_columns_keeps_no_reader_waiting(
    db: Db, superuser: Any, empty: None, revision: str, column: str, command: list[str]
) -> None:
    assert db("upgrade", revision).returncode == 0
    if column == "gsd":
        superuser.execute("ALTER TABLE dafab.document DROP COLUMN gsd")
    found, is_back = columns(superuser), "downgrade" in command
    assert (column in found) == is_back
    settings = superuser.info.get_parameters() | {"password": superuser.info.password}
    # A listing has all indexes of the table locked, too, until it ends.
    question = "SELECT count(*) FROM dafab.document WHERE classes IS NULL"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(**settings) as long, psycopg.connect(**settings) as short:
        long.execute(question)
        changing = pool.submit(db, *command)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        seen = 0
        while seen < 3:
            assert not changing.done()
            seen += superuser.execute(waiting).fetchone()[0]
            # A reader that came after the change would have to wait for the long one: this one goes on.
            short.execute("SET LOCAL statement_timeout = '5s'")
            short.execute(question)
            short.rollback()
        assert columns(superuser) == found
        # Going back, the index of before is there as long as that of the fingerprints is.
        assert not is_back or superuser.execute(FORMER).fetchall() == [(True,)]
        long.rollback()
        assert changing.result().returncode == 0
    assert (column in columns(superuser)) != is_back


def test_what_was_left_of_the_former_index_is_not_taken_for_it(db: Db, superuser: Any, empty: None) -> None:
    assert db("upgrade").returncode == 0
    # An upgrade that is killed while it drops it leaves it so.
    superuser.execute("CREATE INDEX document_searchable ON dafab.document (id)")
    superuser.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'dafab.document_searchable'::regclass")
    assert db("downgrade", "0008", "--yes").returncode == 0
    assert superuser.execute(FORMER).fetchall() == [(True,)]


def test_two_upgrades_at_once_follow_each_other(db: Db, empty: None) -> None:
    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda _: db("upgrade"), range(2)))
    assert [each.returncode for each in ran] == [0, 0], [each.stderr for each in ran]
    assert db("check").returncode == 0
