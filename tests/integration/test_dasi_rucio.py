"""The catalogue behind DASI, on a running site: the same requests, answered with verified files."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from dasi_backend.errors import ConfigError, RequestError, TargetError
from dasi_backend.interface import Dasi, Rucio
from dasi_backend.interface import open as open_dasi
from tests.integration.dasi_masks import RASTER, VECTOR, WHICH

pytestmark = pytest.mark.integration


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
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what the site is asked from now on; it is asked all the same."""
    sent, noted = requests.Session.send, list[str]()

    def send(self: Any, request: Any, **options: Any) -> Any:
        noted.append(f"{request.method} {urlsplit(request.url).path}")
        return sent(self, request, **options)

    monkeypatch.setattr(requests.Session, "send", send)
    return noted


def test_however_much_answers_the_catalogue_is_asked_once(
    catalogue: Rucio, published: tuple[str, ...], asked: list[str], tmp_path: Path
) -> None:
    assert len(list(catalogue.list({**WHICH, "id": published[0]}))) == 2  # connected by now
    for act, count in (
        (lambda: list(catalogue.list(WHICH)), 6),
        (lambda: catalogue.retrieve(WHICH, tmp_path / "[id].tif"), 3),
        (lambda: [item.data for item in catalogue.retrieve(WHICH)], 3),
        (lambda: catalogue.wipe(WHICH), 3),
    ):
        asked.clear()
        assert len(act()) == count
        assert asked == ["POST /dafab/search"]


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


def test_a_token_that_expires_on_the_way_is_renewed(site: Any, catalogue: Rucio, tmp_path: Path) -> None:
    listed = catalogue.list(WHICH)
    next(listed)
    client = catalogue._backend._client
    client.auth_token = "expired"
    client.headers["X-Rucio-Auth-Token"] = "expired"
    assert len(list(listed)) == 5
    assert len(catalogue.retrieve(WHICH, tmp_path / "[id].tif")) == 3
    assert client.auth_token != "expired"
