"""Paths of pods and of this machine, there and back."""

from pathlib import Path

import pytest

from argo_templates.local.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return the paths of a pod as ours are."""
    for name in ("work", "scenes", "own"):
        (tmp_path / name).mkdir()
    mounts = {"/dafab/work": tmp_path / "work", "/scenes": tmp_path / "scenes", "/tmp": tmp_path / "own"}
    return Paths(tmp_path / "root", mounts)


def test_what_is_at_or_below_a_mount_is_its_folder(paths: Paths, tmp_path: Path) -> None:
    assert paths.here("/dafab/work") == str(tmp_path / "work")
    assert paths.here("--out=/dafab/work/x y=/scenes/s") == f"--out={tmp_path}/work/x y={tmp_path}/scenes/s"


def test_what_is_above_a_mount_holds_a_link_to_it(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "work" / "file").touch()
    assert (Path(paths.here("/dafab")) / "work" / "file").is_file()
    assert not (Path(paths.here("/dafab")) / "store").exists()


@pytest.mark.parametrize(
    "text", ["/dafab/workshop/x", "/data/scenes", "s3://x/tmp", "/tmpfile", "a/scenes", "/usr/bin"]
)
def test_other_texts_stay(paths: Paths, tmp_path: Path, text: str) -> None:
    assert paths.here(text) == text.replace("/dafab/", f"{tmp_path}/root/dafab/")


def test_what_a_pod_wrote_is_told_as_it_would_have_seen_it(paths: Paths) -> None:
    for text in ("/dafab/work/x", "/scenes/s.SAFE", '["/tmp/a", "/tmp/b"]'):
        assert paths.in_pod(paths.here(text)) == text
