"""Files that are written: whole under their name, or not there at all."""

import gzip
from pathlib import Path

import pytest

from rucio_dafab.catalogue import geoparquet
from rucio_dafab.catalogue.lines import FileUnreadable, written_whole


@pytest.mark.parametrize("name", ["items.ndjson", "items.ndjson.gz"])
def test_a_file_appears_when_it_is_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with written_whole(path) as stream:
        stream.write(b"{}\n")
        assert not path.exists()
    content = path.read_bytes()
    assert (gzip.decompress(content) if name.endswith(".gz") else content) == b"{}\n"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_a_file_that_broke_off(tmp_path: Path) -> None:
    path = tmp_path / "items.ndjson"
    path.write_text("as it was")
    with pytest.raises(RuntimeError, match="gone"), written_whole(path) as stream:
        stream.write(b"half")
        raise RuntimeError("the database is gone")
    assert path.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["none/items.ndjson", "file/items.ndjson", f"{'n' * 252}.gz"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileUnreadable, match="cannot be written"), written_whole(tmp_path / name):
        pass
    with pytest.raises(FileUnreadable, match="cannot be written"):
        geoparquet.write_items(tmp_path / name, [])
