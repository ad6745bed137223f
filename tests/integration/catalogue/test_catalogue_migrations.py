"""Our schema in a Rucio that has none of it: up, down, up; and what ``check`` notices."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rucio_dafab.query.fingerprints import fingerprint
from rucio_dafab.site.credentials import load

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
COMMAND = Path(sys.executable).parent / "rucio-dafab"
BUILD = "from rucio.db.sqla.util import build_database, create_base_vo; build_database(); create_base_vo()"
DATABASE = "dafab_migrations"

Db = Callable[..., "subprocess.CompletedProcess[str]"]

FORMER = """
SELECT pg_get_indexdef(indexrelid) LIKE '%gin (searchable jsonb_path_ops)' FROM pg_index
WHERE indisvalid AND indexrelid = to_regclass('dafab.document_searchable')
"""
"""Whether the index that the one of the fingerprints replaced is what it was; nothing where it is not there."""


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


def test_a_missing_extension_is_one_line_that_says_who_can_help(db: Db, superuser: Any) -> None:
    superuser.execute("DROP EXTENSION IF EXISTS postgis CASCADE")
    refused = db("upgrade")
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "postgis" in refused.stderr
    assert "superuser" in refused.stderr
    assert not columns(superuser)


def test_up_down_up(db: Db, superuser: Any, empty: None) -> None:
    assert db("check").returncode == 1
    first = db("upgrade")
    assert first.returncode == 0, first.stderr
    made = columns(superuser)
    assert made["eo_cloud_cover"] == "double precision"
    assert made["geometry"] == "USER-DEFINED"
    assert db("check").stdout == "up to date\n"
    assert db("upgrade").stdout == "up to date\n"
    assert db("downgrade", "--yes").returncode == 0
    assert superuser.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'dafab'").fetchone() == (0,)
    assert db("upgrade").returncode == 0
    assert columns(superuser) == made


def test_from_the_first_revision_and_back(db: Db, superuser: Any, empty: None) -> None:
    def tables() -> set[str]:
        rows = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'dafab'").fetchall()
        return {name for (name,) in rows}

    assert db("upgrade", "0001").returncode == 0
    assert tables() == {"document", "revision"}
    noticed = db("check")
    assert noticed.returncode == 1
    assert "0001" in noticed.stderr
    assert db("upgrade").returncode == 0
    published = {"ontology", "ontology_alignment", "ontology_class"}
    assert tables() == {"area", "document", "link", "revision"} | published
    assert db("check").returncode == 0
    assert db("downgrade", "0001", "--yes").returncode == 0
    assert tables() == {"document", "revision"}


FROM_EVERY_REVISION = """
import sys
from sqlalchemy import text
from rucio_dafab.catalogue import migrations
from rucio_dafab.catalogue.sessions import engine
for revision in sys.argv[1:]:
    migrations.upgrade(engine(), revision)
    with engine().begin() as connection:
        connection.execute(text(
            "INSERT INTO dafab.document (scope, name, partial, searchable, document)"
            " SELECT scope, name, true, '{}', '{}' FROM rucio.dids WHERE name = 'one'"
        ))
    migrations.upgrade(engine())
    with engine().connect() as connection:
        kept = connection.execute(text("SELECT name, did_type, latest FROM dafab.document")).all()
    print(revision, migrations.check(engine()), kept)
    migrations.downgrade(engine())
"""


def test_from_every_released_revision(environment: dict[str, str], superuser: Any, empty: None) -> None:
    folder = ROOT / "rucio_dafab" / "catalogue" / "migrations" / "versions"
    revisions = sorted(path.name.partition("_")[0] for path in folder.glob("[0-9]*.py"))
    assert len(revisions) >= 8
    make_dids(superuser)
    command = [sys.executable, "-W", "ignore", "-c", FROM_EVERY_REVISION, *revisions]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)
    assert ran.returncode == 0, ran.stderr
    told = [line for line in ran.stdout.splitlines() if line[:4].isdigit()]
    assert told == [f"{revision} () [('one', 'C', True)]" for revision in revisions]
    superuser.execute("DELETE FROM rucio.dids WHERE scope = 'fill'")


def test_the_indexes_are_there(db: Db, superuser: Any, empty: None) -> None:
    assert db("upgrade").returncode == 0
    rows = superuser.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'dafab' AND tablename = 'document'")
    indexes = {name for (name,) in rows}
    assert {"document_geometry_extent", "document_collection_newest", "document_fingerprints"} <= indexes
    assert "document_eo_cloud_cover_listed" in indexes
    assert "document_searchable" not in indexes


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


def test_a_lost_index_and_a_lost_column_are_noticed_and_restored(db: Db, superuser: Any, empty: None) -> None:
    assert db("upgrade").returncode == 0
    superuser.execute("DROP INDEX dafab.document_eo_cloud_cover_listed")
    superuser.execute("ALTER TABLE dafab.document DROP COLUMN gsd")
    noticed = db("check")
    assert noticed.returncode == 1
    assert "document_eo_cloud_cover_listed" in noticed.stderr
    assert "gsd" in noticed.stderr
    assert db("upgrade").returncode == 0
    assert db("check").returncode == 0


def test_the_index_of_a_queryable_that_has_become_broad_replaces_the_one_of_before(
    db: Db, superuser: Any, empty: None
) -> None:
    assert db("upgrade").returncode == 0
    superuser.execute("DROP INDEX dafab.document_eo_cloud_cover_listed")
    superuser.execute("CREATE INDEX document_eo_cloud_cover ON dafab.document (eo_cloud_cover)")
    assert "index document_eo_cloud_cover_listed" in db("upgrade").stdout
    found = superuser.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'document_eo_cloud_cover%'")
    assert found.fetchall() == [("document_eo_cloud_cover_listed",)]


def test_the_index_of_a_queryable_that_is_asked_together_with_others_has_their_columns(
    db: Db, superuser: Any, empty: None
) -> None:
    assert db("upgrade").returncode == 0
    superuser.execute("DROP INDEX dafab.document_sat_relative_orbit_together")
    superuser.execute("CREATE INDEX document_sat_relative_orbit ON dafab.document (sat_relative_orbit)")
    assert "document_sat_relative_orbit_together" in db("check").stderr
    assert "index document_sat_relative_orbit_together" in db("upgrade").stdout
    found = superuser.execute("SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'document_sat_relative_orbit%'")
    ((definition,),) = found.fetchall()
    assert "(sat_relative_orbit, proj_code, eo_cloud_cover) WHERE (sat_relative_orbit IS NOT NULL)" in definition


def test_columns_are_computed_anew_where_they_are_not_right(db: Db, superuser: Any, empty: None) -> None:
    assert db("upgrade").returncode == 0
    make_dids(superuser)
    place = {"type": "Point", "coordinates": [6, 49]}
    document = {"id": "one", "geometry": place, "properties": {"gsd": 10, "datetime": "2026-06-01T10:00:00Z"}}
    superuser.execute(
        "INSERT INTO dafab.document (scope, name, partial, searchable, document, platform)"
        " VALUES ('fill', 'one', true, '{}', %s, 'stale')",
        (json.dumps(document),),
    )
    assert db("reindex").stdout == "1 documents, 1 changed\n"
    statement = "SELECT id, gsd, extent_start::text, ST_AsText(geometry), platform FROM dafab.document"
    found = superuser.execute(statement).fetchone()
    assert found[:2] == ("one", 10.0)
    assert found[2].startswith("2026-06-01")
    assert found[3:] == ("POINT(6 49)", None)
    assert db("reindex").stdout == "1 documents, 0 changed\n"
    superuser.execute("DELETE FROM rucio.dids WHERE scope = 'fill'")


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("ALTER TABLE dafab.document DROP COLUMN gsd", id="absent"),
        # What a kill between the new column and its last values leaves: the index is made when all are there.
        pytest.param("UPDATE dafab.document SET gsd = NULL; DROP INDEX dafab.document_gsd", id="interrupted"),
    ],
)
def test_a_new_column_is_filled_from_the_documents(db: Db, superuser: Any, empty: None, before: str) -> None:
    assert db("upgrade").returncode == 0
    make_dids(superuser)
    superuser.execute(
        "INSERT INTO dafab.document (scope, name, partial, searchable, document) VALUES"
        """ ('fill', 'one', true, '{}', '{"properties": {"gsd": 10}}')"""
    )
    superuser.execute(before)
    assert db("upgrade").returncode == 0
    assert db("check").returncode == 0
    assert superuser.execute("SELECT gsd FROM dafab.document").fetchone() == (10.0,)
    superuser.execute("DELETE FROM rucio.dids WHERE scope = 'fill'")
    assert superuser.execute("SELECT count(*) FROM dafab.document").fetchone() == (0,)


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


def test_links_and_successors_of_before_are_known_afterwards(db: Db, superuser: Any, empty: None) -> None:
    assert db("upgrade", "0002").returncode == 0
    make_dids(superuser)
    hrefs = {
        "one": [("predecessor-version", "zero"), ("self", "two")],
        "two": [
            ("predecessor-version", "https://any.host/stac/collections/c/items/one?f=json"),
            ("derived_from", "other:scene"),
            ("related", "../dids/fill/one"),
            ("related", "fill:one"),
            ("license", "https://example.org/LICENSE"),
            ("via", "two"),
            ("about", "has blanks"),
        ],
    }
    for name, links in hrefs.items():
        document = json.dumps({"links": [{"rel": rel, "href": href} for rel, href in links] + [1, {"rel": 1}]})
        superuser.execute(
            "INSERT INTO dafab.document (scope, name, partial, searchable, document)"
            " VALUES ('fill', %s, true, '{}', %s)",
            (name, document),
        )
    assert db("upgrade").returncode == 0
    found = set(superuser.execute("SELECT name, rel, target_scope, target_name FROM dafab.link").fetchall())
    assert found == {
        ("one", "predecessor-version", "fill", "zero"),
        ("two", "predecessor-version", "fill", "one"),
        ("two", "derived_from", "other", "scene"),
        ("two", "related", "fill", "one"),
    }
    latest = dict(superuser.execute("SELECT name, latest FROM dafab.document").fetchall())
    assert latest == {"one": False, "two": True}
    superuser.execute("DELETE FROM rucio.dids WHERE name = 'two'")
    assert superuser.execute("SELECT name, latest FROM dafab.document").fetchall() == [("one", True)]
    assert db("downgrade", "0002", "--yes").returncode == 0
    assert "latest" not in columns(superuser)
    superuser.execute("DELETE FROM rucio.dids WHERE scope = 'fill'")


def test_two_upgrades_at_once_follow_each_other(db: Db, empty: None) -> None:
    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda _: db("upgrade"), range(2)))
    assert [each.returncode for each in ran] == [0, 0], [each.stderr for each in ran]
    assert db("check").returncode == 0


def test_a_database_out_of_reach_is_one_line(db: Db, server_config: Path, tmp_path: Path) -> None:
    lines = server_config.read_text().splitlines()
    text = "\n".join(
        "default = postgresql+psycopg://rucio:x@127.0.0.1:1/rucio" if line.startswith("default") else line
        for line in lines
    )
    (tmp_path / "rucio.cfg").write_text(text)
    environment = os.environ | {"RUCIO_CONFIG": str(tmp_path / "rucio.cfg")}
    command = [str(COMMAND), "db", "check"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 75
    assert "does not answer" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
