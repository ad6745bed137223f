"""``disseminate``: what answers a request, cut, brought to a grid and delivered to a site."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.warp import transform_bounds

from dasi_backend import config, disseminating, processes
from dasi_backend.errors import TargetError
from dasi_backend.language import Request
from dasi_backend.store import Store
from rucio_dafab.client import PublishRequest
from tests.integration.dasi_products import document_of
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration

TILE = "32uxs"
VALUES = np.arange(400, dtype=np.uint16).reshape(20, 20)
BOX = transform_bounds("EPSG:32632", "EPSG:4326", 600035, 5499875, 600105, 5499945)
AREA = "/".join(f"{BOX[place]:.6f}" for place in (3, 0, 1, 2))
"""Some of the raster below: north, west, south, east."""


@pytest.fixture(scope="module")
def folder(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish a raster of two days and archive a scene; return the folder of a configuration with a site."""
    made = tmp_path_factory.mktemp("disseminate")
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "crs": "EPSG:32632"}
    grid = Affine(10, 0, 600000, 0, -10, 5500000)
    with rasterio.open(made / "mask.tif", "w", width=20, height=20, transform=grid, **profile) as raster:
        raster.write(VALUES, 1)
    client = site.client("dafab_admin")
    for day in (1, 2):
        document = document_of(TILE, day)
        del document["assets"]["mask"]["file:checksum"]
        mask = client.upload(made / "mask.tif", "MELUXINA", f"{document['id']}.mask.tif")
        client.publish(PublishRequest("dafab", document, {"mask": mask}))
    make_scene(made / "scene", "delivered_scene", size=20)
    Store(made / "store").archive(made / "scene")
    settings = {
        "spaces": [{"roots": [{"path": "store"}]}],
        "rucio": {"config_path": str(site.home.client_config("user_dafab")), "rse": "MELUXINA"},
        "sites": {"PARTNER": "partner"},
    }
    (made / "dasi.yml").write_text(json.dumps(settings))
    return made


def dasi(site: Any, folder: Path, *arguments: str) -> Any:
    return site.run(["dasi", "disseminate", "--config", str(folder / "dasi.yml"), *arguments], "user_dafab", folder)


def read(path: Path) -> tuple[Any, Any]:
    with rasterio.open(path) as raster:
        return raster.read(1), raster.transform


def test_products_are_cut_and_delivered_to_a_site(site: Any, folder: Path) -> None:
    request = f'disseminate, collection=water_analysis, tile={TILE}, area={AREA}, target="PARTNER:water/[id].tif"'
    (folder / "request.mars").write_text(request)
    ran = dasi(site, folder, "request.mars", "--json")
    assert ran.returncode == 0, ran.stderr
    paths = [Path(one["path"]) for one in json.loads(ran.stdout)]
    assert {path.name for path in paths} == {f"contract_{TILE}_{day}.tif" for day in (1, 2)}
    assert {path.parent for path in paths} == {folder / "partner" / "water"}
    values, transform = read(paths[0])
    row, column = round((5500000 - transform.f) / 10), round((transform.c - 600000) / 10)
    assert 1 <= values.shape[0] < 20
    assert np.array_equal(values, VALUES[row : row + values.shape[0], column : column + values.shape[1]])
    assert sorted(path.name for path in (folder / "partner" / "water").iterdir()) == sorted(path.name for path in paths)


def test_bands_of_a_scene_are_brought_to_a_grid(site: Any, folder: Path) -> None:
    keys = [
        "mission=s2",
        "date=20260601",
        "band=b02",
        "grid=20",
        "interpolation=average",
        "target=PARTNER:[tile]/[date]",
    ]
    ran = dasi(site, folder, *keys, "expect=1")
    assert ran.returncode == 0, ran.stderr
    (path,) = (folder / "partner" / "unknown" / "20260601").iterdir()
    values, transform = read(path)
    assert (path.name, values.shape, transform.a) == ("B02.tif", (10, 10), 20)
    again = dasi(site, folder, *keys)
    assert again.returncode == 0, again.stderr


def test_scenes_are_delivered_by_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        Store(tmp_path / "store").archive(make_scene(tmp_path / name, name, size=20))
    (tmp_path / "dasi.yml").write_text(json.dumps({"spaces": [{"roots": [{"path": "store"}]}]}))
    found, delivered = config.read(tmp_path / "dasi.yml"), {}
    for way, bytes_each in (("by turns", 1 << 60), ("by processes", 1)):
        monkeypatch.setattr(processes, "BYTES_EACH", bytes_each)
        out = tmp_path / way
        asked = Request(disseminating.VERB, {"band": ("b02",)}, target=f"{out}/[id]", expect=2, grid=("20",))
        told = [one.name for one in disseminating.disseminate(found, [asked])]
        delivered[way] = (told, contents(out))
    assert delivered["by turns"] == delivered["by processes"]
    assert set(delivered["by turns"][1]) == {"one/B02.tif", "two/B02.tif"}


def test_a_folder_that_holds_anything_else_is_not_replaced(tmp_path: Path) -> None:
    Store(tmp_path / "store").archive(make_scene(tmp_path / "one", "one", size=20))
    (tmp_path / "dasi.yml").write_text(json.dumps({"spaces": [{"roots": [{"path": "store"}]}]}))
    found, out = config.read(tmp_path / "dasi.yml"), tmp_path / "mine"
    asked = Request(disseminating.VERB, {"band": ("b02",)}, target=str(out), grid=("20",))
    for _ in range(2):
        disseminating.disseminate(found, [asked])
    assert set(contents(out)) == {"B02.tif"}
    (out / "notes.txt").write_text("mine")
    with pytest.raises(TargetError, match=r"mine is there and holds notes\.txt: remove it or choose another target"):
        disseminating.disseminate(found, [asked])
    assert set(contents(out)) == {"B02.tif", "notes.txt"}
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["target=ELSEWHERE:[id].tif"], "unknown site ELSEWHERE (PARTNER)"),
        (["target=PARTNER:../[id].tif"], "it leaves the folder of PARTNER"),
        (["target=PARTNER:x.tif"], "would both be written"),
        (["area=10/10/9/11", "target=PARTNER:far/[id].tif"], "lies outside of the area"),
        (["area=9/10/10/11", "target=PARTNER:far/[id].tif"], "north, west, south, east"),
        (["expect=5", "target=PARTNER:far/[id].tif"], "2 answers answer the request, and expect=5"),
        (["packing=simple", "target=PARTNER:far/[id].tif"], "unknown key 'packing'"),
        (["area=50/5/49/6"], "needs a target"),
    ],
)
def test_what_cannot_be_delivered_is_refused_and_nothing_is_written(
    site: Any, folder: Path, keys: list[str], said: str
) -> None:
    ran = dasi(site, folder, "collection=water_analysis", f"tile={TILE}", *keys)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not [path for path in (folder / "partner").rglob("*") if path.is_file() and "far" in path.parts]


def test_bands_as_sentinel_2_delivers_them_become_geotiffs(site: Any, folder: Path, tmp_path: Path) -> None:
    made = make_scene(tmp_path / "scene", "scene_of_jp2", size=20, constellation="sentinel-3")
    item = json.loads((made / "item.json").read_text())
    item["assets"] = {"B02": {"href": "./B02.jp2", "gsd": 10, "roles": ["data"]}}
    (made / "item.json").write_text(json.dumps(item))
    profile = {"driver": "JP2OpenJPEG", "dtype": "uint16", "count": 1, "crs": "EPSG:32632", "width": 20, "height": 20}
    grid = Affine(10, 0, 600000, 0, -10, 5500000)
    with rasterio.open(made / "B02.jp2", "w", transform=grid, QUALITY="100", REVERSIBLE="YES", **profile) as raster:
        raster.write(VALUES, 1)
    Store(folder / "store").archive(made)
    ran = dasi(site, folder, "product=scene_of_jp2", "band=b02", "target=PARTNER:jp2/[id]")
    assert ran.returncode == 0, ran.stderr
    values, _ = read(folder / "partner" / "jp2" / "scene_of_jp2" / "B02.tif")
    assert np.array_equal(values, VALUES)
    coarse = ("grid=20", "interpolation=average", "target=PARTNER:coarse/[id]")
    assert dasi(site, folder, "product=scene_of_jp2", "band=b02", *coarse).returncode == 0
    values, _ = read(folder / "partner" / "coarse" / "scene_of_jp2" / "B02.tif")
    # The mean of 1, 20 and 21: the first pixel is 0, which in Sentinel-2's bands is no data.
    assert values[0, 0] == 14


def test_a_path_here_needs_no_site(site: Any, folder: Path, tmp_path: Path) -> None:
    ran = site.run(
        [
            "dasi",
            "disseminate",
            "--config",
            str(folder / "dasi.yml"),
            f"id=contract_{TILE}_1",
            "target=../out/[id].tif",
        ],
        "user_dafab",
        tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    values, _ = read(tmp_path.parent / "out" / f"contract_{TILE}_1.tif")
    assert np.array_equal(values, VALUES)
