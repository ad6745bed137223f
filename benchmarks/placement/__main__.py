"""``python -m benchmarks.placement [--size N] [--runs N]``: seconds a chip of each model on this machine.

Simulates a scene (a SAFE folder, JPEG 2000 as it is delivered), runs each model over it as the step ``infer`` does,
reading included, and prints what belongs into ``argo_templates/placement/figures.yaml``: the least of the runs, as what
others take of the machine is not the model's, and the seconds of the net alone, with the machine's load before and
after. The placement formula knows no other speeds.
"""

import argparse
import os
import platform
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import onnxruntime
import yaml

from argo_templates.work import MODELS
from rucio_dafab.eo import simulate
from rucio_dafab.eo.inference import Prediction, infer
from rucio_dafab.eo.models import load_model
from rucio_dafab.eo.scene import open_scene


def per_chip(predictions: list[Prediction]) -> dict[str, Any]:
    """Return the seconds a chip of several runs of one model."""
    each = [found.seconds / found.chips for found in predictions]
    return {
        "seconds_per_chip": round(min(each), 5),
        "median": round(median(each), 5),
        "most": round(max(each), 5),
        "net_alone": round(min(found.session_seconds / found.chips for found in predictions), 5),
        "chips": predictions[0].chips,
        "runs": len(predictions),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size", type=int, default=2048, help="rows and columns of the scene at 10 m")
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    before = os.getloadavg()[0]
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        safe = simulate.write_safe(simulate.simulate(1, simulate.Options(size=given.size)), Path(folder))
        scene = open_scene(safe)
        models = {name: load_model(name) for name in MODELS}
        # In turns: what disturbs the machine for a while disturbs each model alike.
        runs = [{name: infer(model, scene) for name, model in models.items()} for _ in range(given.runs)]
    for name, model in models.items():
        found[name] = per_chip([run[name] for run in runs]) | {"provider": model.provider, "version": model.version}
    machine = {
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "onnxruntime": onnxruntime.__version__,
        "load_before": round(before, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    print(yaml.safe_dump({"machine": machine, "models": found}, sort_keys=False))


if __name__ == "__main__":
    main()
