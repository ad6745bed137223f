"""``rucio-dafab catalogue load`` and ``dump`` on a real site: rows like Rucio's own, rejects, again, dumped."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import pytest

from rucio_dafab.catalogue import geoparquet
from tests.integration.catalogue.loaded import rows

pytestmark = pytest.mark.integration

BY_CORE = """
import sys
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import did
from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session
admin, scope = InternalAccount("dafab_admin"), InternalScope(sys.argv[1])
with db_session(DatabaseOperationType.WRITE) as session:
    dids = [{"scope": scope, "name": name, "type": "CONTAINER"} for name in sys.argv[2:]]
    did.add_dids(dids, admin, session=session)
    did.attach_dids(scope, "water", dids, admin, session=session)
"""
Load = Callable[..., Any]


@pytest.fixture(scope="module")
def scopes(make_scopes: Any, site: Any) -> Iterator[tuple[str, str, str]]:
    """Return three scopes with two collections each."""
    names = ("bulk.core", "bulk.ours", "bulk.more")
    make_scopes(*names, collections=("water", "other"))
    yield names


@pytest.fixture
def load(site: Any, tmp_path: Path) -> Load:
    """Return a function that loads documents and gives the status and the report."""

    def call(lines: list[Any], *options: str, scope: str = "bulk.more") -> tuple[int, dict[str, Any], list[Any]]:
        file, rejects = tmp_path / "items.ndjson", tmp_path / "rejects.ndjson"
        file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        arguments = ("catalogue", "load", str(file), "--scope", scope, "--rejects", str(rejects), "--json", *options)
        ran = site.run_dafab(*arguments)
        told = [json.loads(line) for line in rejects.read_text().splitlines()] if rejects.exists() else []
        assert ran.stdout, ran.stderr
        return ran.returncode, json.loads(ran.stdout), told

    return call


@pytest.mark.usefixtures("paused_daemons")
def test_the_rows_are_those_that_rucio_writes(
    load: Load, in_server: Any, make_item: Any, database: Any, scopes: tuple[str, str, str]
) -> None:
    names = [f"BU_same{number}" for number in range(5)]
    core = in_server(BY_CORE, scopes[0], *names)
    assert core.returncode == 0, core.stderr
    assert load([make_item(name, "water") for name in names], scope=scopes[1])[1]["created"] == 5
    for table, wanted in (("dids", 6), ("contents", 5), ("updated_dids", 1), ("messages", 12)):
        assert len(rows(database, f"rucio.{table}", scopes[0])) == wanted
        assert rows(database, f"rucio.{table}", scopes[1]) == rows(database, f"rucio.{table}", scopes[0]), table


def test_the_documents_are_those_that_publishing_writes(
    load: Load, make_item: Any, publish: Any, database: Any, scopes: Any
) -> None:
    def columns(name: str) -> dict[str, Any]:
        row = database.execute("SELECT to_jsonb(d) FROM dafab.document d WHERE name = %s", (name,)).fetchone()[0]
        document = json.loads(row.pop("document"))
        left = {key: value for key, value in row.items() if key not in {"scope", "updated_at"}}
        left["searchable"].pop("links", None)
        return left | {"document": document | {"links": []}}

    item = make_item(
        "BU_columns", "water_analysis", theme="river_flood", **{"eo:cloud_cover": 3, "instruments": ["msi"]}
    )
    publish(item)
    published = columns("BU_columns")
    database.execute("DELETE FROM dafab.document WHERE name = 'BU_columns'")
    assert load([item], scope="dafab")[1]["created"] == 1
    assert columns("BU_columns") == published


def test_what_is_wrong_is_told_by_line_id_and_reason(load: Load, make_item: Any, scopes: Any) -> None:
    bowtie = make_item("BU_bowtie", "water")
    bowtie["geometry"]["coordinates"] = [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]
    lines = [
        make_item("BU_right", "water"),
        "{",
        "",
        "[1]",
        bowtie,
        make_item("a/b", "water"),
        make_item("BU_nowhere", "nowhere"),
        make_item("water", "water"),
        make_item("BU_nul", "water", comment="a\0b"),
        make_item("BU_large", "water", count=2**63),
        {"type": "Collection", "id": "BU_collection"},
    ]
    status, report, rejects = load(lines)
    assert (status, report["created"], report["rejected"]) == (1, 1, 9)
    told = {each["line"]: (each["id"], each["reason"]) for each in rejects}
    assert told.keys() == {2, 4, 5, 6, 7, 8, 9, 10, 11}
    for line, name, reason in (
        (2, None, "no JSON"),
        (4, None, "no JSON object"),
        (5, "BU_bowtie", "Self-intersection"),
        (6, "a/b", "/id"),
        (7, "BU_nowhere", "there is no collection bulk.more:nowhere"),
        (8, "water", "cannot be an item"),
        (9, "BU_nul", "/properties/comment"),
        (10, "BU_large", "/properties/count"),
        (11, "BU_collection", "/type"),
    ):
        assert told[line][0] == name
        assert reason in told[line][1]


def test_again_skips_and_update_replaces_what_differs(load: Load, make_item: Any, scopes: Any, document: Any) -> None:
    items = [make_item(f"BU_again{number}", "water", **{"eo:cloud_cover": 1.0}) for number in range(3)]
    assert load(items)[1]["created"] == 3
    assert load(items)[1]["skipped"] == 3
    items[1]["properties"]["eo:cloud_cover"] = 2.0
    assert load(items)[1]["skipped"] == 3
    assert document("BU_again1")["properties"]["eo:cloud_cover"] == 1.0
    report = load(items, "--update")[1]
    assert (report["updated"], report["unchanged"], report["created"]) == (1, 2, 0)
    assert document("BU_again1")["properties"]["eo:cloud_cover"] == 2.0
    moved = make_item("BU_again2", "other")
    status, report, rejects = load([moved], "--update")
    assert (status, report["rejected"]) == (1, 1)
    assert "in the collection water" in rejects[0]["reason"]


def test_an_id_twice_counts_as_one_after_the_other(load: Load, make_item: Any, scopes: Any, document: Any) -> None:
    items = [make_item("BU_twice", "water", turn=turn) for turn in (1, 2)]
    report = load(items, "--update")[1]
    assert (report["created"], report["updated"]) == (1, 1)
    assert document("BU_twice")["properties"]["turn"] == 2
    assert load(items)[1]["skipped"] == 2


@pytest.mark.parametrize("update", [False, True])
def test_lines_with_one_id_count_in_their_order_whichever_process_has_them(
    load: Load, make_item: Any, scopes: Any, document: Any, update: bool
) -> None:
    names = [f"BU_turns{number}{update}" for number in range(3)]
    items = [make_item(name, "water", turn=turn) for turn in range(20) for name in names]
    options = ("--batch", "2", "--processes", "4", *(("--update",) if update else ()))
    report = load(items, *options)[1]
    again = len(items) - len(names)
    assert report["created"] == len(names)
    assert report["updated" if update else "skipped"] == again
    assert [document(name)["properties"]["turn"] for name in names] == [19 if update else 0] * len(names)


def test_rejects_are_told_in_the_order_of_lines(load: Load, make_item: Any, scopes: Any) -> None:
    items = [make_item(f"BU_order{number}", "water" if number % 3 else "nowhere") for number in range(40)]
    status, report, rejects = load(items, "--batch", "3", "--processes", "4")
    assert (status, report["created"], report["rejected"]) == (1, 26, 14)
    assert [each["line"] for each in rejects] == list(range(1, 41, 3))


def test_published_files_are_not_lost(load: Load, make_item: Any, publish: Any, document: Any) -> None:
    item = make_item("BU_files", assets=("B02",))
    publish(item, {"B02": b"two"}, account="dafab_dasi")
    before = document("BU_files")
    status, report, rejects = load([item | {"assets": {}}], "--update", scope="dafab")
    assert (status, report["rejected"]) == (1, 1)
    assert "published with files" in rejects[0]["reason"]
    assert document("BU_files") == before


def test_collections_are_mapped(load: Load, make_item: Any, scopes: Any, document: Any) -> None:
    assert load([make_item("BU_mapped", "water-analysis")], "--collection", "water-analysis=water")[1]["created"] == 1
    assert document("BU_mapped")["collection"] == "water"
    refused = load_refusal(load, "--collection", "water")
    assert "THEIRS=OURS" in refused


def load_refusal(load: Load, *options: str) -> str:
    """Return what a load that never began says."""
    with pytest.raises(AssertionError) as refused:
        load([], *options)
    return str(refused.value)


def test_the_planner_knows_at_once_what_was_loaded(
    site: Any, make_item: Any, load: Load, scopes: Any, database: Any
) -> None:
    known = "SELECT relname, analyze_count FROM pg_stat_user_tables WHERE relname IN ('document', 'link', 'dids')"
    before = dict(database.execute(known).fetchall())
    load([make_item("BU_alone", "water")])
    assert dict(database.execute(known).fetchall()) == before
    count = 60 + database.execute("SELECT count(*) FROM dafab.document").fetchone()[0] // 5
    load([make_item(f"BU_known{number}", "water") for number in range(count)])
    after = dict(database.execute(known).fetchall())
    assert after == {table: looks + 1 for table, looks in before.items()}


def test_a_dump_is_loaded_without_a_change(site: Any, load: Load, make_item: Any, scopes: Any, tmp_path: Path) -> None:
    load([make_item(f"BU_dump{number}", "other", nested={"a": [1, 2.5], "b": "ü"}) for number in range(3)])
    file = tmp_path / "dump.ndjson.gz"
    told = json.loads(
        site.dafab("catalogue", "dump", str(file), "--scope", "bulk.more", "--collection", "other", "--json")
    )
    assert told == {"items": 3}
    with gzip.open(file, "rt") as stream:
        documents = [json.loads(line) for line in stream]
    assert [each["id"] for each in documents] == ["BU_dump0", "BU_dump1", "BU_dump2"]
    again = json.loads(site.dafab("catalogue", "load", str(file), "--scope", "bulk.more", "--update", "--json"))
    assert (again["unchanged"], again["items"]) == (3, 3)


def test_geoparquet_goes_out_and_comes_in(site: Any, load: Load, make_item: Any, scopes: Any, tmp_path: Path) -> None:
    load([make_item(f"BU_geo{number}", "other", nested={"a": [1.5, 2.5], "b": "ü"}) for number in range(3)])
    file, options = tmp_path / "dump.parquet", ("--scope", "bulk.more", "--json")
    told = json.loads(site.dafab("catalogue", "dump", str(file), "--collection", "other", *options))
    assert told["items"] == len(geopandas.read_parquet(file)) >= 3
    for wanted in ("items", "unchanged"):
        again = json.loads(site.dafab("catalogue", "load", str(file), "--update", *options))
        assert again[wanted] == told["items"]
    assert site.dafab("catalogue", "dump", str(file), "--collection", "none") == "no items\n"
    assert not file.exists()


def test_rows_of_geoparquet_that_are_too_long_lines_are_rejected(
    site: Any, make_item: Any, scopes: Any, database: Any, tmp_path: Path
) -> None:
    """Two such rows are more than the memory holds that a load shares with its processes."""
    items = [make_item(f"BU_long{number}", "water") for number in range(3)]
    for each, long in zip(items, (31, 18, 0), strict=True):
        each["properties"] = {"datetime": "2026-06-01T10:00:00Z", "text": "x" * long * 2**20 or None}
    file = tmp_path / "long.parquet"
    geoparquet.write_items(file, map(json.dumps, items))
    rejects = tmp_path / "rejects.ndjson"
    options = ("--scope", "bulk.more", "--rejects", str(rejects), "--json")
    ran = site.run_dafab("catalogue", "load", str(file), *options)
    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)
    assert json.loads(ran.stdout)["created"] == 1
    assert [json.loads(line)["line"] for line in rejects.read_text().splitlines()] == [1, 2]
    # A document with nothing to tell is known to have none, rather than not looked at.
    prints = "SELECT fingerprints FROM dafab.document WHERE name = 'BU_long2'"
    assert database.execute(prints).fetchone() == ([],)


@pytest.mark.shared
def test_the_real_items_are_loaded_and_found(site: Any, shared: Path, names: Any) -> None:
    file = shared / "dafab_items.ndjson.gz"
    with gzip.open(file, "rt") as stream:
        documents = [json.loads(line) for line in stream]
    report = json.loads(site.dafab("catalogue", "load", str(file), "--json"))
    assert report["created"] == len(documents)
    wanted = {
        each["id"]
        for each in documents
        if each["properties"]["dafab:water-analysis"]["observed_water"] < 5 and each["geometry"]
    }
    found = names({"/properties/dafab:water-analysis/observed_water.lt": "5"})
    assert found & {each["id"] for each in documents} == wanted
    assert wanted


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08broken", None])
def test_a_file_that_cannot_be_read_is_one_line(site: Any, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "items.ndjson"
    if content is not None:
        file.write_bytes(content)
    ran = site.run_dafab("catalogue", "load", str(file))
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1
    assert "cannot be read" in ran.stderr


def test_no_server_configuration_is_one_line(dafab_at: Any, tmp_path: Path) -> None:
    from rucio_dafab.site.home import Home

    ran = dafab_at(Home(tmp_path / "nothing"), "catalogue", "dump", str(tmp_path / "out.ndjson"))
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1
    assert "DAFAB_HOME" in ran.stderr
