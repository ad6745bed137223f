"""``python -m benchmarks.eo.parts PART …``: what is measured, one part a process (see :mod:`benchmarks.eo.measure`)."""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.eo.measure import print_measured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rucio_dafab.eo.models import Model
    from rucio_dafab.eo.pixels import Strip
    from rucio_dafab.eo.scene import Scene

RAW_CHIPS = 96
"""Chips that are run through the bare session, before and after the scene."""


def product(model: str, scene: Path, out: Path, keep: Path | None) -> dict[str, Any]:
    """Infer and make the products of a model; tell the seconds of each phase and the bytes of each file."""
    import numpy as np  # noqa: PLC0415

    from rucio_dafab.eo import products, water_layers  # noqa: PLC0415
    from rucio_dafab.eo.inference import infer, load_model  # noqa: PLC0415
    from rucio_dafab.eo.scene import open_scene  # noqa: PLC0415

    loaded, opened = load_model(model), open_scene(scene)
    prediction = infer(loaded, opened)
    began = time.perf_counter()
    make = {"water": products.make_water, "fields": products.make_fields}[model]
    made = make(opened, prediction, loaded, out)
    seconds = time.perf_counter() - began
    if keep is not None:
        np.savez(keep, probabilities=prediction.probabilities, valid=prediction.valid, clear=prediction.clear)
    return {
        "chips": prediction.chips,
        "infer_seconds": prediction.seconds,
        "session_seconds": prediction.session_seconds,
        "make_seconds": seconds,
        "provider": loaded.provider,
        "parcels": made.item["properties"].get("dafab:smart-agriculture", {}).get("number_of_fields"),
        "mask_bits": _bits(made.files.get(water_layers.OBSERVED_WATER)),
        "files": {path.name: path.stat().st_size for path in made.files.values()},
        "properties": {key: value for key, value in made.item["properties"].items() if isinstance(value, int | float)},
    }


def _bits(mask: Path | None) -> int | None:
    """Return how many bits a pixel of a mask has before it is compressed, by the file's own header."""
    import rasterio  # noqa: PLC0415

    if mask is None:
        return None
    with rasterio.open(mask) as source:
        return int(source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", 8))


def decoding(model: str, scene: Path) -> dict[str, Any]:
    """Read the bands that a model takes, and SCL, strip by strip as the inference does, and nothing else."""
    from rucio_dafab.eo.bands import SCENE_CLASSIFICATION  # noqa: PLC0415
    from rucio_dafab.eo.models import load_model  # noqa: PLC0415
    from rucio_dafab.eo.pixels import read_scl, strips  # noqa: PLC0415
    from rucio_dafab.eo.scene import open_scene  # noqa: PLC0415

    opened = open_scene(scene)
    names = [name for name in load_model(model).bands if name in opened.bands]
    began, used = time.perf_counter(), time.process_time()
    rows = sum(strip.values.shape[1] for strip in strips(opened, names))
    if SCENE_CLASSIFICATION in opened.bands:
        read_scl(opened)
    return {"rows": rows, "wall": time.perf_counter() - began, "cpu": time.process_time() - used}


def inference(model: str, scene: Path) -> dict[str, Any]:
    """Run the scene's own chips through the bare session, the whole scene through ours, then the chips again.

    The bare session has all threads, as onnxruntime would be used; and then as many calls at a time as our own. Ours
    begins at normalised bands in memory, as the bare session does, and then at the files, which are read meanwhile.
    """
    import numpy as np  # noqa: PLC0415

    from rucio_dafab.eo.inference import Run, infer, load_model  # noqa: PLC0415
    from rucio_dafab.eo.scene import open_scene  # noqa: PLC0415
    from rucio_dafab.eo.tiling import chip_rows, side_by_side  # noqa: PLC0415
    from rucio_dafab.eo.tuning import tuned  # noqa: PLC0415

    loaded, opened = load_model(model), open_scene(scene)
    chips = _first_chips(loaded, opened)
    many = [chips[number % len(chips)] for number in range(RAW_CHIPS)]
    whole_session = loaded.open_session(loaded.cores)

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def raw() -> float:
        return RAW_CHIPS / seconds(lambda: [whole_session.run(["probabilities"], {"chips": chip}) for chip in many])

    def side() -> float:
        size = best.way.batch
        groups = [np.concatenate(many[first : first + size]) for first in range(0, RAW_CHIPS, size)]
        return RAW_CHIPS / seconds(lambda: list(side_by_side(best.run, groups, best.way.calls)))

    rows = list(chip_rows(_normalised(loaded, opened), opened.shape[0]))
    run = Run(loaded, opened.shape)
    raw_before = raw()
    run_seconds = seconds(lambda: run.add(rows))
    raw_after = raw()
    rows.clear()
    prediction = infer(loaded, opened)
    best = tuned(loaded, prediction.chips)
    return {
        "raw": (raw_before + raw_after) / 2,
        "raw_same_way": side(),
        "way": f"{best.way.calls} calls of {best.way.threads} threads, {best.way.batch} chips each",
        "run": run.chips / run_seconds,
        "whole": prediction.chips / prediction.seconds,
        "in_session": prediction.chips / prediction.session_seconds,
        "chips": prediction.chips,
        "provider": loaded.provider,
    }


def _first_chips(model: "Model", scene: "Scene") -> "list[NDArray[np.float32]]":
    """Return chips of the first rows of a scene as the net takes them, float32 (1, band, row, column) each."""
    import numpy as np  # noqa: PLC0415

    from rucio_dafab.eo.tiling import CHIP  # noqa: PLC0415

    columns = min(scene.shape[1] // CHIP, RAW_CHIPS)
    row = np.nan_to_num(next(_normalised(model, scene, CHIP)).values)
    return [row[None, :, :, start : start + CHIP].copy() for start in range(0, columns * CHIP, CHIP)]


def _normalised(model: "Model", scene: "Scene", rows: int | None = None) -> "Iterator[Strip]":
    """Yield a scene in strips of so many rows as the net takes them; what it can do without and lacks is 0."""
    import numpy as np  # noqa: PLC0415

    from rucio_dafab.eo.pixels import Strip, strips  # noqa: PLC0415

    there = [number for number, band in enumerate(model.bands) if band in scene.bands]
    mean, std = (np.array(values, np.float32)[there, None, None] for values in (model.mean, model.std))
    for strip in strips(scene, [model.bands[number] for number in there], rows):
        values = np.zeros((len(model.bands), *strip.values.shape[1:]), np.float32)
        values[there] = (strip.values - mean) / std
        yield Strip(strip.row, values)


def labels(prediction: Path, out: Path) -> dict[str, Any]:
    """Make parcels' labels of a kept prediction of the fields net; int32 (row, column) as ``.npy``."""
    import numpy as np  # noqa: PLC0415

    from rucio_dafab.eo.fields import FieldRules, instances, without_small  # noqa: PLC0415

    with np.load(prediction) as kept:
        made = instances(kept["probabilities"], kept["valid"], FieldRules())
    made = without_small(made, 10)
    np.save(out, made)
    return {"parcels": len(np.unique(made)) - 1}


def vector_ours(source: Path) -> dict[str, Any]:
    """Make polygons of labels as the product does."""
    import numpy as np  # noqa: PLC0415
    from affine import Affine  # noqa: PLC0415

    from rucio_dafab.eo.vectors import polygonise  # noqa: PLC0415

    values = np.load(source)
    began = time.perf_counter()
    found = polygonise(values, Affine(10, 0, 0, 0, -10, 0)).geometries
    return _told(found, time.perf_counter() - began)


def vector_plain(source: Path) -> dict[str, Any]:
    """Make polygons of labels as it is usually done: shapes, a geometry at a time, each simplified by itself."""
    import numpy as np  # noqa: PLC0415
    from affine import Affine  # noqa: PLC0415
    from rasterio import features  # noqa: PLC0415
    from shapely.geometry import shape  # noqa: PLC0415

    values = np.load(source)
    began = time.perf_counter()
    found = np.array(
        [
            shape(geometry).simplify(10)
            for geometry, _ in features.shapes(
                values, mask=values > 0, connectivity=4, transform=Affine(10, 0, 0, 0, -10, 0)
            )
        ],
        object,
    )
    return _told(found, time.perf_counter() - began)


def _told(geometries: Any, seconds: float) -> dict[str, Any]:
    import resource  # noqa: PLC0415

    import shapely  # noqa: PLC0415

    # Before the check of the coverage, which is not part of the work.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {
        "seconds": seconds,
        "peak_gb": peak,
        "polygons": len(geometries),
        "valid": bool(shapely.is_valid(geometries).all()),
        "coverage": bool(shapely.coverage_is_valid(geometries)),
    }


def main() -> None:
    """Do one part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, help="use this one core only")
    parts = parser.add_subparsers(dest="part", required=True)
    made = parts.add_parser("product")
    made.add_argument("model")
    made.add_argument("scene", type=Path)
    made.add_argument("out", type=Path)
    made.add_argument("--keep", type=Path)
    for name in ("inference", "decoding"):
        read = parts.add_parser(name)
        read.add_argument("model")
        read.add_argument("scene", type=Path)
    labelled = parts.add_parser("labels")
    labelled.add_argument("prediction", type=Path)
    labelled.add_argument("out", type=Path)
    for name in ("vector_ours", "vector_plain"):
        parts.add_parser(name).add_argument("source", type=Path)
    given = vars(parser.parse_args())
    core, part = given.pop("core"), given.pop("part")
    if core is not None:
        # Before anything counts the cores: ONNX Runtime, GDAL and the readers take what they are allowed.
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
    work: dict[str, Callable[..., dict[str, Any]]] = {
        "product": product,
        "inference": inference,
        "decoding": decoding,
        "labels": labels,
        "vector_ours": vector_ours,
        "vector_plain": vector_plain,
    }
    print_measured(partial(work[part], **given))


if __name__ == "__main__":
    main()
