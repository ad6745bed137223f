"""Files of remote RSEs that break off on their way, on a running site: gone on with by the same request."""

import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dasi_backend.copying import PIECE
from dasi_backend.interface import Rucio
from dasi_backend.language import Request
from rucio_dafab.client import PublishRequest
from tests.integration.conftest import COMMANDS
from tests.integration.dasi_masks import document
from tests.integration.waiting import eventually
from tests.unit.eo.sources.archive import Archive, Fault, running

pytestmark = pytest.mark.integration

NAME = "dasi_far"
BYTES = random.Random(7).randbytes(6 * PIECE)
HALF = 3 * PIECE  # what is read and written at once
RSES = ("DASI_WEB_A", "DASI_WEB_B")


class Far:
    """A file whose replicas are on two RSEs of the web, and nowhere else."""

    def __init__(self, site: Any, archive: Archive, folder: Path) -> None:
        self.site, self.archive, self.folder = site, archive, folder
        self.request = f'retrieve, id={NAME}, target="{folder}/out/[id].tif"'

    def path(self, rse: str) -> str:
        """Return the path of its replica."""
        (found,) = (path for path in self.archive.files if path.startswith(f"/{rse}/"))
        return found

    def begins(self, rse: str) -> list[str]:
        """Return where the requests for its replica began."""
        return [asked.headers.get("Range", "whole") for asked in self.archive.gets(self.path(rse))]

    def command(self) -> list[str]:
        return [str(COMMANDS / "dasi"), "retrieve", self.request, "--config", str(self.folder / "dasi.yml")]

    def environment(self) -> dict[str, str]:
        found: dict[str, str] = self.site.environment("user_dafab")
        return found | {"X509_USER_PROXY": str(self.folder / "proxy.pem")}

    def started(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self) -> tuple[int, str]:
        """Run the request to its end and return its status and what it says of errors."""
        process = self.started()
        _, said = process.communicate(timeout=120)
        return process.returncode, said

    def part(self) -> int:
        """Return how many bytes of it came and wait for the others."""
        found = list((self.folder / "out" / f".{NAME}.tif.part").glob("*"))
        return found[0].stat().st_size if found else 0

    def is_whole(self) -> bool:
        """Say whether it is there, and nothing else."""
        there = [path.name for path in (self.folder / "out").iterdir()]
        return there == [f"{NAME}.tif"] and (self.folder / "out" / there[0]).read_bytes() == BYTES


@pytest.fixture(scope="module")
def registered(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Publish the file, and move its replica to the RSEs of a server."""
    folder = tmp_path_factory.mktemp("far")
    (folder / "mask.tif").write_bytes(BYTES)
    admin, rucio = site.client("dafab_admin"), site.rucio_client("dafab_admin")
    uploaded = admin.upload(folder / "mask.tif", "MELUXINA", f"{NAME}.mask.tif")
    described = document(NAME, 9, 10.0)
    del described["assets"]["vector"]
    del described["assets"]["mask"]["file:checksum"]
    admin.publish(PublishRequest("dafab", described, {"mask": uploaded}))
    checks = {"bytes": uploaded.bytes, "adler32": uploaded.adler32, "md5": uploaded.md5}
    with running() as archive:
        archive.route("/DASI_WEB_./", lambda _: (200, {}, b""))
        port = int(archive.url.rpartition(":")[2])
        domains = {"wan": {"read": 1}, "lan": {"read": 1}}
        for rse in RSES:
            rucio.add_rse(rse)
            said = {"scheme": "http", "hostname": "127.0.0.1", "port": port, "prefix": f"/{rse}/", "domains": domains}
            rucio.add_protocol(rse, said | {"impl": "rucio.rse.protocols.webdav.Default"})
            rucio.add_replicas(rse, [{"scope": "dafab", "name": f"{NAME}.mask.tif", **checks}])
        (found,) = rucio.list_replicas([{"scope": "dafab", "name": f"{NAME}.mask.tif"}], schemes=["http"])
        for pfn in found["pfns"]:
            archive.files[pfn.removeprefix(archive.url)] = BYTES
        Path(uploaded.pfn.removeprefix("file://localhost")).unlink()
        yield archive


@pytest.fixture
def far(site: Any, registered: Archive, tmp_path: Path) -> Iterator[Far]:
    """Return the file as a new server has it: nothing was asked yet, and nothing goes wrong."""
    text = (
        site.home.dasi_config.read_text()
        .replace("type: local", "type: rucio")
        .replace("rse: MELUXINA", f"rse: {RSES[0]}")
    )
    (tmp_path / "dasi.yml").write_text(text)
    (tmp_path / "proxy.pem").touch()
    registered.asked.clear()
    yield Far(site, registered, tmp_path)
    registered.faults.clear()


def test_a_connection_that_is_cut_is_gone_on_with(far: Far) -> None:
    far.archive.faults[far.path(RSES[0])] = [Fault(cut_after=HALF)]
    assert far.run() == (0, "")
    assert far.begins(RSES[0]) == ["whole", f"bytes={HALF}-"]
    assert far.is_whole()


def test_another_replica_goes_on_where_one_broke_off(far: Far) -> None:
    far.archive.faults[far.path(RSES[0])] = [Fault(cut_after=HALF), *[Fault(503)] * 9]
    assert far.run() == (0, "")
    assert far.begins(RSES[1]) == [f"bytes={HALF}-"]
    assert far.is_whole()


def test_where_all_break_off_the_same_request_goes_on_later(far: Far) -> None:
    far.archive.faults[far.path(RSES[0])] = [Fault(cut_after=HALF), *[Fault(503)] * 9]
    far.archive.faults[far.path(RSES[1])] = [Fault(503)] * 9
    status, said = far.run()
    assert (status, len(said.splitlines())) == (1, 1)
    assert all(rse in said for rse in RSES)
    assert "the same request goes on from there" in said
    assert not (far.folder / "out" / f"{NAME}.tif").exists()
    far.archive.faults.clear()
    assert far.run() == (0, "")
    assert far.begins(RSES[0])[-1] == f"bytes={HALF}-"
    assert far.is_whole()


@contextmanager
def held(far: Far) -> Iterator["subprocess.Popen[str]"]:
    """Yield a retrieve of which half has come; the server keeps the other half back."""
    far.archive.hold.clear()
    process = far.started()
    try:
        assert eventually(lambda: far.part() == HALF)
        yield process
    finally:
        far.archive.hold.set()
        process.kill()
        process.communicate()


def test_what_came_before_a_kill_is_not_fetched_again(far: Far) -> None:
    with held(far) as process:
        process.kill()
        process.wait()
        assert far.part() == HALF
    assert not (far.folder / "out" / f"{NAME}.tif").exists()
    assert far.run() == (0, "")
    assert far.begins(RSES[0])[-1] == f"bytes={HALF}-"
    assert far.is_whole()


def test_two_retrieves_to_one_folder_do_not_meet(far: Far) -> None:
    with held(far) as process:
        process.send_signal(signal.SIGSTOP)
        far.archive.hold.set()
        assert far.run() == (0, "")
        assert (far.folder / "out" / f"{NAME}.tif").read_bytes() == BYTES
        assert far.begins(RSES[0]) == ["whole", "whole"]
        assert far.part() >= HALF, "what the other one works on was taken away"
    assert far.run() == (0, "")
    assert far.begins(RSES[0]) == ["whole", "whole"], "it was there already"


def test_a_token_that_expires_in_mid_retrieve_is_renewed(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue is asked how to reach an RSE when the first of its files is fetched."""
    monkeypatch.setenv("X509_USER_PROXY", str(far.folder / "proxy.pem"))
    backend = Rucio(far.folder / "dasi.yml")._backend
    plan = backend.plan(Request("retrieve", {"id": (NAME,)}, target=f"{far.folder}/out/[id].tif"))
    backend._client.auth_token = "expired"
    backend._client.headers["X-Rucio-Auth-Token"] = "expired"
    (written,) = plan.carry_out()
    assert written.bytes == len(BYTES)
    assert backend._client.auth_token != "expired"
    assert far.is_whole()
