"""The catalogue behind DASI, on a running site: the same requests, answered with verified files."""

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from dasi_backend import config
from dasi_backend.errors import ChecksumError, ConfigError, RequestError, StoreError, TargetError
from dasi_backend.interface import Dasi, Retrieved, Rucio
from dasi_backend.interface import open as open_dasi
from dasi_backend.language import Request
from dasi_backend.nearness import Nearness
from dasi_backend.plans import PARALLEL, Plan, Planned
from rucio_dafab.client import DafabClient, NotPermitted, PublishRequest, Replica
from rucio_dafab.errors import DafabError
from tests.integration.rolling_store.scenes import make_scene

pytestmark = pytest.mark.integration

COLLECTION = "water_analysis"
BOX = (6.0, 49.6, 6.2, 49.8)
RASTER = b"II*\0" + bytes(range(256)) * 40
VECTOR = b'{"type":"FeatureCollection","features":[]}'


def document(name: str, day: int, cloud: float) -> dict[str, Any]:
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    files = {"mask": ("mask.tif", RASTER, "image/tiff; application=geotiff; profile=cloud-optimized"),
             "vector": ("vector.geojson", VECTOR, "application/geo+json")}  # fmt: skip
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": COLLECTION,
        "bbox": list(BOX),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": f"2031-05-{day:02}T10:00:00Z",
            "platform": "sentinel-2a",
            "grid:code": "MGRS-32UKA",
            "eo:cloud_cover": cloud,
        },
        "links": [],
        "assets": {
            key: {
                "href": f"./{file}",
                "type": kind,
                "roles": ["data"],
                "file:checksum": f"1220{hashlib.sha256(data).hexdigest()}",
            }
            for key, (file, data, kind) in files.items()
        },
    }


@pytest.fixture(scope="module")
def published(site: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Publish three days of masks and return their names."""
    folder = tmp_path_factory.mktemp("masks")
    (folder / "mask.tif").write_bytes(RASTER)
    (folder / "vector.geojson").write_bytes(VECTOR)
    client = site.client("dafab_admin")
    names = tuple(f"dasi_test_{day}" for day in (1, 2, 3))
    for day, name in enumerate(names, start=1):
        files = {
            "mask": client.upload(folder / "mask.tif", "MELUXINA", f"{name}.mask.tif"),
            "vector": client.upload(folder / "vector.geojson", "MELUXINA", f"{name}.vector.geojson"),
        }
        client.publish(PublishRequest("dafab", document(name, day, 10.0 * day), files))
    return names


@pytest.fixture
def catalogue(site: Any, published: tuple[str, ...]) -> Rucio:
    return Rucio(config.read(site.home.dasi_config))


WHICH = {"collection": COLLECTION, "date": ["20310501", "20310502", "20310503"]}


def test_what_is_published_is_listed_with_its_replicas(catalogue: Rucio, published: tuple[str, ...]) -> None:
    items = list(catalogue.list(WHICH))
    assert {(item.key["id"], item.key["asset"]) for item in items} == {
        (name, asset) for name in published for asset in ("mask", "vector")
    }
    mask = next(item for item in items if item.key["asset"] == "mask")
    assert (mask.key["date"][:6], mask.key["mission"], mask.key["tile"]) == ("203105", "s2a", "32uka")
    assert (mask.length, mask.data) == (len(RASTER), RASTER)


@pytest.mark.parametrize(
    ("keys", "days"),
    [
        ({"cloud_cover": "<20"}, {1}),
        ({"cloud_cover": ["10", "to", "20"]}, {1, 2}),
        ({"date": ["20310502"]}, {2}),
        ({"geometry": "@luxembourg"}, {1, 2, 3}),
        ({"geometry": ["6.1", "49.7", "6.3", "49.9"], "cloud_cover": ">15"}, {2, 3}),
        ({"geometry": ["7", "50", "8", "51"]}, set()),
        ({"tile": "32uka", "mission": "s2a"}, {1, 2, 3}),
        ({"id": "dasi_test_3"}, {3}),
        ({"where": "eo:cloud_cover < 15 OR eo:cloud_cover > 25"}, {1, 3}),
        ({"where": "S_INTERSECTS(geometry, '@luxembourg') AND T_AFTER(datetime, DATE('2031-05-01'))"}, {2, 3}),
        ({"where": ["id = 'dasi_test_1'", "id = 'dasi_test_2'"], "cloud_cover": ">15"}, {2}),
        ({"where": "platform = 'sentinel-2b'"}, set()),
    ],
)
def test_a_request_finds_what_it_describes(catalogue: Rucio, keys: dict[str, Any], days: set[int]) -> None:
    items = catalogue.list({**WHICH, "asset": "mask", **keys})
    assert {int(item.key["date"][6:]) for item in items} == days


def test_the_main_raster_is_written_and_verified(catalogue: Rucio, published: tuple[str, ...], tmp_path: Path) -> None:
    written = catalogue.retrieve(WHICH, tmp_path / "out" / "[tile]_[id].tif", expect=3)
    assert {one.path for one in written} == {tmp_path / "out" / f"32uka_{name}.tif" for name in published}
    assert all(one.path.read_bytes() == RASTER and not one.kept for one in written)
    again = catalogue.retrieve(WHICH, tmp_path / "out" / "[tile]_[id].tif")
    assert all(one.kept for one in again)
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_another_asset_is_written_when_named(catalogue: Rucio, tmp_path: Path) -> None:
    catalogue.retrieve({**WHICH, "asset": "vector", "id": "dasi_test_1"}, tmp_path / "[date]-[name]")
    assert (tmp_path / "20310501-vector.geojson").read_bytes() == VECTOR


def test_two_answers_for_one_file_are_refused_before_anything_is_written(catalogue: Rucio, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="would both be written"):
        catalogue.retrieve(WHICH, tmp_path / "out" / "[asset].tif")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("keys", "expect", "said"),
    [
        ({"cloud_cover": "<1"}, None, "nothing in the catalogue"),
        ({}, 2, "3 files answer the request, and expect=2"),
        ({"asset": "nope"}, None, "no asset nope: it has mask, vector"),
        ({"band": "b02"}, None, "band: a key of the rolling store"),
    ],
)
def test_a_retrieve_never_fails_silently(
    catalogue: Rucio, tmp_path: Path, keys: dict[str, str], expect: int | None, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        catalogue.retrieve({**WHICH, **keys}, tmp_path / "[id]", expect=expect)


def test_no_answer_is_an_answer_where_that_is_expected(catalogue: Rucio, tmp_path: Path) -> None:
    assert catalogue.retrieve({**WHICH, "cloud_cover": "<1"}, tmp_path / "[id]", expect="any") == ()


def test_a_target_with_other_contents_is_not_overwritten(catalogue: Rucio, tmp_path: Path) -> None:
    (tmp_path / "dasi_test_1.tif").write_bytes(b"mine")
    with pytest.raises(TargetError, match="remove it"):
        catalogue.retrieve({**WHICH, "id": "dasi_test_1"}, tmp_path / "[id].tif")
    assert (tmp_path / "dasi_test_1.tif").read_bytes() == b"mine"


@pytest.fixture
def replica(catalogue: Rucio) -> Iterator[Path]:
    """Return the only replica of a mask; it is mended afterwards."""
    (item,) = catalogue.list({**WHICH, "id": "dasi_test_2", "asset": "mask"})
    path = Path(item.uri.removeprefix("file://localhost"))
    yield path
    path.unlink(missing_ok=True)
    path.write_bytes(RASTER)


def test_a_damaged_replica_is_named_and_nothing_is_written(catalogue: Rucio, replica: Path, tmp_path: Path) -> None:
    replica.write_bytes(RASTER[:-1] + b"\0")
    with pytest.raises(ChecksumError, match=f"dasi_test_2.mask.tif.*{replica} is damaged"):
        catalogue.retrieve({**WHICH, "id": "dasi_test_2"}, tmp_path / "out" / "[id].tif")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_replica_is_said_with_its_rse(catalogue: Rucio, replica: Path, tmp_path: Path) -> None:
    replica.unlink()
    with pytest.raises(StoreError, match="MELUXINA"):
        catalogue.retrieve({**WHICH, "id": "dasi_test_2"}, tmp_path / "[id].tif")


def test_the_command_answers_a_request_from_a_file(site: Any, published: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "request.mars").write_text(
        'retrieve, collection=water_analysis, date=2031-05-01/to/2031-05-03, cloud_cover="<20",\n'
        '  geometry=@luxembourg, target="out/[id].tif"\n'
    )
    ran = site.run(["dasi", "retrieve", "request.mars"], "user_dafab", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "out" / "dasi_test_1.tif").read_bytes() == RASTER
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dasi_test_1.tif"]


@pytest.mark.parametrize("last", ["id=none", 'target="out/[foo]"', "band=b02", "expect=2"])
def test_of_several_requests_none_is_carried_out_unless_all_can_be(
    site: Any, published: tuple[str, ...], tmp_path: Path, last: str
) -> None:
    (tmp_path / "two.mars").write_text(f'retrieve, id=dasi_test_1, target="out/[id].tif"\nretrieve, {last}\n')
    ran = site.run(["dasi", "retrieve", "two.mars"], "user_dafab", tmp_path)
    assert (ran.returncode, len(ran.stderr.splitlines())) == (1, 1)
    assert not (tmp_path / "out").exists()


def test_the_command_prints_json_alone(site: Any, published: tuple[str, ...]) -> None:
    ran = site.run(["dasi", "list", "collection=water_analysis", "date=20310501", "--json"], "user_dafab")
    assert {item["key"]["asset"] for item in json.loads(ran.stdout)} == {"mask", "vector"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "collection=water_analysis", "colour=x"], "unknown key 'colour'"),
        (["list", "geometry=@atlantis"], "atlantis"),
        (["list", "where=cloud_cover <"], "where: the CQL2 text ends"),
        (["list", "where=cloud_cove < 20"], "did you mean cloud_cover"),
        (["list", "cloud_cover=<abc"], "number"),
        (["list", "geometry=POLYGON((0 0,1 1))"], "geometry"),
        (["retrieve", "collection=water_analysis"], "needs a target"),
        (["retrieve", "collection=water_analysis", "target=[foo]"], "unknown field"),
        (["retrieve"], "needs a request"),
        (["retrieve", "nowhere.mars"], "nowhere.mars"),
        (["archive", "nowhere"], "nowhere is no folder"),
        (["list", "--config", "nowhere.yml"], "nowhere.yml cannot be read"),
    ],
)
def test_the_command_refuses_in_one_line(site: Any, tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = site.run(["dasi", *arguments], "user_dafab", tmp_path)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_open_chooses_by_type(site: Any, tmp_path: Path) -> None:
    assert isinstance(open_dasi(site.home.dasi_config), Dasi)
    text = site.home.dasi_config.read_text().replace("type: local", "type: rucio")
    (tmp_path / "dasi.yml").write_text(text)
    assert isinstance(open_dasi(tmp_path / "dasi.yml"), Rucio)


def test_a_configuration_without_catalogue_says_so(tmp_path: Path) -> None:
    (tmp_path / "dasi.yml").write_text("spaces:\n- roots: [{path: store}]\n")
    with pytest.raises(ConfigError, match="no section rucio"):
        Rucio(tmp_path / "dasi.yml")


def test_where_a_replica_is_missing_or_damaged_the_next_is_tried(
    site: Any, catalogue: Rucio, replica: Path, tmp_path: Path
) -> None:
    name = "dasi_test_2.mask.tif"
    (tmp_path / "mask.tif").write_bytes(RASTER)
    copy = site.client("dafab_admin").upload(tmp_path / "mask.tif", "CLOUD", name)
    checks = {"bytes": copy.bytes, "adler32": copy.adler32, "md5": copy.md5}
    site.client("dafab_admin").add_replicas("CLOUD", [{"scope": "dafab", "name": name, **checks}])
    for place, damage in (("missing", None), ("damaged", RASTER[:-1] + b"\0"), ("cut", RASTER[:-1])):
        replica.unlink(missing_ok=True)
        if damage is not None:
            replica.write_bytes(damage)
        (written,) = catalogue.retrieve({**WHICH, "id": "dasi_test_2"}, tmp_path / place / "[id].tif")
        assert written.path.read_bytes() == RASTER


@pytest.fixture
def far_and_near(site: Any) -> Iterator[None]:
    """Make RSEs here and there, which go afterwards."""
    admin, names = site.client("dafab_admin"), ("NEAR_HERE", "NEAR_SAME", "NEAR_FAR", "NEAR_NEXT", "NEAR_UNKNOWN")
    for name in names:
        admin.add_rse(name)
    for name, where in (("NEAR_HERE", "luxembourg"), ("NEAR_SAME", "luxembourg"), ("NEAR_FAR", "cern")):
        admin.add_rse_attribute(name, "site", where)
    for name, distance in (("NEAR_FAR", 9), ("NEAR_NEXT", 2), ("NEAR_SAME", 20)):
        admin.add_distance(name, "NEAR_HERE", {"distance": distance})
    yield
    for name in names:
        admin.delete_rse(name)


@pytest.mark.usefixtures("far_and_near")
def test_replicas_are_tried_from_the_nearest_to_the_farthest(site: Any) -> None:
    """The preferred RSE first, then those of its site, then by distance; where none is known, last."""
    names = ("NEAR_UNKNOWN", "NEAR_FAR", "NEAR_GONE", "NEAR_NEXT", "NEAR_SAME", "NEAR_HERE")
    replicas = [Replica(name, f"https://{name.lower()}.example/mask.tif") for name in names]
    nearness = Nearness(lambda: site.client("user_dafab"), "NEAR_HERE")
    assert [each.rse for each in nearness.ordered(replicas)] == [
        *("NEAR_HERE", "NEAR_SAME", "NEAR_NEXT", "NEAR_FAR", "NEAR_UNKNOWN", "NEAR_GONE"),
    ]


def test_nobody_is_asked_where_one_replica_is_elsewhere() -> None:
    def client() -> DafabClient:
        raise AssertionError("Rucio was asked")

    replicas = [Replica("CLOUD", "https://cloud.example/mask.tif"), Replica("HERE", "https://here.example/mask.tif")]
    assert [each.rse for each in Nearness(client, "HERE").ordered(replicas)] == ["HERE", "CLOUD"]


def test_after_one_file_failed_no_other_is_begun(tmp_path: Path) -> None:
    begun = []

    def write(number: int) -> Retrieved:
        begun.append(number)
        if number == 1:
            raise StoreError("the first is gone")
        sleep(0.05)
        return Retrieved(tmp_path / str(number), str(number), 0)

    plan = [Planned(tmp_path / str(number), str(number), partial(write, number), parallel=True) for number in range(40)]
    request = Request("retrieve", {}, target="[id]")
    with pytest.raises(StoreError, match="the first is gone"):
        Plan(request, plan, "files", "the catalogue").carry_out()
    assert len(begun) < 3 * PARALLEL
    begun.clear()
    written = Plan(request, plan[2:], "files", "the catalogue").carry_out()
    assert [each.name for each in written] == [str(number) for number in range(2, 40)]


def test_a_token_that_expires_on_the_way_is_renewed(site: Any, catalogue: Rucio, tmp_path: Path) -> None:
    listed = catalogue.list(WHICH)
    next(listed)
    client = catalogue._backend._client
    client.auth_token = "expired"
    client.headers["X-Rucio-Auth-Token"] = "expired"
    assert len(list(listed)) == 5
    assert len(catalogue.retrieve(WHICH, tmp_path / "[id].tif")) == 3
    assert client.auth_token != "expired"


@pytest.fixture
def writer(site: Any, tmp_path: Path) -> Rucio:
    text = site.home.dasi_config.read_text().replace("type: local", "type: rucio")
    (tmp_path / "dasi.yml").write_text(text)
    return Rucio(tmp_path / "dasi.yml")


def test_a_key_without_an_id_gets_a_name_that_no_other_key_has(writer: Rucio) -> None:
    key = {"mission": "s2a", "level": "l2a", "date": "20310610", "tile": "32ukb", "geometry": "6/49/7/50"}
    band = {"kind": "band", "band": "b02", "res": 10}
    with writer:
        writer.archive({**key, "time": "100000", **band}, b"one")
        writer.archive({**key, "time": "100001", **band}, b"two")
        writer.archive({**key, "time": "100001", "kind": "band", "band": "b03", "res": 10}, b"three")
    items = list(writer.list({"tile": "32ukb", "date": "20310610"}))
    assert sorted(item.data for item in items) == [b"one", b"three", b"two"]
    ids = {item.key["id"] for item in items}
    assert len(ids) == 2
    assert all(name.startswith("s2a_l2a_20310610_32ukb_") for name in ids)
    assert {item.key["collection"] for item in items} == {"sentinel_2_l2a"}


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"kind": "band", "band": "b02", "res": 10}, "/geometry is missing"),
        ({"kind": "band", "band": "b02", "res": 10, "geometry": "6/49"}, "geometry"),
        ({"kind": "part", "part": "x.xml", "geometry": "6/49/7/50"}, "no collection is named"),
        ({"kind": "band", "band": "b02", "res": 10, "geometry": "6/49/7/50", "collection": "nowhere"}, "nowhere"),
    ],
)
def test_what_cannot_stand_in_the_catalogue_is_refused(writer: Rucio, extra: dict[str, Any], said: str) -> None:
    key = {"mission": "s2a", "level": "l2a", "date": "20310611", "tile": "32ukc"}
    with pytest.raises(DafabError, match=said), writer:
        writer.archive({**key, **extra}, b"x")
    assert list(writer.list({"tile": "32ukc"})) == []


def test_what_a_killed_archive_uploaded_is_replaced(site: Any, writer: Rucio, tmp_path: Path) -> None:
    (tmp_path / "B02.tif").write_bytes(b"old and never registered")
    site.client("dafab_dasi").upload(tmp_path / "B02.tif", "MELUXINA", "dasi_killed.B02.tif")
    key = {"mission": "s2a", "level": "l2a", "date": "20310612", "tile": "32ukd", "product": "dasi_killed"}
    with writer:
        writer.archive({**key, "geometry": "6/49/7/50", "kind": "band", "band": "b02", "res": 10}, b"new")
    assert [item.data for item in writer.list({"id": "dasi_killed"})] == [b"new"]


def test_who_may_not_write_is_refused(site: Any, tmp_path: Path, published: tuple[str, ...]) -> None:
    section = {"config_path": str(site.home.client_config("user_dafab")), "rse": "MELUXINA"}
    (tmp_path / "dasi.yml").write_text(json.dumps({"type": "rucio", "rucio": section}))
    reader = Rucio(tmp_path / "dasi.yml")
    with pytest.raises(NotPermitted, match=r"dafab:dasi_test_1 is not wiped|dasi_test_1"):
        reader.wipe({"id": "dasi_test_1"}, doit=True)
    key = "mission=s2a,level=l2a,date=20310613,tile=32uke,product=dasi_denied,geometry=6/49/7/50"
    with pytest.raises(NotPermitted, match="may not publish"), reader:
        reader.archive(f"{key},kind=band,band=b02,res=10", b"x")
    assert [key["id"] for key in reader.wipe({"id": "dasi_test_1"})] == ["dasi_test_1"]


def test_the_command_archives_and_wipes_in_the_catalogue(site: Any, tmp_path: Path) -> None:
    folder = make_scene(tmp_path / "scene", "dasi_command", size=16, **{"grid:code": "MGRS-32UKF"})
    item = json.loads((folder / "item.json").read_text())
    ring = [[6, 49], [7, 49], [7, 50], [6, 50], [6, 49]]
    item |= {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [6, 49, 7, 50]}
    (folder / "item.json").write_text(json.dumps(item))
    for outcome in ("stored", "unchanged"):
        ran = site.run(["dasi", "archive", "--type", "rucio", str(folder), "--json"], "user_dafab")
        assert ran.returncode == 0, ran.stderr
        assert [one["outcome"] for one in json.loads(ran.stdout)] == [outcome]
    listed = site.run(["dasi", "list", "collection=sentinel_2_l2a", "tile=32ukf", "--json"], "user_dafab")
    assert {one["key"]["asset"] for one in json.loads(listed.stdout)} >= {"B02", "B03", "B8A", "reference_water"}
    command = ["dasi", "wipe", "--type", "rucio", "tile=32ukf"]
    assert "would remove dasi_command" in site.run(command, "user_dafab").stdout
    assert "removed dasi_command" in site.run([*command, "--apply"], "user_dafab").stdout
    ran = site.run(["dasi", "wipe", "--type", "tape", "tile=32ukf"], "user_dafab")
    assert ran.stderr.strip() == "error: --type tape: local or rucio"
