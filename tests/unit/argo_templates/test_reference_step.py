"""The step ``reference`` where the catalogue is not asked, and what it leaves for the step that makes the product."""

from pathlib import Path

import pytest

from argo_templates.steps.reference import CODES, TOLD, ReferenceInput, chosen, reference
from argo_templates.work import Work, WorkError, whole, write_json


def test_nothing_is_asked_where_no_water_is_made() -> None:
    told = reference(ReferenceInput(work="/nowhere", models="fields", memo="key", occurrence="/nowhere"))
    assert (told.source, told.memo) == ("", "key")


def test_a_scene_that_is_not_staged_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="staged is missing: the step that makes it has not ended"):
        reference(ReferenceInput(work=str(tmp_path), models="water"))


def test_what_it_left_is_handed_on(tmp_path: Path) -> None:
    work = Work(tmp_path)
    assert chosen(work) is None, "a workflow without this step"
    for told, masks in (({"source": "past_masks", "masks": 1}, ("a",)), ({"source": "occurrence"}, ())):
        with whole(work.reference, "test") as folder:
            write_json(folder / TOLD, {"told": told, "masks": masks})
        found = chosen(work)
        assert found is not None
        assert (found.told, found.path, found.masks) == (told, work.reference / CODES, masks)
    for told in ({"source": "scene"}, {"source": "none", "reason": "too few"}):
        with whole(work.reference, "test") as folder:
            write_json(folder / TOLD, {"told": told, "masks": ()})
        found = chosen(work)
        assert found is not None
        assert (found.told, found.path) == (told, None)
    with whole(work.reference, "test") as folder:
        write_json(folder / TOLD, None)
    assert chosen(work) is None, "a product that was published before references were told"
