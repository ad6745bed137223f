"""Results that are whole or not there, wherever the step that makes them is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from argo_templates.steps.clean import CleanInput, clean
from argo_templates.work import (
    Work,
    WorkError,
    fingerprint,
    finished,
    read_json,
    seal_of,
    whole,
    write_json,
)


def test_a_result_appears_whole_and_sealed(tmp_path: Path) -> None:
    result = tmp_path / "water" / "product"
    with whole(result, "one") as folder:
        (folder / "mask.tif").write_text("mask")
        assert not result.exists()
    assert (result / "mask.tif").read_text() == "mask"
    assert finished(result, "one")
    assert not finished(result, "two")
    assert seal_of(result) == "one"


def test_an_error_leaves_the_result_of_before(tmp_path: Path) -> None:
    result = tmp_path / "product"
    with whole(result, "one") as folder:
        (folder / "mask.tif").write_text("first")
    with pytest.raises(RuntimeError), whole(result, "two") as folder:
        (folder / "mask.tif").write_text("second")
        raise RuntimeError
    assert finished(result, "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["product", "product.seal"]


def test_a_result_made_from_something_else_is_replaced(tmp_path: Path) -> None:
    result = tmp_path / "product"
    for text in ("one", "two"):
        with whole(result, text) as folder:
            (folder / text).touch()
    assert [path.name for path in result.iterdir()] == ["two"]
    assert finished(result, "two")


KILLED = """
import os, signal, sys
from pathlib import Path
from argo_templates import work
result, moment = Path(sys.argv[1]), sys.argv[2]
def die(*arguments, **settings):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "seal":
    work.write_file = die
if moment == "rename":
    Path.rename = die
with work.whole(result, "made") as folder:
    (folder / "mask.tif").write_text("mask")
    if moment == "writing":
        die()
"""


@pytest.mark.parametrize("moment", ["writing", "rename", "seal"])
def test_a_step_killed_anywhere_is_not_finished_and_can_be_run_again(tmp_path: Path, moment: str) -> None:
    result = tmp_path / "product"
    command = [sys.executable, "-c", KILLED, str(result), moment]
    ran = subprocess.run(command, check=False, timeout=60)
    assert ran.returncode == -signal.SIGKILL
    assert not finished(result, "made")
    with pytest.raises(WorkError, match="product"):
        seal_of(result)
    with whole(result, "made") as folder:
        (folder / "mask.tif").write_text("mask")
    assert finished(result, "made")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["product", "product.seal"]


def test_a_result_without_its_folder_is_not_finished(tmp_path: Path) -> None:
    (tmp_path / "product.seal").write_text("made")
    assert not finished(tmp_path / "product", "made")


def test_fingerprints_tell_what_went_in() -> None:
    assert fingerprint("infer", {"b": 1, "a": 2}) == fingerprint("infer", {"a": 2, "b": 1})
    assert fingerprint("infer", 1) != fingerprint("make", 1)


@pytest.mark.parametrize("model", ["../water", "water/../..", "", "Water", "a" * 33, ".."])
def test_a_model_cannot_name_another_place(tmp_path: Path, model: str) -> None:
    work = Work(tmp_path)
    for place in (work.bands, work.prediction, work.product, work.outcome):
        with pytest.raises(WorkError, match="no name of a model"):
            place(model)


def test_json_is_written_in_one_act(tmp_path: Path) -> None:
    write_json(tmp_path / "deep" / "outcome.json", {"outcome": "ran"})
    assert read_json(tmp_path / "deep" / "outcome.json") == {"outcome": "ran"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["outcome.json"]
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "deep" / "outcome.json", float("nan"))
    assert read_json(tmp_path / "deep" / "outcome.json") == {"outcome": "ran"}


@pytest.mark.parametrize("text", [None, "", "{"])
def test_what_an_earlier_step_should_have_written_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "outcome.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(WorkError, match=r"outcome\.json is missing or damaged"):
        read_json(path)


class TestClean:
    """Only working folders of this site are removed."""

    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return the home of a site."""
        monkeypatch.setenv("DAFAB_HOME", str(tmp_path))
        return tmp_path

    def test_a_working_folder_is_removed_and_counted(self, home: Path) -> None:
        run = home / "work" / "run"
        run.mkdir(parents=True)
        (run / "mask.tif").write_bytes(b"1234567")
        assert clean(CleanInput(work=str(run))).removed == 7
        assert not run.exists()
        assert clean(CleanInput(work=str(run))).removed == 0

    @pytest.mark.parametrize("elsewhere", ["work", "store", "work/../store", "."])
    def test_nothing_else_is(self, home: Path, elsewhere: str) -> None:
        place = home / elsewhere
        place.mkdir(parents=True, exist_ok=True)
        with pytest.raises(WorkError, match="not removed"):
            clean(CleanInput(work=str(place)))
        assert place.is_dir()

    def test_nor_what_a_link_points_to(self, home: Path) -> None:
        (home / "store").mkdir()
        (home / "work").mkdir()
        (home / "work" / "run").symlink_to(home / "store")
        with pytest.raises(WorkError, match="not removed"):
            clean(CleanInput(work=str(home / "work" / "run")))
        assert (home / "store").is_dir()
