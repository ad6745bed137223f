"""The rolling store through the interface that DASI users know, and through the command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dasi_backend.errors import ChecksumError, ContentDiffers, KeyRefused, NotStored, RequestError
from dasi_backend.interface import Dasi

pytestmark = pytest.mark.integration

PRODUCT = "mission=s2a,level=l2a,date=20260601,product=Scene_A,tile=33uwp,orbit=22,time=102030,baseline=0509"
DASI = Path(sys.executable).parent / "dasi"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "dasi.yml"
    path.write_text("type: local\nspaces:\n- roots: [{path: store}]\n")
    return path


@pytest.fixture
def dasi(configuration: Path) -> Dasi:
    return Dasi(configuration)


def fill(dasi: Dasi) -> None:
    with dasi:
        dasi.archive(f"{PRODUCT},kind=band,band=b02,res=10", b"two" * 1000)
        dasi.archive(f"{PRODUCT},kind=band,band=b8a,res=20", b"eight" * 1000)
        dasi.archive(f"{PRODUCT},kind=part,part=mtd.xml", b"<xml/>")


def test_what_is_archived_is_listed_after_the_flush_with_the_keys_it_was_given(dasi: Dasi) -> None:
    dasi.archive(f"{PRODUCT},kind=band,band=b02,res=10", b"two" * 1000)
    assert list(dasi.list()) == []
    dasi.flush()
    (item,) = dasi.list("product=scene_a,band=b02")
    wanted = dict(part.split("=") for part in PRODUCT.lower().split(","))
    assert item.key == {**wanted, "kind": "band", "band": "b02", "res": "10"}
    assert (item.name, item.length, item.data) == ("Scene_A/B02.tif", 3000, b"two" * 1000)
    assert item.offset >= 0
    assert item.timestamp > 1_700_000_000
    assert Path(item.uri).is_file()


def test_items_of_a_retrieve_verify_their_bytes_and_count_as_use(dasi: Dasi) -> None:
    fill(dasi)
    dasi.store.parts.records.touch("scene_a", 1000.0)
    kept = {item.name: item for item in dasi.retrieve("product=scene_a")}
    assert {"Scene_A/B02.tif", "Scene_A/B8A.tif"} < set(kept)
    (item,) = dasi.retrieve("product=scene_a,band=b02")
    assert item == kept["Scene_A/B02.tif"]
    assert [one.record.accessed for one in dasi.store.account().holdings] == [1000.0]
    assert item.data == b"two" * 1000
    assert dasi.store.account().holdings[0].record.accessed > 1_700_000_000
    with Path(item.uri).open("r+b") as file:
        file.seek(item.offset)
        file.write(b"T")
    with pytest.raises(ChecksumError, match=r"Scene_A/B02\.tif: the bytes in .*\.data are not the ones"):
        _ = item.data


def test_after_an_error_nothing_is_published(dasi: Dasi) -> None:
    with pytest.raises(ZeroDivisionError), dasi:
        dasi.archive(f"{PRODUCT},kind=band,band=b02,res=10", b"two")
        _ = 1 / 0
    assert list(dasi.list()) == []


def test_a_level_3_key_narrows_exactly(dasi: Dasi) -> None:
    """FDB lists too much where an optional key is asked for."""
    fill(dasi)
    assert [item.name for item in dasi.list({"band": ["b02"]})] == ["Scene_A/B02.tif"]
    assert {item.name for item in dasi.list({"kind": "band"})} == {"Scene_A/B02.tif", "Scene_A/B8A.tif"}
    assert [item.name for item in dasi.list({"res": 20})] == ["Scene_A/B8A.tif"]


def test_products_are_retrieved_to_a_template(dasi: Dasi, tmp_path: Path) -> None:
    fill(dasi)
    (written,) = dasi.retrieve("mission=s2a,band=b02", tmp_path / "[tile]" / "[id]")
    assert written.path == tmp_path / "33uwp" / "Scene_A"
    assert (written.path / "B02.tif").read_bytes() == b"two" * 1000
    assert not (written.path / "B8A.tif").exists()
    assert (written.path / "safe" / "mtd.xml").read_bytes() == b"<xml/>"
    (again,) = dasi.retrieve("mission=s2a,band=b02", tmp_path / "[tile]" / "[id]")
    assert again.kept


def test_nothing_found_is_said(dasi: Dasi, tmp_path: Path) -> None:
    fill(dasi)
    with pytest.raises(NotStored, match="nothing in the rolling store"):
        dasi.retrieve("date=20260602", tmp_path / "[id]")
    assert dasi.retrieve("date=20260602", tmp_path / "[id]", expect="any") == ()
    with pytest.raises(RequestError, match="1 products answer the request, and expect=2"):
        dasi.retrieve("date=20260601", tmp_path / "[id]", expect=2)


def test_a_question_in_cql2_is_none_for_the_store(dasi: Dasi, tmp_path: Path) -> None:
    for ask in (lambda: list(dasi.list({"where": "gsd = 10"})), lambda: dasi.retrieve({"where": "gsd = 10"}, tmp_path)):
        with pytest.raises(KeyRefused, match="where: the rolling store keeps no documents"):
            ask()


def test_an_item_of_the_caller_must_describe_the_product(dasi: Dasi) -> None:
    item = {"type": "Feature", "id": "Other", "properties": {"datetime": "2026-06-01T00:00:00Z"}, "assets": {}}
    with pytest.raises(KeyRefused, match="part=item describes"):
        dasi.archive(f"{PRODUCT},kind=part,part=item", json.dumps(item).encode())
    with pytest.raises(KeyRefused, match="no STAC item"):
        dasi.archive(f"{PRODUCT},kind=part,part=item", b"{")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("mission=s2a,", ""), "missing key mission"),
        (("tile=33uwp", "tile=33:uwp"), "tile=33:uwp"),
        (("date=20260601", "date=20260631"), "date=20260631"),
        (("orbit=22", "orbit=x"), "orbit=x"),
        (("tile=", "colour="), "unknown key colour"),
        (("product=Scene_A", "product=Scene/A"), "'/'"),
    ],
)
def test_a_key_that_cannot_be_kept_is_refused(dasi: Dasi, change: tuple[str, str], said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        dasi.archive(PRODUCT.replace(*change) + ",kind=band,band=b02,res=10", b"x")


@pytest.mark.parametrize("rest", ["kind=band,band=b02", "kind=part", "kind=chip,part=x", "band=b02"])
def test_a_key_of_no_object_is_refused(dasi: Dasi, rest: str) -> None:
    with pytest.raises(KeyRefused):
        dasi.archive(f"{PRODUCT},{rest}", b"x")


def test_other_bytes_under_the_same_key_are_refused(dasi: Dasi) -> None:
    fill(dasi)
    fill(dasi)
    dasi.archive(f"{PRODUCT},kind=band,band=b02,res=10", b"other")
    with pytest.raises(ContentDiffers, match="Scene_A"):
        dasi.flush()


def test_a_second_key_for_one_product_is_refused_before_it_is_written_over(dasi: Dasi) -> None:
    dasi.archive(f"{PRODUCT},kind=band,band=b02,res=10", b"first")
    with pytest.raises(KeyRefused, match=r"date=20260602.*under another key, id=Scene_A.*date=20260601"):
        dasi.archive(f"{PRODUCT.replace('20260601', '20260602')},kind=band,band=b02,res=10", b"second")
    dasi.flush()
    (item,) = dasi.list("band=b02")
    assert (item.key["date"], item.data) == ("20260601", b"first")


def test_a_band_that_would_not_be_found_again_is_refused(dasi: Dasi) -> None:
    """The store tells bands from other files by their names."""
    with pytest.raises(KeyRefused, match="band=ndvi: no band of a scene"):
        dasi.archive(f"{PRODUCT},kind=band,band=ndvi,res=10", b"x")


def test_wipe_removes_when_told(dasi: Dasi) -> None:
    fill(dasi)
    assert [key["id"] for key in dasi.wipe("mission=s2a")] == ["Scene_A"]
    assert list(dasi.list())
    dasi.wipe("mission=s2a", doit=True)
    assert list(dasi.list()) == []
    with pytest.raises(KeyRefused):
        dasi.wipe("", doit=True)


def command(configuration: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DASI_", "METKIT_"))}
    return subprocess.run(
        [DASI, *arguments],
        env=inherited | {"DASI_CONFIG": str(configuration)},
        cwd=configuration.parent,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_lists_the_store_without_a_request(dasi: Dasi, configuration: Path) -> None:
    fill(dasi)
    ran = command(configuration, "list")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Scene_A" in ran.stdout
    assert "2026-06-01" in ran.stdout
    (record,) = json.loads(command(configuration, "list", "--json").stdout)
    assert (record["id"], record["bands"], record["files"]) == ("Scene_A", ["B02", "B8A"], 4)


def test_the_command_finds_an_id_where_there_is_no_catalogue(dasi: Dasi, configuration: Path) -> None:
    fill(dasi)
    (record,) = json.loads(command(configuration, "list", "id=Scene_A", "--json").stdout)
    assert record["id"] == "Scene_A"
    ran = command(configuration, "list", "id=Scene_A", "where=gsd = 10")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "where: only a catalogue knows that" in ran.stderr


def test_the_command_shows_the_keys_of_requests(configuration: Path) -> None:
    records = {key["key"]: key for key in json.loads(command(configuration, "schema", "--json").stdout)}
    assert (records["date"]["type"], records["date"]["store"]) == ("date", "level 1")
    assert "cloud_cover" not in records
    ran = command(configuration, "schema")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert all(key in ran.stdout for key in records)


def test_diagnostics_of_fdb_stay_out_of_the_answer(dasi: Dasi, configuration: Path) -> None:
    """A refusal makes metkit print to standard output from C++."""
    fill(dasi)
    ran = command(configuration, "list", "orbit=abc", "--json")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_request_comes_from_standard_input(dasi: Dasi, configuration: Path) -> None:
    fill(dasi)
    request = 'retrieve, mission=s2a, date=2026-06-01, target="out/[id]"'
    ran = command(configuration, "retrieve", "-", "--json", stdin=request)
    (written,) = json.loads(ran.stdout)
    assert written["path"] == "out/Scene_A"
    assert (configuration.parent / "out" / "Scene_A" / "B8A.tif").read_bytes() == b"eight" * 1000


@pytest.mark.parametrize("verb", ["list", "inspect"])
def test_several_requests_are_one_answer_for_programs(dasi: Dasi, configuration: Path, verb: str) -> None:
    fill(dasi)
    ran = command(configuration, verb, "-", "--json", stdin="list, mission=s2a\nlist, mission=off, level=l2a")
    records = json.loads(ran.stdout)
    assert len(records) == 2 * (1 if verb == "list" else 4)
    assert records[: len(records) // 2] == records[len(records) // 2 :]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", ""], "the request is empty"),
        (["list", b"tile=\xff"], "no UTF-8"),
        (["list", "mission=s2b:x:"], "mission=s2b:x:: the store keeps"),
        (["archive", ".", "nowhere"], "nowhere is no folder"),
        (["retrieve", f"target={'a' * 300}/[id]"], "is too long"),
    ],
)
def test_what_cannot_be_read_is_one_line(dasi: Dasi, configuration: Path, arguments: list[str], said: str) -> None:
    fill(dasi)
    ran = command(configuration, *arguments)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_what_others_wrote_is_shown_as_it_is_and_in_one_piece(dasi: Dasi, configuration: Path) -> None:
    """Brackets and colons are no markup, and where nobody looks on no cell is broken."""
    long = PRODUCT.replace("Scene_A", "A" * 140)
    dasi.archive(f"{long},kind=band,band=b02,res=10", b"two")
    dasi.flush()
    reason = f"[/red] :bomb: {'because ' * 40}"
    assert command(configuration, "pin", "mission=s2a", "--reason", reason).returncode == 0
    ran = command(configuration, "inspect", "--space")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert reason.strip() in ran.stdout
    assert "A" * 140 in ran.stdout


def test_inspect_says_where_the_bytes_are(dasi: Dasi, configuration: Path) -> None:
    fill(dasi)
    (record,) = json.loads(command(configuration, "inspect", "band=b8a", "--json").stdout)
    with Path(record["uri"]).open("rb") as file:
        file.seek(record["offset"])
        assert file.read(record["length"]) == b"eight" * 1000


def test_a_damaged_file_is_one_line_and_a_status(dasi: Dasi, configuration: Path, tmp_path: Path) -> None:
    fill(dasi)
    (item,) = dasi.list("band=b02")
    with Path(item.uri).open("r+b") as file:
        file.seek(item.offset)
        file.write(b"!")
    with pytest.raises(ChecksumError):
        dasi.retrieve("mission=s2a", tmp_path / "a" / "[id]")
    ran = command(configuration, "retrieve", "mission=s2a", "target=b/[id]")
    assert ran.returncode == 1
    assert "Scene_A/B02.tif" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert list((tmp_path / "b").iterdir()) == []


@pytest.mark.shared
def test_the_command_archives_real_scenes_and_says_how_they_are_dated(configuration: Path, shared: Path) -> None:
    folders = [str(shared / "scenes" / name) for name in ("ftw_austria_a", "terramesh_433D_629L_3_1")]
    ran = command(configuration, "archive", *folders)
    assert ran.returncode == 0, ran.stderr
    assert "stored id=ftw_austria_a" in ran.stdout
    assert "(dated by its start_datetime)" in ran.stdout
    again = json.loads(command(configuration, "archive", folders[0], "--json").stdout)
    assert again[0]["outcome"] == "unchanged"
