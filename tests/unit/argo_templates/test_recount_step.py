"""The step ``recount`` over a scene that lacks a band: skipped as a model is, before anything is asked."""

from pathlib import Path

import numpy as np
import orjson
import rasterio
from affine import Affine

from argo_templates.steps.recount import RecountInput, recount
from argo_templates.work import Work, read_json, whole, write_json


def test_a_scene_without_a_band_is_skipped(tmp_path: Path) -> None:
    work = Work(tmp_path)
    with whole(work.staged, "test") as folder:
        with rasterio.open(
            folder / "B02.tif", "w", driver="GTiff", dtype="uint16", count=1, height=12, width=12, crs="EPSG:32631",
            transform=Affine(10, 0, 500_000, 0, -10, 5_300_000),
        ) as band:  # fmt: skip
            band.write(np.full((12, 12), 500, np.uint16), 1)
        item = {
            "type": "Feature", "stac_version": "1.1.0", "id": "S2A_TEST", "collection": "sentinel-2-l2a", "links": [],
            "geometry": {"type": "Polygon", "coordinates": [[[3, 47], [4, 47], [4, 48], [3, 48], [3, 47]]]},
            "properties": {"datetime": "2026-06-14T10:30:00Z"}, "assets": {"B02": {"href": "./B02.tif"}},
        }  # fmt: skip
        (folder / "item.json").write_bytes(orjson.dumps(item))
    write_json(work.origin, {"bands": {}, "absent": {"B04": "R10m/B04.jp2"}})
    told = recount(RecountInput(work=str(tmp_path), item="any"))
    assert (told.outcome, told.item) == ("skipped", "")
    assert told.reason == "bands absent: B03, B04 (R10m/B04.jp2 is not there)"
    said = read_json(work.outcome("fields"))
    assert (said["outcome"], said["reason"]) == ("skipped", told.reason)
    assert not work.product("fields").exists()
