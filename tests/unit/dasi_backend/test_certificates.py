"""Replicas over https: a server is asked for bytes only where an authority that is trusted proves it."""

import shutil
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rucio.common.config import clean_cached_config

from dasi_backend.errors import StoreError
from dasi_backend.fetching import Wanted, fetch
from rucio_dafab.client import Replica
from tests.unit.eo.sources.archive import Archive, running

BYTES = bytes(range(256)) * 100


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give Rucio's class a configuration, and a certificate to show."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates, and is not here")
    monkeypatch.setenv("X509_USER_PROXY", str(certificate(tmp_path / "user.pem", "DNS:user")))
    monkeypatch.delenv("X509_CERT_DIR", raising=False)
    (tmp_path / "rucio.cfg").write_text("[client]\n[common]\n")
    monkeypatch.setenv("RUCIO_CONFIG", str(tmp_path / "rucio.cfg"))
    clean_cached_config()
    yield
    clean_cached_config()


def certificate(path: Path, name: str) -> Path:
    """Write a certificate that signs itself, and its key."""
    path.parent.mkdir(exist_ok=True)
    key = path.with_suffix(".key")
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={path.stem}"]
    made += ["-addext", f"subjectAltName={name}", "-keyout", str(key), "-out", str(path)]
    subprocess.run(made, check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path


def authorities(folder: Path, trusted: Path) -> Path:
    """Return a folder of authorities as the grid has them: a certificate by the hash of its name."""
    folder.mkdir()
    asked = ["openssl", "x509", "-in", str(trusted), "-noout", "-subject_hash"]
    shutil.copy(
        trusted, folder / f"{subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()}.0"
    )
    return folder


def wanted(archive: Archive) -> Wanted:
    archive.route("/", lambda _: (200, {}, b""))
    archive.files["/a/mask.tif"] = BYTES
    replica = Replica("A", f"{archive.url}/a/mask.tif")
    return Wanted("dafab:mask.tif", len(BYTES), {"adler32": f"{zlib.adler32(BYTES):08x}"}, [replica])


def settings_of(archive: Archive) -> Any:
    def settings(rse: str) -> Mapping[str, Any]:
        domains = {"wan": {"read": 1}, "lan": {"read": 1}}
        port = int(archive.url.rpartition(":")[2])
        said = {"scheme": "https", "hostname": "127.0.0.1", "port": port, "prefix": "/", "domains": domains}
        said |= {"impl": "rucio.rse.protocols.webdav.Default", "extended_attributes": None}
        return {"rse": rse, "id": "0", "deterministic": True, "sign_url": None, "protocols": [said]}

    return settings


@pytest.mark.usefixtures("client")
def test_a_server_that_an_authority_proves_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = certificate(tmp_path / "server.pem", "IP:127.0.0.1")
    monkeypatch.setenv("X509_CERT_DIR", str(authorities(tmp_path / "authorities", server)))
    with running(server) as archive:
        fetch(wanted(archive), tmp_path / "out" / "mask.tif", settings_of(archive))
    assert (tmp_path / "out" / "mask.tif").read_bytes() == BYTES


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize(
    ("name", "trusted", "said"),
    [
        ("IP:127.0.0.1", False, "certificate verify failed"),
        ("DNS:elsewhere.example", True, "IP address mismatch|doesn't match"),
    ],
)
def test_a_server_that_nobody_proves_is_asked_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, said: str
) -> None:
    server = certificate(tmp_path / "server.pem", name)
    other = certificate(tmp_path / "other" / "server.pem", name)
    monkeypatch.setenv("X509_CERT_DIR", str(authorities(tmp_path / "authorities", server if trusted else other)))
    with running(server) as archive:
        with pytest.raises(StoreError, match=said) as refusal:
            fetch(wanted(archive), tmp_path / "out" / "mask.tif", settings_of(archive))
        assert archive.gets("/a/mask.tif") == []
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "out" / "mask.tif").exists()
