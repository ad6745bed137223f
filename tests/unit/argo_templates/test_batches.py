"""Batches of items, and the table of what was made of them."""

import json
from pathlib import Path

import pytest

from argo_templates.batches import DONE, Batch, BatchFolder, split
from argo_templates.placement.values import Placement, Prediction
from argo_templates.steps.collect import CollectInput, collect
from argo_templates.work import WorkError


def placed(item: str, site: str) -> Placement:
    chosen = Prediction(site, "cpu", "hpk", site.upper())
    return Placement(item, chosen, (chosen,))


def test_items_are_split_by_place_and_number_in_their_order() -> None:
    found = split([placed("a", "y"), placed("b", "x"), placed("c", "y"), placed("d", "y")], 2)
    assert [(each.batch, each.site, each.items) for each in found] == [
        ("0001", "x", ("b",)),
        ("0002", "y", ("a", "c")),
        ("0003", "y", ("d",)),
    ]
    assert found[0].branch() == {"batch": "0001", "site": "x", "runtime": "hpk", "queue": "cpu", "rse": "X"}
    assert split([], 2) == []


@pytest.mark.parametrize("name", ["", "../0001", "1", "0001/x"])
def test_no_other_folder_is_a_batch(tmp_path: Path, name: str) -> None:
    with pytest.raises(WorkError, match="is no batch"):
        BatchFolder.of(str(tmp_path), name)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return the folder of a workflow with a batch of two items, of which one has a result."""
    folder = BatchFolder.of(str(tmp_path / "work"), "0001")
    folder.write(Batch("0001", "x", "hpk", "cpu", "X", ("a", "b")))
    (folder.made / "a" / "deep").mkdir(parents=True)
    (folder.made / "a" / "deep" / "x.txt").write_text("xyz")
    (folder.made / "a" / "result.json").write_text('{"count": 3}')
    (folder.root / DONE).touch()
    return tmp_path / "work"


def test_results_are_merged_whole_and_again_is_harmless(work: Path, tmp_path: Path) -> None:
    given = CollectInput(work=str(work), results=str(tmp_path / "results"))
    for _ in range(2):
        made = collect(given)
        assert (made.items, made.files, made.bytes) == (1, 2, 15)
    assert (tmp_path / "results" / "a" / "deep" / "x.txt").read_text() == "xyz"
    one, two = map(json.loads, (tmp_path / "results" / "results.ndjson").read_text().splitlines())
    assert one["result"] == {"count": 3}
    assert [file["path"] for file in one["files"]] == ["deep/x.txt", "result.json"]
    assert (two["item"], two["files"]) == ("b", [])


def test_what_good_batches_made_is_merged_beside_failed_ones(work: Path, tmp_path: Path) -> None:
    failed = BatchFolder.of(str(work), "0002")
    failed.write(Batch("0002", "y", "hpk", "cpu", "Y", ("c",)))
    (failed.made / "c").mkdir(parents=True)
    (failed.made / "c" / "half.txt").write_text("h")
    results = tmp_path / "results"
    with pytest.raises(WorkError) as refusal:
        collect(CollectInput(work=str(work), results=str(results)))
    assert str(refusal.value) == f"1 of 2 batches failed: 0002; what the others made is in {results}"
    assert sorted(path.name for path in results.iterdir()) == ["a", "results.ndjson"]
    lines = {line["item"]: line for line in map(json.loads, (results / "results.ndjson").read_text().splitlines())}
    assert {name: line.get("failed") for name, line in lines.items()} == {"a": None, "b": None, "c": "see its batch"}
    # It is taken up and succeeds: then all of it is there.
    (failed.root / DONE).touch()
    assert collect(CollectInput(work=str(work), results=str(results))).items == 2
    assert (results / "c" / "half.txt").read_text() == "h"


def test_a_link_is_no_result(work: Path, tmp_path: Path) -> None:
    (BatchFolder.of(str(work), "0001").made / "a" / "link").symlink_to("/etc/passwd")
    with pytest.raises(WorkError, match="is neither a file nor a folder"):
        collect(CollectInput(work=str(work), results=str(tmp_path / "results")))


def test_a_result_that_is_no_json_is_named(work: Path, tmp_path: Path) -> None:
    (BatchFolder.of(str(work), "0001").made / "a" / "result.json").write_text("{")
    with pytest.raises(WorkError, match=r"result\.json"):
        collect(CollectInput(work=str(work), results=str(tmp_path / "results")))
