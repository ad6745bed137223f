"""Files and folders that are whole or absent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dasi_backend.appearing import appearing, discard
from dasi_backend.errors import TargetError


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.tif"
    with appearing(target, TargetError) as made:
        made.write_bytes(b"half")
        assert [path.name for path in target.parent.iterdir()] == [".a.tif.part"]
        made.write_bytes(b"whole")
    assert [path.name for path in target.parent.iterdir()] == ["a.tif"]
    assert target.read_bytes() == b"whole"
    assert target.stat().st_mode & 0o777 == 0o666 & ~umask()


def umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def test_a_folder_is_there_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()  # empty: it is replaced
    with appearing(tmp_path / "scene", TargetError) as made:
        made.mkdir()
        (made / "B02.tif").write_bytes(b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["scene"]
    assert (tmp_path / "scene").stat().st_mode & 0o777 == 0o777 & ~umask()
    with (
        pytest.raises(TargetError, match="scene cannot be written: Directory not empty"),
        appearing(tmp_path / "scene", TargetError) as made,
    ):
        made.mkdir()
    assert (tmp_path / "scene" / "B02.tif").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["scene"]


def test_after_an_error_nothing_is_there(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), appearing(tmp_path / "scene", TargetError) as made:
        made.mkdir()
        (made / "B02.tif").touch()
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_is_found_by_the_next_one_of_this_name(tmp_path: Path) -> None:
    target = tmp_path / "a.tif"
    with pytest.raises(ZeroDivisionError), appearing(target, TargetError, keep="one") as made:
        made.write_bytes(b"half")
        (made.parent / "beside").touch()
        _ = 1 / 0
    assert not target.exists()
    with appearing(target, TargetError, keep="one") as made:
        assert [path.name for path in made.parent.iterdir()] == ["one"]
        assert made.read_bytes() == b"half"
        made.write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_what_another_one_left_is_removed(tmp_path: Path) -> None:
    for keep in ("one", None):
        with pytest.raises(ZeroDivisionError), appearing(tmp_path / "a.tif", TargetError, keep="other") as made:
            made.write_bytes(b"half")
            _ = 1 / 0
        with appearing(tmp_path / "a.tif", TargetError, keep=keep) as made:
            assert list(made.parent.iterdir()) == []
            made.write_bytes(b"whole")
        assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "a.tif"
    with appearing(target, TargetError, keep="same") as first:
        first.write_bytes(b"first")
        with appearing(target, TargetError, keep="same") as second:
            assert second != first
            assert not second.exists()
            second.write_bytes(b"second")
        assert target.read_bytes() == b"second"
        with pytest.raises(ZeroDivisionError), appearing(target, TargetError, keep="same") as third:
            third.write_bytes(b"third")
            _ = 1 / 0
        assert len(list(tmp_path.iterdir())) == 2, "only one of them keeps something"
    assert target.read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_what_a_killed_process_left_is_removed_unless_it_is_in_use(tmp_path: Path) -> None:
    target, left = tmp_path / "scene", tmp_path / ".scene.part"
    (left / "scene").mkdir(parents=True)
    (left / "scene" / "B02.tif").touch()
    discard(target)
    assert not left.exists()
    discard(target)
    with appearing(target, TargetError) as made:
        made.mkdir()
        discard(target)
        assert made.is_dir()
    assert target.is_dir()


def test_what_the_second_of_two_left_when_it_was_killed_is_removed_by_the_next_one(tmp_path: Path) -> None:
    target, other = tmp_path / "a.tif", tmp_path / "a.tif.part1"
    with pytest.raises(ZeroDivisionError), appearing(other, TargetError, keep="same") as made:
        made.write_bytes(b"of another target")
        _ = 1 / 0
    write = f"""if True:
        import os, signal
        from pathlib import Path
        from dasi_backend.appearing import appearing
        from dasi_backend.errors import TargetError
        with appearing(Path({str(target)!r}), TargetError) as made:
            made.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    with appearing(target, TargetError, keep="same") as first:
        first.write_bytes(b"first")
        assert subprocess.run([sys.executable, "-c", write], check=False).returncode == -signal.SIGKILL
        left = tmp_path / ".a.tif.part1"
        assert (left / "a.tif").read_bytes() == b"half"
    with appearing(target, TargetError) as next_one:
        assert not left.exists()
        with appearing(target, TargetError) as second, appearing(target, TargetError) as third:
            second.write_bytes(b"second")
            third.write_bytes(b"third")
            discard(target)
            assert second.exists() and third.exists(), "what is in use stays"
        next_one.write_bytes(b"whole")
    assert target.read_bytes() == b"whole"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.tif.part1.part", "a.tif"]


def test_a_link_in_the_place_of_the_hidden_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (tmp_path / ".a.tif.part").symlink_to(tmp_path / "mine")
    discard(tmp_path / "a.tif")
    with appearing(tmp_path / "a.tif", TargetError) as made:
        made.write_bytes(b"whole")
    assert (tmp_path / "mine" / "file").exists()
    assert (tmp_path / "a.tif").read_bytes() == b"whole"


def test_where_nothing_can_be_written_it_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(TargetError, match=r"file/a\.tif cannot be written: File exists"),
        appearing(tmp_path / "file" / "a.tif", TargetError),
    ):
        pass


def test_a_block_that_makes_nothing_leaves_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"there")
    with appearing(tmp_path / "a.tif", TargetError):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
