"""Bytes onto an RSE with POSIX protocol: Rucio's own client code on a real folder, no server needed."""

import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest
from rucio.common.config import clean_cached_config

from rucio_dafab.storage import StorageError, checksums, store_file


@pytest.fixture
def rse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the settings of an RSE as Rucio's server describes one."""
    config = tmp_path / "rucio.cfg"
    config.write_text("[client]\n")
    monkeypatch.setenv("RUCIO_CONFIG", str(config))
    clean_cached_config()
    prefix = tmp_path / "rse"
    prefix.mkdir()
    each = {"read": 1, "write": 1, "delete": 1, "third_party_copy_read": 1, "third_party_copy_write": 1}
    protocol = {
        "scheme": "file",
        "hostname": "localhost",
        "port": 0,
        "prefix": str(prefix),
        "impl": "rucio.rse.protocols.posix.Default",
        "domains": {"lan": each, "wan": each},
        "extended_attributes": None,
    }
    return {
        "rse": "DISK",
        "deterministic": True,
        "availability_write": True,
        "verify_checksum": True,
        "lfn2pfn_algorithm": "hash",
        "sign_url": None,
        "protocols": [protocol],
    }


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """Return a file to store."""
    path = tmp_path / "mask.tif"
    path.write_bytes(b"water" * 500_000)
    return path


def stored(rse: dict[str, Any]) -> list[Path]:
    return [path for path in Path(rse["protocols"][0]["prefix"]).rglob("*") if path.is_file()]


def test_checksums_are_those_of_the_standard_library(mask: Path) -> None:
    data = mask.read_bytes()
    sums = checksums(mask)
    assert sums.bytes == len(data)
    assert sums.adler32 == f"{zlib.adler32(data):08x}"
    assert sums.md5 == hashlib.md5(data).hexdigest()
    assert sums.sha256 == hashlib.sha256(data).hexdigest()


def test_a_file_is_stored_at_its_deterministic_place(mask: Path, rse: dict[str, Any]) -> None:
    file = store_file(mask, rse, "dafab", "item/mask.tif")
    digest = hashlib.md5(b"dafab:item/mask.tif").hexdigest()
    place = Path(rse["protocols"][0]["prefix"]) / "dafab" / digest[:2] / digest[2:4] / "item/mask.tif"
    assert stored(rse) == [place]
    assert place.read_bytes() == mask.read_bytes()
    assert file.pfn == f"file://localhost{place}"
    assert (file.name, file.rse, file.present) == ("item/mask.tif", "DISK", False)


def test_again_is_harmless(mask: Path, rse: dict[str, Any]) -> None:
    first = store_file(mask, rse, "dafab", "item/mask.tif")
    again = store_file(mask, rse, "dafab", "item/mask.tif")
    assert again.present
    assert (again.pfn, again.sha256) == (first.pfn, first.sha256)


def test_other_bytes_are_never_replaced(mask: Path, rse: dict[str, Any]) -> None:
    store_file(mask, rse, "dafab", "item/mask.tif")
    before = mask.read_bytes()
    mask.write_bytes(before[:-1] + b"!")
    with pytest.raises(StorageError, match="other bytes") as refusal:
        store_file(mask, rse, "dafab", "item/mask.tif")
    assert "dafab:item/mask.tif" in str(refusal.value)
    assert stored(rse)[0].read_bytes() == before


def test_what_a_killed_upload_left_is_written_over(mask: Path, rse: dict[str, Any]) -> None:
    place = Path(store_file(mask, rse, "dafab", "item/mask.tif").pfn.removeprefix("file://localhost"))
    place.rename(f"{place}.rucio.upload")
    Path(f"{place}.rucio.upload").write_bytes(b"half")
    assert not store_file(mask, rse, "dafab", "item/mask.tif").present
    assert stored(rse) == [place]
    assert place.read_bytes() == mask.read_bytes()


def test_an_empty_file_is_stored(tmp_path: Path, rse: dict[str, Any]) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert store_file(empty, rse, "dafab", "item/empty").bytes == 0


@pytest.mark.parametrize("name", ["../up", "item/../../up", "/absolute", "two words", "x" * 251, "", "item/ü"])
def test_a_name_that_rucio_or_a_path_cannot_keep_is_refused(mask: Path, rse: dict[str, Any], name: str) -> None:
    with pytest.raises(StorageError, match="no name"):
        store_file(mask, rse, "dafab", name)
    assert stored(rse) == []


def test_a_missing_file_is_named(tmp_path: Path, rse: dict[str, Any]) -> None:
    with pytest.raises(StorageError, match=r"absent\.tif"):
        store_file(tmp_path / "absent.tif", rse, "dafab", "item/absent.tif")


def test_an_rse_whose_places_cannot_be_told_is_refused(mask: Path, rse: dict[str, Any]) -> None:
    with pytest.raises(StorageError, match="not deterministic"):
        store_file(mask, rse | {"deterministic": False}, "dafab", "item/mask.tif")


def test_an_rse_that_takes_no_writes_is_refused(mask: Path, rse: dict[str, Any]) -> None:
    with pytest.raises(StorageError, match="takes no writes"):
        store_file(mask, rse | {"availability_write": False}, "dafab", "item/mask.tif")


def test_a_place_that_cannot_be_written_is_named(mask: Path, rse: dict[str, Any]) -> None:
    rse["protocols"][0]["prefix"] = str(mask)
    with pytest.raises(StorageError, match="DISK"):
        store_file(mask, rse, "dafab", "item/mask.tif")
