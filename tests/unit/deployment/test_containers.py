"""What stands in the files of `deployment/containers/` agrees with the rest of the project."""

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from argo_templates import factory
from deployment.containers import requirements_of
from rucio_dafab import __version__
from rucio_dafab.site.configuration import service_command
from rucio_dafab.site.record import SiteRecord

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deployment" / "containers"
LOCK = requirements_of.blocks((ROOT / "requirements.lock").read_text())
FILES = sorted(FOLDER.glob("*.Containerfile"))


def chosen(*options: str) -> set[str]:
    """Return the names that the script prints for options, each with at least one hash."""
    command = [sys.executable, str(FOLDER / "requirements_of.py"), str(ROOT / "requirements.lock"), *options]
    found = requirements_of.blocks(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert all("--hash=sha256:" in block for block in found.values())
    return set(found)


def needed(name: str, extra: str = "", seen: set[tuple[str, str]] | None = None) -> set[str]:
    """Return what an installed distribution needs, by its own metadata."""
    seen = set() if seen is None else seen
    if (name, extra) in seen:
        return set()
    seen.add((name, extra))
    found = {name}
    for text in metadata.requires(name) or []:
        each = Requirement(text)
        if each.marker is None or each.marker.evaluate({"extra": extra}):
            for more in ("", *each.extras):
                found |= needed(str(canonicalize_name(each.name)), more, seen)
    return found


@pytest.mark.parametrize("extras", [("worker", "argo"), ("server",)])
def test_the_pins_of_an_image_are_all_that_the_installed_packages_ask_for(extras: tuple[str, ...]) -> None:
    found = chosen(*(f"--extra={extra}" for extra in extras))
    asked = set().union(*(needed("rucio-dafab", extra) for extra in ("", *extras))) - {"rucio-dafab"}
    assert asked <= found
    # What only development needs stays out.
    assert not found & {"mypy", "pytest", "ruff", "uv", "hatchling", "hypothesis"}


def test_the_worker_has_no_database_and_the_server_no_inference() -> None:
    assert not chosen("--extra=worker", "--extra=argo") & {"sqlalchemy", "psycopg", "rucio", "fastapi"}
    assert not chosen("--extra=server") & {"onnxruntime", "rasterio", "pyfdb", "hera"}
    assert "onnxruntime" not in chosen("--extra=worker", "--extra=argo", "--without=onnxruntime")


@pytest.mark.parametrize(
    ("options", "said"), [(["--extra=none"], "no extra none"), (["--package=none"], "does not pin none")]
)
def test_what_is_not_there_is_refused_in_one_line(options: list[str], said: str) -> None:
    command = [sys.executable, str(FOLDER / "requirements_of.py"), str(ROOT / "requirements.lock"), *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_image_runs_as_the_user_of_the_templates(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == [f"{factory.USER_ID}:{factory.USER_ID}"]
    assert f"DAFAB_HOME={factory.HOME} HOME={factory.TMP}" in text
    name = path.name.removesuffix(".Containerfile")
    assert f'org.opencontainers.image.title="rucio-dafab-{name}"' in text


def test_the_images_are_called_as_templates_and_manifests_say() -> None:
    parameters = yaml.safe_load((ROOT / "argo_templates" / "rendered" / "dafab-process.yaml").read_text())
    by_name = {each["name"]: each.get("value") for each in parameters["spec"]["arguments"]["parameters"]}
    assert by_name["image"] == f"localhost/rucio-dafab-worker:{__version__}"
    assert {path.name.removesuffix(".Containerfile") for path in FILES} == {"worker", "worker-gpu", "server"}


def test_the_server_starts_with_the_options_of_a_site() -> None:
    text = (FOLDER / "server.Containerfile").read_text()
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    _, _, line = json.loads(entry)
    options = [
        each for each in service_command(SiteRecord(8000, 5432))[2:] if not each.startswith(("--host", "--port"))
    ]
    assert line.split()[2] == "-m"
    assert [each for each in line.split()[3:] if not each.startswith(("--host", "--port"))] == options


def test_the_pins_for_gpus_have_hashes_and_another_build_of_the_same_module() -> None:
    found = requirements_of.blocks((FOLDER / "gpu.lock").read_text())
    assert next(iter(found)) == "onnxruntime-gpu"
    # Of what it loads, everything but the driver: the wheel is made for CUDA 13.
    assert {"nvidia-cublas", "nvidia-cuda-runtime", "nvidia-cudnn-cu13", "nvidia-cufft", "nvidia-curand"} < set(found)
    assert all("--hash=sha256:" in block for block in found.values())


STEPS = """
import importlib, pkgutil, sys
from importlib import metadata
from importlib.abc import MetaPathFinder

from packaging.utils import canonicalize_name

class OnlyPinned(MetaPathFinder):
    def __init__(self, pins):
        self.owners = {top: {canonicalize_name(each) for each in names} for top, names in
                       metadata.packages_distributions().items()}
        self.pins = pins

    def find_spec(self, name, path=None, target=None):
        owners = self.owners.get(name.partition(".")[0], set())
        if owners and not owners & self.pins:
            raise ModuleNotFoundError(f"the image has no {name}")

sys.meta_path.insert(0, OnlyPinned({"rucio-dafab", *sys.argv[1:]}))
import argo_templates.pod, argo_templates.steps, dasi_backend.cli, rucio_dafab.cli.main, rucio_dafab.cli.simulate
for module in pkgutil.iter_modules(argo_templates.steps.__path__):
    print(importlib.import_module(f"argo_templates.steps.{module.name}").__name__)
"""


def test_every_step_can_be_imported_from_the_pins_of_the_worker() -> None:
    pins = chosen("--extra=worker", "--extra=argo")
    ran = subprocess.run([sys.executable, "-c", STEPS, *pins], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "argo_templates.steps.infer" in ran.stdout.splitlines()
