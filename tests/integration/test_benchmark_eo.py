"""The benchmark of whole tiles, over a small one: what its record says, not how fast this machine is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.integration
def test_the_record_names_the_hardware_and_judges_what_has_a_target(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.eo", "--size", "600", "--json", str(tmp_path / "r.json"), "products"]
    environment = os.environ | {"DAFAB_BENCHMARKS": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "r.json").read_text())
    assert set(record["providers"]) == {"water", "fields"}
    assert set(record["providers"].values()) <= set(onnxruntime.get_available_providers())
    assert record["gpu"] or "no GPU" in record["machine"]
    figures = {row["what"]: row for row in record["figures"]}
    for model in ("water", "fields"):
        decoding = figures[f"{model} from JPEG 2000: decoding alone"]["value"]
        more = figures[f"{model} from JPEG 2000: more than from COGs"]
        assert decoding > 0
        assert more["target"] == f"<= {decoding:.1f}"
        assert more["met"] is (more["value"] <= decoding)
    raw = figures["water: 1 ÷ (raw mask ÷ scene of 16 bytes a pixel)"]
    assert (raw["value"], raw["met"]) == (128, True)
    assert figures["fields: parcels of the tile"]["value"] > 10
