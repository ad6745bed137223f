"""``rucio-dafab recount``: the numbers as text and as JSON, and refusals in one line."""

import json
from datetime import date
from pathlib import Path

import geopandas
import pytest
import shapely
from typer.testing import CliRunner

from rucio_dafab.cli.main import app
from rucio_dafab.eo.errors import ParcelsError, SceneError
from rucio_dafab.eo.scene import Scene, open_scene
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.errors import DafabError


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    options = Options(size=96, clouds=0.0, date=date(2026, 6, 14))
    return open_scene(write_safe(simulate(52, options), tmp_path_factory.mktemp("scene")))


@pytest.fixture
def parcels(scene: Scene, tmp_path: Path) -> Path:
    """Return two parcels of a hectare each in the middle of the scene."""
    left, top = scene.transform @ (40, 40)
    boxes = [shapely.box(x, top - 100, x + 100, top) for x in (left, left + 100)]
    path = tmp_path / "parcels.parquet"
    geopandas.GeoDataFrame({"id": ["1", "2"]}, geometry=boxes, crs=scene.crs.to_wkt()).to_parquet(path)
    return path


def test_the_numbers(scene: Scene, parcels: Path) -> None:
    told = CliRunner().invoke(app, ["recount", str(scene.folder), "--parcels", str(parcels), "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert (found["scene"], found["stored"], found["numbers"]["number"]) == (scene.id, 2, 2)
    assert found["numbers"]["total_hectares"] == pytest.approx(2.0)
    assert found["numbers"]["coverage_percent"] == pytest.approx(100 * 2.0 / (found["valid"] / 100))
    plain = CliRunner().invoke(app, ["recount", str(scene.folder), "--parcels", str(parcels)])
    assert plain.stdout.splitlines()[0] == f"{scene.id}: 2 of 2 parcels lie where it has data"
    assert len(plain.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        ("absent.parquet", ParcelsError, "absent.parquet: no such file of parcels"),
        ("./absent", ParcelsError, "absent: no such file of parcels"),
    ],
)
def test_files_that_are_not_there(scene: Scene, wrong: str, kind: type[DafabError], said: str) -> None:
    told = CliRunner().invoke(app, ["recount", str(scene.folder), "--parcels", wrong])
    assert isinstance(told.exception, kind)
    assert (str(told.exception), told.stdout) == (said, "")


def test_a_folder_that_is_no_scene(parcels: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["recount", str(tmp_path), "--parcels", str(parcels)])
    assert isinstance(told.exception, SceneError)
