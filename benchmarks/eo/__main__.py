"""``python -m benchmarks.eo [--size N] [--json FILE] [PART …]``: what a whole Sentinel-2 tile costs.

Makes a simulated tile on the first call (some ten minutes; kept below ``DAFAB_BENCHMARKS``) and measures each part in a
process of its own: the inference beside the bare session, both products from COGs and from JPEG 2000, one and two
processes, the vectorising beside the usual way, and the sizes. Prints each figure with its target and their ratios.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import onnxruntime

from benchmarks.eo.measure import Measured, apart, together
from benchmarks.eo.tile import whole_tile
from benchmarks.figures import ROWS, told
from rucio_dafab.eo.simulate.scene import LARGEST

SECONDS: Final = {"water": 90.0, "fields": 300.0}
GIGABYTES: Final = {"water": 3.0, "fields": 4.0}
PIXEL_BYTES = 16
"""What a pixel of a scene takes that has B02 B03 B04 B08 at 10 m and six bands at 20 m, two bytes each, and SCL."""


class Bench:
    """A tile in both forms, and where the results go."""

    def __init__(self, folder: Path, size: int, out: Path) -> None:
        self.safe, self.cogs = whole_tile(folder, size)
        self.out = out
        self.share = (size / LARGEST) ** 2
        self.providers: dict[str, str] = {}

    def inference(self) -> None:
        """The inference phase beside the bare session, on the same chips and threads."""
        print("Inference: chips a second, cutting and blending included, beside the bare session")
        for model in SECONDS:
            found = apart("inference", model, self.cogs).found
            self.providers[model] = found["provider"]
            told(f"{model}: bare session, one call of all threads", found["raw"], "chips/s")
            told(f"{model}: bare session, {found['way']}", found["raw_same_way"], "chips/s")
            told(f"{model}: ours, from bands in memory, {found['chips']} chips", found["run"], "chips/s")
            ratio = found["run"] / found["raw"]
            told(f"{model}: ratio", ratio, "", ">= 0.85", ratio >= 0.85)
            told(f"{model}: beside the bare session in the same way", found["run"] / found["raw_same_way"], "")
            told(f"{model}: ours, the files read and looked at meanwhile", found["whole"], "chips/s")
            told(f"{model}: that beside the bare session, which reads nothing", found["whole"] / found["raw"], "")

    def products(self) -> None:
        """Both products of the whole tile from COGs, then from JPEG 2000."""
        print("Products of the whole tile (targets are for 10,980 × 10,980 pixels)")
        for model in SECONDS:
            cog = self._product(model, self.cogs, "COG")
            self._told(model, cog)
            jp2 = self._product(model, self.safe, "JP2")
            told(f"{model} from JPEG 2000: wall", jp2.seconds, "s")
            decoding = apart("decoding", model, self.safe).found
            told(f"{model} from JPEG 2000: decoding alone", decoding["wall"], "s")
            told(f"{model} from JPEG 2000: processor time of decoding", decoding["cpu"], "s")
            more, most = jp2.seconds - cog.seconds, decoding["wall"]
            told(f"{model} from JPEG 2000: more than from COGs", more, "s", f"<= {most:.1f}", more <= most)
            told(f"{model} from JPEG 2000: more processor time", jp2.cpu_seconds - cog.cpu_seconds, "s")

    def _product(self, model: str, scene: Path, form: str) -> Measured:
        keep = ("--keep", self.out / "fields.npz") if (model, form) == ("fields", "COG") else ()
        part = apart("product", model, scene, self.out / form, *keep)
        self.providers[model] = part.found["provider"]
        told(f"{model} from {form}: of it the inference", part.found["infer_seconds"], "s")
        told(f"{model} from {form}: of it making the product", part.found["make_seconds"], "s")
        told(f"{model} from {form}: processor time", part.cpu_seconds, "s")
        return part

    def _told(self, model: str, part: Measured) -> None:
        most, limit = SECONDS[model] * self.share, GIGABYTES[model]
        told(f"{model} from COGs: wall", part.seconds, "s", f"<= {most:.0f}", part.seconds <= most)
        told(f"{model} from COGs: peak memory", part.peak_gb, "GB", f"<= {limit:g}", part.peak_gb <= limit)
        self._sizes(model, part)

    def _sizes(self, model: str, part: Measured) -> None:
        scene = sum(path.stat().st_size for path in self.cogs.rglob("*") if path.is_file())
        pixels = self.share * LARGEST**2
        for name, size in part.found["files"].items():
            told(f"{model}: {name}", size / 1e6, "MB")
        told(f"{model}: product ÷ scene as COGs", sum(part.found["files"].values()) / scene, "")
        if model == "water":
            raw = PIXEL_BYTES * 8 / part.found["mask_bits"]
            told("water: 1 ÷ (raw mask ÷ scene of 16 bytes a pixel)", raw, "", "= 128", raw == 128)
            mask = part.found["files"]["observed_water.tif"] / (pixels * PIXEL_BYTES)
            told("water: 1 ÷ (stored mask ÷ scene of 16 bytes a pixel)", 1 / mask, "", ">= 1000", mask <= 1e-3)
        else:
            sizes = part.found["files"]
            told("fields: parcels of the tile", part.found["parcels"], "")
            told(
                "fields: GeoJSON ÷ GeoParquet",
                sizes["field_boundaries.geojson"] / sizes["field_boundaries.parquet"],
                "",
            )

    def processes(self) -> None:
        """One process of one core on one tile, and two of them on two tiles."""
        print("Two processes of one core on two tiles, beside one process of one core")
        one = apart("--core", 0, "product", "water", self.cogs, self.out / "one")
        two = together(*(("--core", n, "product", "water", self.cogs, self.out / f"two{n}") for n in (0, 1)))
        slowest = max(part.seconds for part in two)
        told("one process, one tile", one.seconds, "s")
        told("two processes, two tiles", slowest, "s")
        ratio = 2 * one.seconds / slowest
        told("tiles in the same time", ratio, "×", ">= 1.7", ratio >= 1.7)

    def vectors(self) -> None:
        """Polygons of the same labels our way and the usual way."""
        print("Polygons of the parcels' labels: one coverage in blocks, beside shapes and geometries one by one")
        kept, labels = self.out / "fields.npz", self.out / "labels.npy"
        if not kept.exists():
            apart("product", "fields", self.cogs, self.out / "COG", "--keep", kept)
        told("parcels", apart("labels", kept, labels).found["parcels"], "")
        ours, plain = (apart(name, labels).found for name in ("vector_ours", "vector_plain"))
        told("usual way", plain["seconds"], "s")
        told("usual way: peak memory", plain["peak_gb"], "GB")
        told("usual way: a valid coverage", float(plain["coverage"]), "")
        told("ours", ours["seconds"], "s")
        told("ours: peak memory", ours["peak_gb"], "GB", "<= 2", ours["peak_gb"] <= 2)
        told("ours: a valid coverage", float(ours["coverage"]), "", "= 1", ours["coverage"])
        ratio = plain["seconds"] / ours["seconds"]
        told("ratio", ratio, "×", ">= 3", ratio >= 3)


def gpu() -> str:
    """Return the name and the driver of each GPU that NVIDIA's own tool sees, empty where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    asked = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False)
    return "; ".join(said.stdout.strip().splitlines()) if said.returncode == 0 else ""


def main() -> None:
    """Measure what is asked and print it."""
    parts = ("inference", "products", "processes", "vectors")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=LARGEST, help="rows and columns at 10 m, a multiple of 30")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("part", nargs="*", help=f"some of {', '.join(parts)}; all of them")
    given = parser.parse_args()
    unknown = set(given.part) - set(parts)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(parts)}")
    folder = Path(os.environ.get("DAFAB_BENCHMARKS", "benchmarks/data")) / "eo"
    folder.mkdir(parents=True, exist_ok=True)
    cores = len(os.sched_getaffinity(0))
    machine = f"{platform.machine()}, {cores} cores, {gpu() or 'no GPU'}, onnxruntime {onnxruntime.__version__}"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}, tile of {given.size} × {given.size} pixels")
    with tempfile.TemporaryDirectory(dir=folder) as out:
        bench = Bench(folder, given.size, Path(out))
        for name in given.part or parts:
            measured: Callable[[], None] = getattr(bench, name)
            measured()
    for model, provider in bench.providers.items():
        print(f"{model} ran on {provider}")
    print(f"load {os.getloadavg()[0]:.1f}")
    if given.json:
        record = {"machine": machine, "gpu": gpu(), "providers": bench.providers, "size": given.size, "figures": ROWS}
        given.json.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
