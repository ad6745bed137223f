"""Fields of two acquisitions of one place: what the item says of them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dasi_backend.store import Store
from rucio_dafab.eo.items import version_number
from rucio_dafab.eo.models import load_model
from rucio_dafab.eo.simulate import Options, simulate, write_safe

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SEED = 4101

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(site: Any) -> Run:
    """Return a function that runs a command of the project, and tells what it left."""

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_", "RUCIO_"))}
        command = [str(Path(sys.executable).with_name("rucio-dafab")), *arguments]
        environment = kept | {"DAFAB_HOME": str(site.home.root)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    return call


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two acquisitions of one place."""
    folder = tmp_path_factory.mktemp("scenes")
    return [simulated(folder, day) for day in (date(2026, 6, 14), date(2026, 5, 2))]


def simulated(folder: Path, day: date, size: int = 256) -> Path:
    return write_safe(simulate(SEED, Options(size=size, clouds=0.02, date=day)), folder)


def report(ran: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert ran.returncode == 0, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def properties(site: Any, item: str) -> dict[str, Any]:
    (found,) = site.client("user_dafab").read_documents([item])
    told: dict[str, Any] = found.document["properties"]
    return told


def test_the_item_names_both_acquisitions(site: Any, run: Run, scenes: list[Path], tmp_path: Path) -> None:
    scene, second = scenes
    alone = report(run("run", str(scene), "--model", "fields", "--json"))["record"]["fields"]
    told = report(run("run", str(scene), "--second", str(second), "--json"))
    fields = told["record"]["fields"]
    assert (fields["second"], told["record"]["water"].get("second"), alone.get("second")) == (second.stem, None, None)
    # Of one date and of two: two products of the scene, neither in place of the other.
    assert alone["item"] == f"{scene.stem}_smart_agriculture_{version_number(load_model('fields').version)}"
    assert fields["item"].startswith(f"{scene.stem}_with_20260502T")
    assert "dafab:second_acquisition" not in properties(site, alone["item"])
    (found,) = site.client("user_dafab").read_documents([fields["item"]])
    acquired = found.document["properties"]["dafab:second_acquisition"]
    assert acquired["id"] == second.stem
    assert acquired["datetime"].startswith("2026-05-02T")
    made_of = [link for link in found.document["links"] if link["rel"] == "derived_from" and "mlm:name" not in link]
    assert [link["href"].rpartition("/")[2] for link in made_of] == [scene.stem, second.stem]
    assert properties(site, scene.stem)["dafab:processing"]["fields"] == fields

    # The second one is in the store, held by nobody, and nothing of the run is left; again changes nothing.
    store = Store(site.home.store)
    assert store.contains(second.stem)
    assert [lease for lease in store.holds.leases() if lease.product in (scene.stem.lower(), second.stem.lower())] == []
    assert not list(site.home.work.glob(f"{scene.stem}*"))
    again = report(run("run", str(scene), "--second", str(second), "--json"))
    assert (again["outcome"], again["record"]) == ("unchanged", told["record"])
    picture = tmp_path / "fields.png"
    shown = run("show", fields["item"], "-o", str(picture))
    assert (shown.returncode, picture.is_file()) == (0, True), shown.stderr


@pytest.mark.parametrize(
    ("day", "size", "said"),
    [
        (date(2026, 5, 12), 128, "its transform is (10.0, 0.0, 722640.0, 0.0, -10.0, 5516100.0), not "),
        (date(2026, 6, 14), 256, "cannot be its own second acquisition"),
    ],
)
def test_a_second_one_that_cannot_be_is_one_line_and_leaves_nothing(
    site: Any, run: Run, scenes: list[Path], tmp_path: Path, day: date, size: int, said: str
) -> None:
    second = simulated(tmp_path, day, size)
    before = {product.key.id for product in Store(site.home.store).products()}
    ran = run("run", str(scenes[0]), "--second", str(second), "--model", "fields")
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.splitlines()[-1].startswith("error: ")
    assert said in ran.stderr.splitlines()[-1]
    assert {product.key.id for product in Store(site.home.store).products()} - before <= {scenes[0].stem}
    assert not list(site.home.work.glob(f"{scenes[0].stem}*"))
