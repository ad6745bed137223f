"""The simulator's SAFE is read like a real one."""

from pathlib import Path

import numpy as np

from rucio_dafab.eo.fitness import assess
from rucio_dafab.eo.ids import ProductId
from rucio_dafab.eo.scene import open_scene, read_bands
from rucio_dafab.eo.simulate.safe import write_safe
from rucio_dafab.eo.simulate.scene import Options, simulate
from rucio_dafab.eo.staging import stage


def test_a_simulated_safe_is_a_scene(tmp_path: Path) -> None:
    simulated = simulate(5, Options(size=256))
    scene = open_scene(write_safe(simulated, tmp_path))
    assert ProductId.parse(scene.id).level == "L2A"
    assert scene.shape == (256, 256)
    assert set(scene.bands) >= {"B02", "B03", "B04", "B08", "B8A", "B11", "B12", "SCL"}
    assert {"reference_water", "land_cover"} <= set(scene.metadata)
    assert scene.item["properties"]["providers"] == [{"name": "rucio-dafab", "roles": ["producer"]}]
    assert not [link for link in scene.item["links"] if link["rel"] == "license"]
    values = read_bands(scene, ["B02", "B08", "B11"])
    assert np.nanmin(values) > -0.05
    assert np.nanmax(values) < 1.6
    fitness = assess(scene)
    assert fitness.scl
    assert fitness.valid_fraction > 0.99
    staged = open_scene(stage(scene, tmp_path / "staged"))
    np.testing.assert_array_equal(read_bands(staged, ["B02", "B08", "B11"]), values)
