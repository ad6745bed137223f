"""A walk through an archive: its cursor, what it handed out, and where it ends by itself."""

from datetime import date
from pathlib import Path

import pytest

from argo_templates import walks
from argo_templates.library import VARIANTS, workflow_template
from argo_templates.local.graphs import MOST_DEPTH
from argo_templates.steps.discover import DiscoverInput, discover
from argo_templates.walks import Step
from argo_templates.work import RunFolder, WorkError
from rucio_dafab.site.home import Home
from tests.unit.eo.sources.archive import as_json, running
from tests.unit.eo.sources.conftest import TABLE

DAY = date(2026, 6, 14)


def test_a_step_knows_what_those_before_it_handed_out_and_not_its_own_first_try(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    first = Step.at(run, "")
    assert (first.day, first.handed_out()) == (None, set())
    first.hand_out(["a", "b"])
    assert first.handed_out() == set()
    second = Step.at(run, first.following(DAY))
    assert (second.day, second.number, second.handed_out()) == (DAY, 1, {"a", "b"})
    second.hand_out(["c"])
    assert Step.at(run, second.following(DAY)).handed_out() == {"a", "b", "c"}


def test_a_walk_whose_folder_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="is missing"):
        Step.at(RunFolder(tmp_path), "2026-06-14.1").handed_out()


@pytest.mark.parametrize("cursor", ["2026-06-14", "2026-02-30.1", "today.1", "2026-06-14.x", "2026-06-14.99999"])
def test_what_is_no_cursor(cursor: str, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="is no cursor of a walk"):
        Step.at(RunFolder(tmp_path), cursor)


def test_a_line_names_some_and_counts_the_rest() -> None:
    assert walks.told(["b", "a"]) == "a, b"
    assert walks.told([str(number) for number in range(7)]) == "0, 1, 2, 3, 4 and 2 more"


def test_a_walk_of_more_windows_than_templates_may_call_one_another_ends_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the last step calls has to end above the limit: the scene, its products, a model, the pod of an inference.
    library = {each.name: each for each in workflow_template().templates or []}
    assert {"scene", "products", "model", f"infer-{VARIANTS[0].suffix}"} <= library.keys()
    assert 1 + (walks.MOST_STEPS + 1) + 4 <= MOST_DEPTH
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path))
    run = RunFolder(Home(tmp_path).work / "run")
    for number in range(walks.MOST_STEPS):
        Step(run, DAY, number).hand_out([])
    with running() as server:
        server.route("/odata/v1/Products", lambda _: as_json({"value": []}))
        (tmp_path / "sources.toml").write_text(TABLE.format(url=server.url, hosts="[]"))
        monkeypatch.setenv("DAFAB_SOURCES", str(tmp_path / "sources.toml"))
        given = {"work": str(run.root), "source": "safe", "area": "6_49_7_50", "start": "2026-01-01", "end": "today"}
        output = discover(DiscoverInput(**given, cursor=f"2026-06-14.{walks.MOST_STEPS}", models=""))
        assert (output.count, output.next) == (0, "")
        assert output.reason == "90 windows are as many as one run takes: submitted again it goes on from 2026-06-14"
        assert server.asked == []
