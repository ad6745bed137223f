"""Files that break off on their way over HTTP: gone on with where they did, by whoever has the same bytes."""

import random
import subprocess
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rucio.common.config import clean_cached_config

from dasi_backend import replicas
from dasi_backend.errors import ChecksumError, StoreError, TargetError
from dasi_backend.fetching import Wanted, fetch
from rucio_dafab.client import Replica
from tests.unit.eo.sources.archive import Archive, Fault, running

BYTES = random.Random(1).randbytes(3_000_000)
HALF = 1_500_000
BUSY = [Fault(503)] * 9


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """Return a server with the file under two addresses, as two RSEs."""
    (tmp_path / "proxy.pem").touch()
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "proxy.pem"))
    (tmp_path / "rucio.cfg").write_text("[client]\n[common]\n")
    monkeypatch.setenv("RUCIO_CONFIG", str(tmp_path / "rucio.cfg"))
    clean_cached_config()
    with running() as server:
        server.route("/", lambda _: (200, {}, b""))
        server.files |= {"/a/mask.tif": BYTES, "/b/mask.tif": BYTES}
        yield server
    clean_cached_config()


@pytest.fixture
def settings_of(archive: Archive) -> Callable[[str], Mapping[str, Any]]:
    """Return the settings of RSEs that Rucio's class for WebDAV reads."""
    port = int(archive.url.rpartition(":")[2])

    def settings(rse: str) -> Mapping[str, Any]:
        domains = {"wan": {"read": 1}, "lan": {"read": 1}}
        said = {"scheme": "http", "hostname": "127.0.0.1", "port": port, "prefix": "/", "domains": domains}
        said |= {"impl": "rucio.rse.protocols.webdav.Default", "extended_attributes": None}
        return {"rse": rse, "id": "0", "deterministic": True, "sign_url": None, "protocols": [said]}

    return settings


def wanted(archive: Archive, *paths: str, data: bytes = BYTES) -> Wanted:
    named = [Replica(path[1].upper(), f"{archive.url}{path}") for path in paths or ("/a/mask.tif",)]
    return Wanted("dafab:mask.tif", len(data), {"adler32": f"{zlib.adler32(data):08x}"}, named)


def begins(archive: Archive, path: str = "/a/mask.tif") -> list[str]:
    """Return where the requests for a file began."""
    return [asked.headers.get("Range", "whole") for asked in archive.gets(path)]


def test_a_file_that_breaks_off_is_gone_on_with(archive: Archive, settings_of: Any, tmp_path: Path) -> None:
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), Fault(cut_after=1000)]
    assert fetch(wanted(archive), tmp_path / "out" / "mask.tif", settings_of) is False
    assert begins(archive) == ["whole", f"bytes={HALF}-", f"bytes={HALF + 1000}-"]
    assert (tmp_path / "out" / "mask.tif").read_bytes() == BYTES
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mask.tif"]


def test_a_server_that_always_breaks_off_is_given_up_and_gone_on_with_later(
    archive: Archive, settings_of: Any, tmp_path: Path
) -> None:
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *[Fault(cut_after=1000)] * 3]
    with pytest.raises(StoreError, match=rf"A: it broke off after {HALF + 3000} of 3000000 bytes\), and the same"):
        fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
    assert not (tmp_path / "mask.tif").exists()
    fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
    assert begins(archive)[-1] == f"bytes={HALF + 3000}-"
    assert (tmp_path / "mask.tif").read_bytes() == BYTES


def test_another_replica_goes_on(archive: Archive, settings_of: Any, tmp_path: Path) -> None:
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *BUSY]
    fetch(wanted(archive, "/a/mask.tif", "/b/mask.tif"), tmp_path / "mask.tif", settings_of)
    assert begins(archive, "/b/mask.tif") == [f"bytes={HALF}-"]
    assert (tmp_path / "mask.tif").read_bytes() == BYTES


def test_a_file_of_this_machine_goes_on_with_what_came(archive: Archive, settings_of: Any, tmp_path: Path) -> None:
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *BUSY]
    (tmp_path / "here.tif").write_bytes(BYTES)
    both = wanted(archive)
    replica = Replica("HERE", f"file://localhost{tmp_path}/here.tif")
    both = Wanted(both.name, both.bytes, both.checksums, [*both.replicas, replica])
    fetch(both, tmp_path / "mask.tif", settings_of)
    assert (tmp_path / "mask.tif").read_bytes() == BYTES
    with replicas.opened(replica, HALF, tmp_path / "none", settings_of) as stream:
        buffer = memoryview(bytearray(10))
        assert (stream.begins, stream.length, stream.readinto(buffer)) == (HALF, len(BYTES), 10)
        assert bytes(buffer) == BYTES[HALF : HALF + 10]


def test_what_came_of_a_damaged_replica_does_not_spoil_the_next(
    archive: Archive, settings_of: Any, tmp_path: Path
) -> None:
    archive.files["/a/mask.tif"] = BYTES[:10] + b"\0\0" + BYTES[12:]
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *BUSY]
    fetch(wanted(archive, "/a/mask.tif", "/b/mask.tif"), tmp_path / "mask.tif", settings_of)
    assert begins(archive, "/b/mask.tif") == [f"bytes={HALF}-", "whole"]
    assert (tmp_path / "mask.tif").read_bytes() == BYTES


def test_a_replica_of_another_length_takes_nothing_from_what_came(
    archive: Archive, settings_of: Any, tmp_path: Path
) -> None:
    archive.files["/b/mask.tif"] = BYTES[:-1]
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *BUSY]
    both = wanted(archive, "/a/mask.tif", "/b/mask.tif")
    with pytest.raises(StoreError, match="B: 2999999 bytes instead of 3000000\\), and the same request goes on"):
        fetch(both, tmp_path / "mask.tif", settings_of)
    archive.faults.clear()
    fetch(both, tmp_path / "mask.tif", settings_of)
    assert begins(archive)[-1] == f"bytes={HALF}-"
    assert (tmp_path / "mask.tif").read_bytes() == BYTES


def test_a_file_with_another_checksum_is_begun_anew(archive: Archive, settings_of: Any, tmp_path: Path) -> None:
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *BUSY]
    with pytest.raises(StoreError, match="503"):
        fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
    archive.faults.clear()
    other = archive.files["/a/mask.tif"] = BYTES[::-1]
    fetch(wanted(archive, data=other), tmp_path / "mask.tif", settings_of)
    assert begins(archive)[-1] == "whole"
    assert (tmp_path / "mask.tif").read_bytes() == other
    assert not list(tmp_path.glob(".*"))


def test_a_server_without_ranges_begins_anew(archive: Archive, settings_of: Any, tmp_path: Path) -> None:
    archive.ranges = False
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF)]
    fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
    assert begins(archive) == ["whole", f"bytes={HALF}-"]
    assert (tmp_path / "mask.tif").read_bytes() == BYTES


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (BYTES[:-1], "A: 2999999 bytes instead of 3000000"),
        (BYTES + b"1", "A: 3000001 bytes instead of 3000000"),
        (BYTES[:-1] + b"\0", r"A: http.*/a/mask\.tif is damaged \(its adler32 checksum does not match\)"),
    ],
)
def test_other_bytes_are_refused_and_none_is_kept(
    archive: Archive, settings_of: Any, tmp_path: Path, data: bytes, said: str
) -> None:
    archive.files["/a/mask.tif"] = data
    with pytest.raises(ChecksumError, match=said):
        fetch(wanted(archive), tmp_path / "out" / "mask.tif", settings_of)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((404, {}, b""), "the server answers 404 Not Found"),
        ((206, {"Content-Range": "bytes 7-9/3000000"}, b"xyz"), "another part than the one from byte 1500000"),
        ((206, {}, b"xyz"), "another part than the one from byte 1500000"),
        ((206, {"Content-Range": "bytes 1500000-2999999/*"}, b"xyz"), "does not say how many bytes"),
    ],
)
def test_what_a_server_answers_wrongly_is_said_and_what_came_stays(
    archive: Archive, settings_of: Any, tmp_path: Path, answer: Any, said: str
) -> None:
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *BUSY]
    with pytest.raises(StoreError, match="503"):
        fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
    archive.routes.append(("/a/mask.tif", lambda _: answer))
    with pytest.raises(StoreError, match=said):
        fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
    archive.routes.pop()
    archive.faults.clear()
    fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
    assert begins(archive)[-1] == f"bytes={HALF}-"
    assert (tmp_path / "mask.tif").read_bytes() == BYTES


def test_a_file_that_was_whole_when_its_process_was_killed_is_not_fetched_again(
    archive: Archive, settings_of: Any, tmp_path: Path
) -> None:
    part = tmp_path / ".mask.tif.part"
    for data, requests in ((BYTES, 0), (BYTES + b"more", 0), (BYTES[::-1], 1)):
        part.mkdir()
        (part / wanted(archive).identity).write_bytes(data)
        fetch(wanted(archive), tmp_path / "mask.tif", settings_of)
        assert (tmp_path / "mask.tif").read_bytes() == BYTES
        assert len(begins(archive)) == requests
        (tmp_path / "mask.tif").unlink()


def test_a_protocol_of_whole_files_begins_anew(archive: Archive, settings_of: Any, tmp_path: Path) -> None:
    """Rucio's class for files of a machine copies whole files; the file is not found under the address of the RSE."""
    archive.faults["/a/mask.tif"] = [Fault(cut_after=HALF), *BUSY]
    (tmp_path / "rse").mkdir()
    (tmp_path / "rse" / "mask.tif").write_bytes(BYTES)

    def both(rse: str) -> Mapping[str, Any]:
        if rse == "A":
            return dict(settings_of(rse))
        said = dict(settings_of(rse)["protocols"][0]) | {"scheme": "file", "hostname": "elsewhere", "port": 0}
        said |= {"impl": "rucio.rse.protocols.posix.Default", "prefix": f"{tmp_path}/rse"}
        return {**settings_of(rse), "protocols": [said]}

    first = wanted(archive)
    replica = Replica("POSIX", f"file://elsewhere:0{tmp_path}/rse/mask.tif")
    found = Wanted(first.name, first.bytes, first.checksums, [*first.replicas, replica])
    fetch(found, tmp_path / "mask.tif", both)
    assert (tmp_path / "mask.tif").read_bytes() == BYTES
    (tmp_path / "mask.tif").unlink()
    (tmp_path / "rse" / "mask.tif").unlink()
    with pytest.raises(StoreError, match="POSIX: "):
        fetch(found, tmp_path / "mask.tif", both)


def test_on_a_full_disk_what_came_stays_for_when_there_is_room(
    archive: Archive, settings_of: Any, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if subprocess.run([*mount, "size=2m", "tmpfs", str(disk)], check=False, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        with pytest.raises(TargetError, match=rf"{disk}/mask\.tif cannot be written: No space left on device"):
            fetch(wanted(archive), disk / "mask.tif", settings_of)
        assert not (disk / "mask.tif").exists()
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        fetch(wanted(archive), disk / "mask.tif", settings_of)
        assert begins(archive) == ["whole", "bytes=2097152-"]
        assert (disk / "mask.tif").read_bytes() == BYTES
    finally:
        subprocess.run(["umount", str(disk)], check=True)
