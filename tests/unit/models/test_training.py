"""Training itself: a few steps. Deselected where torch is not installed (``conftest.py``)."""

import subprocess
import sys
from pathlib import Path

import pytest

from rucio_dafab.eo.inference import load_model
from rucio_dafab.resources import resources


@pytest.mark.parametrize("name", ["water", "water_radar", "fields"])
def test_a_few_steps_make_a_net_that_loads(name: str, tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    few = ["--steps", "3", "--minutes", "5", "--scenes", "2", "--size", "128", "--side", "64", "--batch", "2"]
    # The simulator alone: the real pieces are not there on every machine.
    few += ["--real", "0"]
    command = [sys.executable, "-m", f"models.{name}.train", *few, "--output", str(output)]
    done = subprocess.run(command, cwd=resources(), capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert load_model(output).name == name
    assert (tmp_path / "training.json").is_file()
