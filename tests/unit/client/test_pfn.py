"""Which addresses of replicas are files of this machine."""

from pathlib import Path

import pytest

from rucio_dafab.pfn import local_file


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "rse" / "a b.tif"
    path.parent.mkdir()
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1"])
def test_a_file_address_of_this_machine(stored: Path, host: str) -> None:
    assert local_file(f"file://{host}{str(stored).replace(' ', '%20')}") == stored


def test_a_plain_path_is_one(stored: Path) -> None:
    assert local_file(str(stored)) == stored


@pytest.mark.parametrize(
    "address",
    [
        "file://other.example{path}",
        "https://localhost{path}",
        "file://localhost{folder}/../rse/a%20b.tif",
        "file://localhost{folder}/%2e%2e/rse/a%20b.tif",
        "file://localhost{folder}/absent",
        "file://localhost{folder}",
        "file://localhost{path}%00",
        "file:relative",
        "",
    ],
)
def test_everything_else_is_not(stored: Path, address: str) -> None:
    assert local_file(address.format(path=stored, folder=stored.parent)) is None
