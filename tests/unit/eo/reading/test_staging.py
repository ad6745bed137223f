"""Staging: a STAC folder from any scene, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from rucio_dafab.eo.scene import SceneError, open_scene, read_bands
from rucio_dafab.eo.staging import stage

from .conftest import MakeScene
from .test_safe import GRANULE, MakeSafe, make_safe, write_band

__all__ = ["make_safe"]

NUMBERS = np.arange(1, 401, dtype=np.uint16).reshape(20, 20)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_staged_safe_is_the_same_scene(make_safe: MakeSafe, tmp_path: Path) -> None:
    folder = make_safe()
    write_band(folder / GRANULE / "AUX_DATA" / "reference_water.tif", np.ones((36, 48), np.uint8))
    scene = open_scene(folder)
    staged = open_scene(stage(scene, tmp_path / "staged"))
    assert sorted(contents(staged.folder)) == sorted(
        [
            *("B01.jp2", "B02.jp2", "B08.jp2", "B11.jp2", "SCL.jp2"),
            *("item.json", "reference_water.tif", "safe/MTD_MSIL2A.xml", "safe/MTD_TL.xml"),
        ]
    )
    assert staged.id == scene.id
    assert (staged.crs, staged.transform, staged.shape) == (scene.crs, scene.transform, scene.shape)
    assert staged.item["properties"] == scene.item["properties"]
    assert set(staged.metadata) == set(scene.metadata)
    for name, band in scene.bands.items():
        again = staged.bands[name]
        assert (again.scale, again.offset, again.nodata, again.saturated) == (
            band.scale,
            band.offset,
            band.nodata,
            band.saturated,
        )
        assert again.path.read_bytes() == band.path.read_bytes()
    names = ["B01", "B02", "B11"]
    np.testing.assert_array_equal(read_bands(staged, names), read_bands(scene, names))


def test_staging_again_changes_nothing(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = open_scene(make_scene({"B02": NUMBERS, "SCL": (NUMBERS[:10, :10].astype(np.uint8), 20.0)}))
    first = contents(stage(scene, tmp_path / "staged"))
    assert contents(stage(scene, tmp_path / "staged")) == first
    assert contents(stage(open_scene(tmp_path / "staged"), tmp_path / "copy")) == first
    assert contents(stage(open_scene(tmp_path / "staged"), tmp_path / "staged")) == first


def test_files_are_linked_where_they_can_be(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = open_scene(make_scene({"B02": NUMBERS}))
    staged = stage(scene, tmp_path / "staged")
    assert (staged / "B02.tif").stat().st_ino == scene.bands["B02"].path.stat().st_ino


def test_a_folder_that_holds_something_else_is_left_alone(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = open_scene(make_scene({"B02": NUMBERS}))
    target = tmp_path / "taken"
    target.mkdir()
    (target / "precious").write_text("data")
    with pytest.raises(SceneError, match=f"{target}: holds something else than scene made_scene"):
        stage(scene, target)
    assert contents(target) == {"precious": b"data"}
    other = open_scene(make_scene({"B02": NUMBERS + 1}, name="other", properties={"eo:cloud_cover": 3}))
    stage(other, tmp_path / "staged")
    with pytest.raises(SceneError, match="holds something else"):
        stage(scene, tmp_path / "staged")


def test_a_band_that_vanished_leaves_nothing_behind(make_scene: MakeScene, tmp_path: Path) -> None:
    scene = open_scene(make_scene({"B02": NUMBERS, "B03": NUMBERS}))
    scene.bands["B03"].path.unlink()
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(SceneError, match=r"scene made_scene cannot be staged in .*staged: No such file"):
        stage(scene, tmp_path / "staged")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_assets_without_files_are_not_in_the_staged_item(make_scene: MakeScene, tmp_path: Path) -> None:
    folder = make_scene({"B02": NUMBERS})
    item = folder / "item.json"
    item.write_text(item.read_text().replace('"assets":{', '"assets":{"B03":{"href":"https://example.org/B03.tif"},'))
    (folder / "a").mkdir()
    (folder / "a" / "thumbnail.png").write_bytes(b"png")
    item.write_text(item.read_text().replace('"assets":{', '"assets":{"thumbnail":{"href":"./a/thumbnail.png"},'))
    staged = open_scene(stage(open_scene(folder), tmp_path / "staged"))
    assert {key: asset["href"] for key, asset in staged.item["assets"].items()} == {
        "thumbnail": "./thumbnail.png",
        "B02": "./B02.tif",
    }
