"""Our schema in a Rucio that has none of it: up, down, up; and what ``check`` notices."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.catalogue.tables_support import COMMAND, Db, columns, make_dids

pytest_plugins = ["tests.integration.catalogue.migrated"]
pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]


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
