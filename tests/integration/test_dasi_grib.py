"""Standard MARS requests to an ordinary FDB of GRIB messages, alone and beside scenes and products."""

import json
from pathlib import Path
from typing import Any

import pytest

from dasi_backend.errors import ChecksumError, ConfigError, DasiError, KeyRefused, RequestError, TargetError
from dasi_backend.interface import Dasi, Grib, Select
from dasi_backend.interface import open as open_dasi
from dasi_backend.store import Store
from tests.integration.dasi_products import RASTER, archive, name_of, publish
from tests.integration.fields import make_fields, values_of

pytestmark = pytest.mark.integration

TILE = "32uxg"
FORECAST = {"class": "od", "stream": "oper", "expver": "1", "date": "2032-06-14", "time": 12, "type": "fc"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("grib")
    make_fields(made)
    return made


def section(folder: Path) -> dict[str, Any]:
    return {"type": "grib", "schema": str(folder / "schema"), "spaces": [{"roots": [{"path": str(folder / "fields")}]}]}


@pytest.fixture
def fields(folder: Path) -> Grib:
    (folder / "dasi.yml").write_text(json.dumps(section(folder)))
    opened = open_dasi(folder / "dasi.yml")
    assert isinstance(opened, Grib)
    return opened


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({}, 9),
        ({"param": "2t"}, 3),
        ({"param": "167.128/151"}, 6),
        ({"param": ["2t", 130], "step": "0/to/6/by/6"}, 4),
        ({"levtype": "pl", "levelist": 850}, 3),
        ({"levelist": 500}, 0),
        ({"step": 3}, 0),
        ({"date": "2032-06-13/to/2032-06-15", "param": "msl", "step": 12}, 1),
    ],
)
def test_a_request_finds_the_fields_that_it_names(fields: Grib, keys: dict[str, Any], count: int) -> None:
    items = list(fields.list(FORECAST | keys))
    assert len(items) == count
    assert all(item.data[:4] == b"GRIB" and item.data[-4:] == b"7777" for item in items)
    assert all((item.key["class"], item.key["expver"], item.key["time"]) == ("od", "0001", "1200") for item in items)


def test_fields_for_one_path_are_one_file_as_in_mars(fields: Grib, tmp_path: Path) -> None:
    (whole,) = fields.retrieve(FORECAST | {"param": "2t"}, tmp_path / "2t.grib", expect=3)
    assert values_of(whole.path.read_bytes())[0][:3] == pytest.approx([167, 168, 169])
    assert len(values_of(whole.path.read_bytes())) == 3
    apart = fields.retrieve(FORECAST | {"param": "2t/msl"}, tmp_path / "[param]" / "[step].grib", expect=6)
    assert {str(one.path.relative_to(tmp_path)) for one in apart} == {
        f"{param}/{step}.grib" for param in (167, 151) for step in (0, 6, 12)
    }
    assert values_of((tmp_path / "151" / "6.grib").read_bytes())[0][0] == pytest.approx(157)
    assert all(
        one.kept for one in fields.retrieve(FORECAST | {"param": "2t/msl"}, tmp_path / "[param]" / "[step].grib")
    )
    with pytest.raises(RequestError, match="3 fields answer the request, and expect=4"):
        fields.retrieve(FORECAST | {"param": "2t"}, tmp_path / "x", expect=4)
    (tmp_path / "other.grib").write_bytes(b"mine")
    with pytest.raises(TargetError, match="holds something else"):
        fields.retrieve(FORECAST | {"param": "2t"}, tmp_path / "other.grib")


def test_what_is_no_message_is_not_written(fields: Grib, tmp_path: Path) -> None:
    item = next(iter(fields.list(FORECAST | {"param": "t", "step": 0})))
    path, data = Path(item.uri), Path(item.uri).read_bytes()
    try:
        path.write_bytes(data[: item.offset] + b"BLOB" + data[item.offset + 4 :])
        with pytest.raises(ChecksumError, match=f"{item.name}.*no whole GRIB message"):
            fields.retrieve(FORECAST | {"param": "t", "step": 0}, tmp_path / "t.grib")
        assert list(tmp_path.iterdir()) == []
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"param": "nothing_such"}, "param=nothing_such: no parameter has this name"),
        ({"band": "b02"}, "band: fields have no such key"),
        ({"cloud_cover": "<20"}, "cloud_cover: fields have no such key"),
        ({"step": "0/to/1000000000"}, "1,000,000,001 values"),
        ({"parm": "2t"}, "unknown key 'parm': did you mean param"),
    ],
)
def test_what_fields_do_not_have_is_refused_by_name(fields: Grib, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(DasiError, match=said):
        list(fields.list(FORECAST | keys))


def test_nothing_is_written_or_removed_there(fields: Grib, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyRefused, match="nothing is archived in an FDB of fields"):
        fields.archive({"class": "od"}, b"GRIB")
    with pytest.raises(KeyRefused, match="not wiped by dasi"):
        fields.wipe({"class": "od"}, doit=True)
    with pytest.raises(ConfigError, match="dasi only reads"):
        Dasi(folder / "dasi.yml")
    (tmp_path / "dasi.yml").write_text("type: grib\nspaces: [{roots: [{path: x}]}]")
    with pytest.raises(ConfigError, match="type is grib and no schema is named"):
        open_dasi(tmp_path / "dasi.yml")


@pytest.fixture(scope="module")
def all_of_it(site: Any, folder: Path) -> Path:
    """Return the configuration of fields, scenes and products behind one face."""
    archive(Store(folder / "store"), folder / "scenes", TILE, [1])
    publish(site, folder, TILE, [2])
    catalogue = {"config_path": str(site.home.client_config("user_dafab")), "rse": "MELUXINA"}
    members = [
        section(folder) | {"select": "class=^od$"},
        {"type": "local", "spaces": [{"roots": [{"path": str(folder / "store")}]}], "select": "mission=^s"},
        {"type": "rucio", "rucio": catalogue},
    ]
    (folder / "all.yml").write_text(json.dumps({"type": "select", "fdbs": members}))
    return folder / "all.yml"


def test_one_file_of_requests_fetches_a_field_a_scene_and_a_water_mask(
    site: Any, all_of_it: Path, tmp_path: Path
) -> None:
    (tmp_path / "all.mars").write_text(
        f'retrieve, collection=water_analysis, id={name_of(TILE, 2)}, target="mask.tif", expect=1\n'
        "# a request inherits the keys of the one before it: what it does not mean is off\n"
        f'retrieve, collection=off, id={name_of(TILE, 1)}, target="[id]", band=b02\n'
        "retrieve, id=off, band=off, class=od, stream=oper, expver=1, type=fc, levtype=sfc, param=2t,\n"
        '  date=20320614, time=12, step=0/6, target="2t.grib", expect=2\n'
    )
    ran = site.run(["dasi", "retrieve", "all.mars", "--config", str(all_of_it)], "user_dafab", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (tmp_path / "mask.tif").read_bytes() == RASTER
    assert (tmp_path / name_of(TILE, 1) / "B02.tif").is_file()
    assert len(values_of((tmp_path / "2t.grib").read_bytes())) == 2
    assert "2 fields" in ran.stdout


def test_keys_of_two_worlds_in_one_request_are_refused(all_of_it: Path) -> None:
    with pytest.raises(RequestError, match=r"fdbs\[0\] \(grib\) does not know cloud_cover.*does not know class"):
        list(Select(all_of_it).list({"class": "od", "cloud_cover": "<20"}))


def test_the_command_lists_fields(site: Any, all_of_it: Path, folder: Path, fields: Grib) -> None:
    ran = site.run(["dasi", "list", "param=2t", "step=6", "--config", str(folder / "dasi.yml")], "user_dafab")
    assert ran.returncode == 0, ran.stderr
    assert "od_0001_oper_fc_g_20320614_1200_sfc_167_6" in ran.stdout
    ran = site.run(["dasi", "list", "class=od", "--config", str(all_of_it), "--json"], "user_dafab")
    assert len(json.loads(ran.stdout)) == 9
