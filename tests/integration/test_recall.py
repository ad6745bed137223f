"""recall: what the rolling store has is judged as what an archive has, since others may have put it there."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from argo_templates import curated
from argo_templates.steps.recall import RecallInput, recall
from argo_templates.work import Work
from dasi_backend.store import Store
from rucio_dafab.eo.scene import SceneError
from rucio_dafab.site.home import Home
from tests.integration.scenes import CopyScene

pytestmark = [pytest.mark.integration, pytest.mark.shared]


def test_a_scene_of_the_store_is_judged(copied: CopyScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    store, work = Store(Home.from_environment().store), Work(tmp_path / "work")
    store.put(copied("terramesh_433D_629L_3_1", "bright"))
    assert recall(RecallInput(scene="bright", work=str(work.root))).scene_id == "bright"
    assert curated.properties(work)["dafab:curation"]["outcome"] == "fit"
    dark = copied("terramesh_433D_629L_3_1", "dark")
    for path in dark.glob("B*.tif"):
        with rasterio.open(path) as band:
            profile, shape = band.profile | {"driver": "GTiff"}, band.shape
        with rasterio.open(path, "w", **profile) as band:
            band.write(np.full(shape, 1003, profile["dtype"]), 1)
    store.put(dark)
    with pytest.raises(SceneError, match=r"dark is unfit: 100\.0 % dark, more than 99 %"):
        recall(RecallInput(scene="dark", work=str(tmp_path / "other")))
