"""Files of the catalogue onto this machine."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dasi_backend.errors import ChecksumError, StoreError
from dasi_backend.fetching import Wanted, fetch
from rucio_dafab.client import Replica

BYTES = b"what is wanted"
SUM = {"adler32": f"{zlib.adler32(BYTES):08x}"}


def settings_of(rse: str) -> Mapping[str, Any]:
    raise StoreError(f"the catalogue does not say how to reach RSE {rse}")


def wanted(*sources: Path, checksums: Mapping[str, str] = SUM) -> Wanted:
    replicas = [Replica(source.stem.upper(), f"file://localhost{source}") for source in sources]
    return Wanted("dafab:a.tif", len(BYTES), checksums, replicas)


def test_what_nothing_could_verify_is_not_fetched(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(BYTES)
    with pytest.raises(ChecksumError, match=r"dafab:a\.tif has no checksum"):
        fetch(wanted(tmp_path / "one", checksums={}), tmp_path / "out", settings_of)
    assert not (tmp_path / "out").exists()


def test_every_replica_is_tried_and_every_reason_is_said(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(BYTES[:5])
    (tmp_path / "damaged").write_bytes(BYTES[::-1])
    bad = (tmp_path / "missing", tmp_path / "short", tmp_path / "damaged")
    with pytest.raises(StoreError) as refusal:
        fetch(wanted(*bad), tmp_path / "out" / "a.tif", settings_of)
    for said in (
        "how to reach RSE MISSING",
        "SHORT: ",
        "5 bytes instead of 14",
        "DAMAGED: ",
        "adler32 checksum does not match",
    ):
        assert said in str(refusal.value)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "good").write_bytes(BYTES)
    assert fetch(wanted(*bad, tmp_path / "good"), tmp_path / "out" / "a.tif", settings_of) is False
    assert (tmp_path / "out" / "a.tif").read_bytes() == BYTES
    assert fetch(wanted(*bad), tmp_path / "out" / "a.tif", settings_of) is True
