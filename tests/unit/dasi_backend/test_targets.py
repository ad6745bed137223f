"""Templates of targets."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasi_backend import targets
from dasi_backend.errors import TargetError
from dasi_backend.targets import Claim


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("out/[id].tif", "out/scene_1.tif"),
        ("[tile]_[date].tif", "33uwp_20260601.tif"),
        ("/abs/[id]/[asset]-[id].tif", "/abs/scene_1/water-scene_1.tif"),
        ("../up/plain.tif", "../up/plain.tif"),
    ],
)
def test_fields_are_filled(template: str, path: str) -> None:
    values = {"id": "scene_1", "tile": "33uwp", "date": "20260601", "asset": "water"}
    targets.check(template)
    assert targets.fill(template, values, "scene_1") == Path(path)


@pytest.mark.parametrize("template", ["", ".", "..", "out/", "[foo].tif", "[id", "id]", "a[[id]]", "[].tif", "a\0b"])
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    with pytest.raises(TargetError, match="target="):
        targets.check(template)


@pytest.mark.parametrize(
    "identifier", ["../../etc/passwd", "a/b", "..", ".", ".x", "", "a\0", "a b", "-rf", "[id]", "ü"]
)
def test_an_id_cannot_leave_the_folder(identifier: str) -> None:
    with pytest.raises(TargetError, match="scene"):
        targets.fill("out/[id].tif", {"id": identifier}, "scene")


@given(st.text(max_size=300))
def test_whatever_an_id_is_the_path_stays_below_the_folder(identifier: str) -> None:
    try:
        path = targets.fill("out/[id].tif", {"id": identifier}, "scene")
    except TargetError:
        return
    assert path.parent == Path("out")
    assert path.name == f"{identifier}.tif"


@pytest.mark.parametrize(
    "template", [f"{'a' * 256}/[id]", f"{'a/' * 2000}[id]", f"{'ü' * 128}/[id]", f"[id]{'a' * 220}"]
)
def test_a_path_that_no_file_could_have_is_refused(template: str) -> None:
    targets.check(template)
    with pytest.raises(TargetError, match="the path for scene is too long"):
        targets.fill(template, {"id": "a"}, "scene")


def test_a_missing_value_is_named() -> None:
    with pytest.raises(TargetError, match="scene has no tile"):
        targets.fill("[tile].tif", {"id": "a"}, "scene")


def claims(*pairs: tuple[str, str]) -> list[Claim]:
    return [Claim("x", Path(path), what) for path, what in pairs]


def test_two_answers_for_one_path_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="a and b would both be written"):
        targets.refuse_clashes(claims(("x", "a"), ("y", "c"), ("x", "b")))
    with pytest.raises(TargetError, match="a and a would both be written"):
        targets.refuse_clashes(claims(("x", "a"), ("y/../x", "a")))
    with pytest.raises(TargetError, match="a and a would both be written"):
        targets.refuse_clashes([Claim("x", tmp_path, "a", ("a", "b02")), Claim("x", tmp_path, "a", ("a", "b03"))])


def test_an_answer_within_another_is_refused() -> None:
    with pytest.raises(TargetError, match="b would be written into out/x, which is a"):
        targets.refuse_clashes(claims(("out/x/b.tif", "b"), ("out/x", "a")))


def test_different_paths_are_fine_and_so_is_one_answer_found_twice(tmp_path: Path) -> None:
    targets.refuse_clashes(claims(("x", "a"), ("y", "b")))
    targets.refuse_clashes([Claim("x", tmp_path, "a", "same"), Claim("x", tmp_path, "a", "same")])
