"""A run that was killed or refused is taken up where it was, and two runs of one scene do not meet."""

import json
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argo_templates.pipeline import TRY_AGAIN, Event, process, work_folder
from argo_templates.steps.archive import ArchiveInput, archive
from argo_templates.steps.fetch import FetchInput, fetch
from argo_templates.steps.infer import InferInput, infer
from argo_templates.steps.make import PRODUCT, MakeInput, make
from argo_templates.work import Work
from dasi_backend.store import Store
from rucio_dafab.client import Found
from rucio_dafab.errors import DafabError
from rucio_dafab.storage import checksums
from tests.integration.scenes import CopyScene, check_whole, of_scene, refused, rewrite, run

pytestmark = [pytest.mark.integration, pytest.mark.shared, pytest.mark.timeout(900)]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], dict[str, str]]:
    """Return a function that makes the products of a scene without any site: checksums by DID of the file."""

    def reference(scene: Path) -> dict[str, str]:
        monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "elsewhere"))
        work = str(tmp_path / "elsewhere" / "work" / "run")
        fetch(FetchInput(scene=str(scene), work=work))
        archive(ArchiveInput(work=work))
        found = {}
        for model in ("water", "fields"):
            infer(InferInput(work=work, model=model))
            item = make(MakeInput(work=work, model=model)).item
            folder = Work(Path(work)).product(model)
            files = json.loads((folder / PRODUCT).read_text())["files"]
            found |= {f"dafab:{item}.{Path(path).name}": checksums(folder / path).sha256 for path in files.values()}
        return found

    return reference


WATER, FIELDS = "killed_water_analysis", "killed_smart_agriculture"
# When the process dies, and what is registered then; each run takes up where the one before was killed. The first run
# that publishes sends the source item, then both products, then what the source says of them; later ones begin with
# the products.
MOMENTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("fetch began", ()),
    ("fetch ended", ()),
    ("archive ended", ()),
    ("infer water ended", ()),
    ("make water ended", ()),
    ("infer fields ended", ()),
    ("make fields ended", ()),
    ("publish before 1", ()),
    ("publish after 1", ("killed",)),
    ("publish before 1", ("killed",)),
    ("publish after 1", ("killed", WATER)),
    ("publish after 2", ("killed", FIELDS, WATER)),
    ("publish before 3", ("killed", FIELDS, WATER)),
    ("publish after 3", ("killed", FIELDS, WATER)),
)


def test_killed_at_every_boundary_the_rerun_completes_with_identical_products(
    site: Any, copied: CopyScene, elsewhere: Callable[[Path], dict[str, str]]
) -> None:
    scene = copied("terramesh_433D_629L_3_1", "killed")
    script = str(Path(__file__).with_name("killed_run.py"))
    for moment, registered in MOMENTS:
        ran = site.run([sys.executable, script, str(scene), moment])
        assert ran.returncode == -signal.SIGKILL, f"{moment}: {ran.stderr}"
        items = of_scene(site, "killed")
        assert tuple(sorted(name.rpartition("_")[0] or name for name in items)) == registered, moment
        check_whole(site, items)
        assert claimed(items) <= set(items), moment
    report = run(site, scene)
    assert report["outcome"] == "unchanged"
    items = of_scene(site, "killed")
    assert {*claimed(items), "killed"} == set(items)
    made = {file["did"]: file["sha256"] for item in report["items"] for file in item["files"]}
    assert made == elsewhere(scene)


INSIDE = ("fetch", "archive", "infer water", "make water", "infer fields", "make fields", "publish")


def test_killed_inside_a_step_the_rerun_makes_the_same_bytes(
    site: Any, copied: CopyScene, elsewhere: Callable[[Path], dict[str, str]]
) -> None:
    """Each step is killed twice, at moments that are drawn anew in every run of the test."""
    seconds = dict(run(site, copied("terramesh_433D_629L_3_1", "timed"))["steps"])
    scene = copied("terramesh_433D_629L_3_1", "killed")
    rewrite(scene, id="inside")
    script, seed = str(Path(__file__).with_name("killed_run.py")), int.from_bytes(os.urandom(4))
    draw = random.Random(seed)
    for step in (*INSIDE, *INSIDE):
        moment = f"{step} inside {draw.uniform(0, seconds[step]):.4f}"
        ran = site.run([sys.executable, script, str(scene), moment])
        assert ran.returncode == -signal.SIGKILL, f"seed {seed}, {moment}: {ran.stderr}"
        check_whole(site, of_scene(site, "inside"))
    report = run(site, scene)
    made = {file["did"]: file["sha256"] for item in report["items"] for file in item["files"]}
    assert made == elsewhere(scene), f"seed {seed}"
    check_whole(site, of_scene(site, "inside"))
    assert not work_folder(scene).exists()
    assert not list(site.home.work.glob(f"{scene.name}-*"))


def claimed(items: dict[str, Found]) -> set[str]:
    """Return the derived items of which the source item says that they were made."""
    source = items.get("killed")
    records = (source.document or {})["properties"].get("dafab:processing", {}) if source else {}
    return {record["item"] for record in records.values()}


def test_one_run_at_a_time_over_a_scene(site: Any, copied: CopyScene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = copied("ftw_austria_a", "held")
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    held: list[str] = []

    def try_beside(_event: Event) -> None:
        if not held:
            held.append(refused(site, scene))

    process(scene, "MELUXINA", ["fields"], watch=try_beside)
    assert held == [
        f"rucio-dafab run {scene} (process {os.getpid()}) is at work on {site.home.root}: wait until it ends"
    ]
    assert not work_folder(scene).exists()


class Interrupted(DafabError):
    """What another try may mend."""

    exit_code = TRY_AGAIN


def test_a_run_that_is_taken_up_makes_nothing_twice_and_can_still_withdraw(
    site: Any, copied: CopyScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = copied("ftw_austria_a", "taken-up")
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    work, store = Work(work_folder(scene)), Store(site.home.store)

    def attempt(refusal: DafabError) -> dict[Path, int]:
        def stop(event: Event) -> None:
            if (event.step, event.state) == ("publish", "began"):
                raise refusal

        with pytest.raises(type(refusal)):
            process(scene, "MELUXINA", ["fields"], watch=stop)
        made = (work.staged, work.prediction("fields"), work.product("fields"))
        return {path: path.stat().st_ino for path in made if path.exists()}

    first = attempt(Interrupted("the network is away"))
    assert len(first) == 3
    assert attempt(Interrupted("the network is still away")) == first
    assert "taken-up" in {product.key.id for product in store.products()}
    assert attempt(DafabError("refused for good")) == {}
    assert "taken-up" not in {product.key.id for product in store.products()}
