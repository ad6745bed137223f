"""What is shipped: the wheel carries its resources, the policy package is found."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rucio_dafab
from rucio_dafab.eo.model_items import SHIPPED
from rucio_dafab.resources import resources

CHECKOUT = Path(__file__).resolve().parents[2]


def test_resources_are_the_checkouts_when_editable() -> None:
    assert resources() == CHECKOUT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_carries_models_cards_and_etc(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"rucio_dafab/_resources/{name}"
        for name in (
            "etc/queryables.toml",
            "etc/permissions.toml",
            "etc/ontology/dafab.ttl",
            "etc/fdb/schema",
            "etc/argo/limits/hpk-cpu",
            "etc/argo/scale/scale.yaml",
            "models/water/model.onnx",
            "models/water/MODEL_CARD.md",
            "models/water_radar/model.onnx",
            "models/water_radar/MODEL_CARD.md",
            "models/fields/model.onnx",
            "models/fields/MODEL_CARD.md",
        )
    }
    # All that an item in the catalogue says of a net is read from its files.
    told = ("*.onnx", "*.md", "*.json")
    beside = [path for name in SHIPPED for each in told for path in (CHECKOUT / "models" / name).glob(each)]
    wanted |= {f"rucio_dafab/_resources/{path.relative_to(CHECKOUT)}" for path in beside}
    assert wanted - names == set()
    assert not [name for name in names if name.startswith("models/")]


def test_resources_are_found_inside_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "from rucio_dafab.resources import resources; from rucio_dafab.vocabulary import load; "
        "assert len(list(load().queryables)) > 10; print(resources())"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, check=True, capture_output=True, text=True, timeout=60
    )
    assert said.stdout.strip() == str(tmp_path / "rucio_dafab" / "_resources")


def test_rucio_finds_what_it_asks_of_a_policy_package() -> None:
    assert rucio_dafab.get_algorithms() == {}
    assert rucio_dafab.SUPPORTED_VERSION
