"""``dasi publish``: originals of the rolling store in Rucio, fetched by the stock client, withdrawn when they leave."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from dasi_backend import cli_publish, config
from dasi_backend.records import Note
from dasi_backend.store import Store
from rucio_dafab.client import DafabClient, NotPermitted, PublishRequest, Refused
from rucio_dafab.site.home import STORE_RSE
from tests.integration.rolling_store.scenes import BANDS, make_scene

pytestmark = pytest.mark.integration

RING = [[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]


@pytest.fixture
def store(site: Any) -> Store:
    return Store(site.home.store)


@pytest.fixture
def archived(store: Store, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that archives a scene in the site's store and returns its folder."""

    def call(identifier: str, **properties: Any) -> Path:
        folder = make_scene(tmp_path / identifier, identifier, size=64, seed=len(identifier), **properties)
        item = json.loads((folder / "item.json").read_text())
        item |= {"geometry": {"type": "Polygon", "coordinates": [RING]}, "bbox": [6, 49, 7, 50], "links": []}
        (folder / "item.json").write_text(json.dumps(item))
        store.archive(folder)
        return folder

    return call


def dasi(site: Any, *arguments: str) -> Any:
    return site.run(["dasi", *arguments], "user_dafab")


def published(site: Any, *arguments: str) -> dict[str, str]:
    """Run ``dasi publish`` and return the outcome by id."""
    ran = dasi(site, "publish", *arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    return {one["id"]: one["outcome"] for one in json.loads(ran.stdout)}


def download(site: Any, folder: Path, name: str) -> Any:
    return site.run(["rucio", "download", "--dir", str(folder), f"dafab:{name}"], "user_dafab")


def known_at_the_store(site: Any, item: str) -> set[str]:
    files = site.rucio_client("user_dafab").list_replicas(
        [{"scope": "dafab", "name": f"{item}_assets"}], rse_expression=STORE_RSE
    )
    return {file["name"] for file in files if STORE_RSE in file["rses"]}


def document_of(site: Any, item: str) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(site.client("user_dafab").read_documents([item]))).document
    return found


def test_the_stock_client_downloads_what_is_published(site: Any, archived: Any, tmp_path: Path) -> None:
    folder = archived("pub_a")
    assert published(site, "id=pub_a", "--dry-run") == {"pub_a": "would be published"}
    assert published(site, "id=pub_a") == {"pub_a": "created"}
    names = {f"pub_a.{name}.tif" for name in (*BANDS, "reference_water")} | {"pub_a.safe.MTD_MSIL2A.xml"}
    assert known_at_the_store(site, "pub_a") == names
    ran = download(site, tmp_path / "got", "pub_a")
    assert ran.returncode == 0, ran.stderr
    got = {path.name: path.read_bytes() for path in (tmp_path / "got").rglob("*") if path.is_file()}
    assert got.keys() == names
    assert all(got[f"pub_a.{band}.tif"] == (folder / f"{band}.tif").read_bytes() for band in BANDS)
    assert published(site, "id=pub_a") == {"pub_a": "unchanged"}
    assert published(site, "id=pub_a", "--again") == {"pub_a": "unchanged"}
    assert published(site)["pub_a"] == "unchanged"


def test_dasi_finds_and_fetches_the_original_in_the_catalogue(site: Any, archived: Any, tmp_path: Path) -> None:
    folder = archived("pub_dasi")
    published(site, "id=pub_dasi")
    target = tmp_path / "[id].[asset].tif"
    ran = dasi(site, "retrieve", "collection=sentinel_2_l2a", "id=pub_dasi", "asset=B02/B8A", f"target={target}")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "pub_dasi.B8A.tif").read_bytes() == (folder / "B8A.tif").read_bytes()


def test_a_damaged_file_fails_by_its_checksum(site: Any, archived: Any, store: Store, tmp_path: Path) -> None:
    archived("pub_damaged")
    published(site, "id=pub_damaged")
    element = next(each for each in store.objects({"id": "pub_damaged"}) if each.key.get("band") == "b02")
    data = bytearray(element.path.read_bytes())
    data[element.offset + 100] ^= 1
    element.path.write_bytes(data)
    ran = download(site, tmp_path / "got", "pub_damaged.B02.tif")
    assert "Checksum validation failed" in ran.stderr
    assert "None of the requested files have been downloaded" in ran.stderr
    assert not list((tmp_path / "got").rglob("*B02.tif*"))
    ran = dasi(site, "publish", "id=pub_damaged", "--again")
    assert ran.returncode == 1
    assert "is damaged (its checksum does not match)" in ran.stderr
    store.wipe({"id": "pub_damaged"}, doit=True)


def test_what_is_wiped_loses_its_replicas_and_keeps_its_document(site: Any, archived: Any, tmp_path: Path) -> None:
    folder = archived("pub_wiped")
    published(site, "id=pub_wiped")
    before = document_of(site, "pub_wiped")
    assert dasi(site, "wipe", "id=pub_wiped", "--apply").returncode == 0
    assert known_at_the_store(site, "pub_wiped") == set()
    assert document_of(site, "pub_wiped") == before
    assert "No available source" in download(site, tmp_path / "got", "pub_wiped.B02.tif").stderr
    Store(site.home.store).archive(folder)
    assert published(site, "id=pub_wiped") == {"pub_wiped": "declared"}
    assert len(known_at_the_store(site, "pub_wiped")) == 5


def test_what_leaves_while_nobody_tells_is_told_by_the_next_publication(site: Any, archived: Any, store: Store) -> None:
    archived("pub_expired")
    published(site, "id=pub_expired")
    store.wipe({"id": "pub_expired"}, doit=True)  # as retention does it, and the catalogue is away
    assert store.parts.withdrawing() == {"pub_expired"}
    assert len(known_at_the_store(site, "pub_expired")) == 5
    assert published(site, "id=pub_expired", "--dry-run") == {"pub_expired": "would be withdrawn"}
    assert published(site, "id=pub_expired") == {"pub_expired": "withdrawn"}
    assert known_at_the_store(site, "pub_expired") == set()
    assert store.parts.withdrawing() == frozenset()
    assert document_of(site, "pub_expired")["id"] == "pub_expired"


def test_records_that_were_lost_are_made_up_for(site: Any, archived: Any, store: Store) -> None:
    for name in ("pub_lost", "pub_kept"):
        archived(name)
    published(site)
    store.wipe({"id": "pub_lost"}, doit=True)
    store.parts.records.drop(Note.WITHDRAW, "pub_lost")
    site.client("dafab_dasi").withdraw(STORE_RSE, ["pub_kept.B02.tif"])
    assert published(site, "--dry-run")["pub_lost"] == "would be withdrawn"
    outcome = published(site)
    assert (outcome["pub_lost"], outcome["pub_kept"]) == ("withdrawn", "declared")
    assert known_at_the_store(site, "pub_lost") == set()
    assert "pub_kept.B02.tif" in known_at_the_store(site, "pub_kept")


def test_only_what_is_new_is_told(site: Any, archived: Any) -> None:
    archived("pub_since")
    assert published(site, "--since", "2099-01-01") == {}
    assert published(site, "id=pub_since", "--since", "1h") == {"pub_since": "created"}
    ran = dasi(site, "publish", "--since", "soon")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.strip() == "error: --since soon: write a day, a time, or an age such as 6h or 2d"


def test_what_a_run_said_of_a_scene_stays_and_a_run_keeps_the_files(site: Any, archived: Any) -> None:
    """The pipeline publishes originals without files, before or after; neither takes from the other."""
    from dasi_backend.originals import source_document

    folder = archived("pub_both")
    request = "mission=s2,level=unknown,date=20260601,product=pub_both"
    bare = source_document(json.loads((folder / "item.json").read_text()), request)
    client: DafabClient = site.client("dafab_dasi")
    client.publish(PublishRequest("dafab", bare, {}))
    bare["properties"]["dafab:processing"] = {"water": {"outcome": "skipped"}}
    client.publish(PublishRequest("dafab", bare, {}, update=True))
    assert published(site, "id=pub_both") == {"pub_both": "updated"}
    assert document_of(site, "pub_both")["properties"]["dafab:processing"] == {"water": {"outcome": "skipped"}}
    bare["properties"]["dafab:processing"] = {"water": {"outcome": "ran"}}
    assert client.publish(PublishRequest("dafab", bare, {}, update=True)).outcome == "updated"
    assert client.publish(PublishRequest("dafab", bare, {}, update=True)).outcome == "unchanged"
    after = document_of(site, "pub_both")
    assert after["assets"]["B02"]["file:local_path"] == "pub_both.B02.tif"
    assert after["properties"]["dafab:processing"] == {"water": {"outcome": "ran"}}
    assert published(site, "id=pub_both", "--again") == {"pub_both": "unchanged"}


def test_a_product_that_is_refused_hinders_no_other(site: Any, archived: Any, store: Store, tmp_path: Path) -> None:
    archived("pub_good")
    bad = make_scene(tmp_path / "bad", "pub_bad", size=16, **{"eo:cloud_cover": "n/a"})
    store.archive(bad)
    ran = dasi(site, "publish", "id=pub_bad/pub_good", "--json")
    assert ran.returncode == 1
    assert {one["id"]: one["outcome"] for one in json.loads(ran.stdout)} == {
        "pub_bad": "refused",
        "pub_good": "created",
    }
    assert "1 of 2 products were refused, pub_bad: " in ran.stderr
    store.wipe({"id": "pub_bad"}, doit=True)


def test_a_store_that_is_not_the_rse_is_told_nothing_of(site: Any, tmp_path: Path) -> None:
    section = {"config_path": str(site.home.client_config("dafab_dasi")), "store_rse": STORE_RSE}
    for roots, rse, said in (
        ("other", STORE_RSE, f"RSE {STORE_RSE} is the store at {site.home.store}, not {tmp_path / 'other'}"),
        (str(site.home.store), "MELUXINA", "RSE MELUXINA is not volatile"),
        (str(site.home.store), "NOWHERE", "knows no RSE NOWHERE"),
    ):
        document = {"spaces": [{"roots": [{"path": roots}]}], "rucio": section | {"store_rse": rse}}
        (tmp_path / "dasi.yml").write_text(json.dumps(document))
        ran = dasi(site, "publish", "--config", str(tmp_path / "dasi.yml"))
        assert (ran.returncode, ran.stdout) == (1, "")
        assert said in ran.stderr


def test_who_may_not_publish_or_withdraw_is_refused(site: Any, archived: Any) -> None:
    archived("pub_rights")
    published(site, "id=pub_rights")
    with pytest.raises(NotPermitted, match="may not withdraw"):
        site.client("user_dafab").withdraw(STORE_RSE, ["pub_rights.B02.tif"])
    with pytest.raises(NotPermitted, match="may not withdraw"):
        site.client("dafab_skim").withdraw(STORE_RSE, ["pub_rights.B02.tif"])
    with pytest.raises(Refused, match="MELUXINA is not volatile"):
        site.client("dafab_dasi").withdraw("MELUXINA", ["pub_rights.B02.tif"])
    assert site.client("dafab_dasi").withdraw(STORE_RSE, ["pub_rights.nothing"]) == ()
    assert len(known_at_the_store(site, "pub_rights")) == 5


def test_a_note_is_of_one_catalogue(site: Any, archived: Any, store: Store) -> None:
    archived("pub_elsewhere")
    published(site, "id=pub_elsewhere")
    told = store.parts.records.told(Note.PUBLISHED, "pub_elsewhere")
    assert told is not None
    store.parts.records.note(Note.PUBLISHED, "pub_elsewhere", told | {"host": "http://elsewhere"})
    publisher = cli_publish.publisher_of(config.read(site.home.dasi_config))
    chosen = list(store.products({"id": "pub_elsewhere"}))
    assert [one.outcome for one in publisher.publish(chosen)] == ["unchanged"]
    told = store.parts.records.told(Note.PUBLISHED, "pub_elsewhere")
    assert told is not None
    assert told["host"] == site.url


def test_the_links_of_the_document_lead_into_the_store(site: Any, archived: Any, store: Store) -> None:
    folder = archived("pub_linked")
    published(site, "id=pub_linked")
    address = document_of(site, "pub_linked")["assets"]["B02"]["href"]
    token = {"X-Rucio-Auth-Token": site.client("user_dafab").auth_token}
    data = (folder / "B02.tif").read_bytes()
    whole = requests.get(address, headers=token, timeout=30)
    assert (whole.status_code, whole.content) == (200, data)
    assert (whole.headers["Accept-Ranges"], whole.headers["X-Content-Type-Options"]) == ("bytes", "nosniff")
    for wanted, status, piece in (
        ("bytes=10-19", 206, data[10:20]),
        ("bytes=8000-", 206, data[8000:]),
        ("bytes=-7", 206, data[-7:]),
        (f"bytes=0-{10**9}", 206, data),
        ("bytes=5-2,9-", 200, data),
        ("lines=1-2", 200, data),
        (f"bytes={len(data)}-", 416, b""),
    ):
        answer = requests.get(address, headers=token | {"Range": wanted}, timeout=30)
        assert (answer.status_code, answer.content) == (status, piece), wanted
    head = requests.head(address, headers=token, timeout=30)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(data)), b"")
    store.wipe({"id": "pub_linked"}, doit=True)
    gone = requests.get(address, headers=token, timeout=30)
    assert gone.status_code == 404
    assert "ROLLING_STORE" in gone.text
