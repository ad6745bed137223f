"""The step that places a staged scene: where no slot is free it waits or refuses, as it is told."""

import json
import os
from pathlib import Path

import pytest

from argo_templates.placement.errors import NoRoomNow
from argo_templates.steps.place_scene import PlaceSceneInput, place_scene
from argo_templates.work import Work, whole

FULL = "{name: cpu, device: cpu-2-cores, cores: 8, free_cores: 0, memory_gib: 64, waiting_seconds: 600}"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return the working folder of a run that has staged a scene without bands."""
    with whole(Work(tmp_path / "work").staged, "nothing") as folder:
        item = {"id": "a_scene", "properties": {"proj:shape": [512, 512]}, "assets": {}}
        (folder / "item.json").write_text(json.dumps(item))
    return tmp_path / "work"


def test_where_no_slot_is_free_it_waits_or_refuses_with_the_reason(work: Path, tmp_path: Path) -> None:
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "full.yaml").write_text(f"name: full\nruntime: hpk\nrse: CLOUD\nqueues: [{FULL}]\n")
    given = PlaceSceneInput(work=str(work), at="CLOUD", models="water", sites=str(sites))
    placed = place_scene(given)
    assert (placed.site, placed.runtime, placed.queue) == ("full", "hpk", "cpu")
    assert placed.seconds > 600
    with pytest.raises(NoRoomNow, match="a_scene can be placed nowhere: full/cpu: no free slot now") as refused:
        place_scene(given.model_copy(update={"policy": "refuse"}))
    assert refused.value.exit_code == os.EX_TEMPFAIL
