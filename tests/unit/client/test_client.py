"""The client as far as no server is needed: configuration, tokens, answers as values, nobody at the address."""

import os
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rucio_dafab import tokens
from rucio_dafab.client import Asset, ClientError, DafabClient, Found, PublishRequest, Replica, ServerUnreachable
from rucio_dafab.client_values import body_of, found_of
from rucio_dafab.site.home import Home
from rucio_dafab.storage import UploadedFile

CONFIG = """[client]
rucio_host = {url}
auth_host = {url}
auth_type = userpass
username = user_dafab
password = 100%%secret
account = user_dafab
"""


@pytest.fixture(autouse=True)
def _no_configuration_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what a client leaves in the environment of the process."""
    monkeypatch.setenv("RUCIO_CONFIG", "")
    monkeypatch.delenv("RUCIO_CONFIG")


@pytest.fixture
def nobody() -> str:
    """Return an address at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_nobody_at_the_address_is_one_line_that_names_it(tmp_path: Path, nobody: str) -> None:
    config = tmp_path / "rucio.cfg"
    config.write_text(CONFIG.format(url=nobody))
    with pytest.raises(ServerUnreachable) as refusal:
        DafabClient.from_config(config)
    assert str(refusal.value) == f"no Rucio server answers at {nobody}"
    assert refusal.value.exit_code == os.EX_TEMPFAIL


def test_nothing_of_rucios_own_logging_reaches_the_screen(
    tmp_path: Path, nobody: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "rucio.cfg"
    config.write_text(CONFIG.format(url=nobody))
    with pytest.raises(ServerUnreachable):
        DafabClient.from_config(config)
    assert capfd.readouterr() == ("", "")


def test_the_name_of_the_script_stays_whole(tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/some-script", "run"])
    config = tmp_path / "rucio.cfg"
    config.write_text(CONFIG.format(url=nobody))
    with pytest.raises(ServerUnreachable):
        DafabClient.from_config(config)
    assert sys.argv[0] == "/usr/bin/some-script"


def test_a_site_that_was_never_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"rucio-dafab up") as refusal:
        DafabClient.of_account("dafab_skim", Home(tmp_path))
    assert str(tmp_path) in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[client]\nrucio_host = http://127.0.0.1:1\n", "auth_host"),
        ("[server]\n", "client"),
        ("no section at all\n", "no section"),
    ],
)
def test_a_configuration_that_says_too_little_names_the_file(tmp_path: Path, text: str, names: str) -> None:
    config = tmp_path / "rucio.cfg"
    config.write_text(text)
    with pytest.raises(ClientError) as refusal:
        DafabClient.from_config(config)
    assert str(config) in str(refusal.value)
    assert names in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_line_of_the_answer_becomes_a_value() -> None:
    line = {
        "scope": "dafab",
        "name": "item",
        "did_type": "CONTAINER",
        "document": {"id": "item"},
        "assets": {
            "mask": {
                "scope": "dafab",
                "name": "item/mask.tif",
                "bytes": 7,
                "adler32": "00000001",
                "md5": None,
                "replicas": [{"rse": "CLOUD", "pfn": "file://localhost/x"}],
            }
        },
    }
    mask = Asset("dafab", "item/mask.tif", 7, "00000001", None, (Replica("CLOUD", "file://localhost/x"),))
    assert found_of(line) == Found("dafab", "item", "CONTAINER", {"id": "item"}, {"mask": mask})


def test_a_did_without_document_and_assets_becomes_a_value() -> None:
    line = {"scope": "dafab", "name": "item", "did_type": "FILE"}
    assert found_of(line) == Found("dafab", "item", "FILE", None, {})


def test_an_item_is_published_with_what_the_server_needs_and_no_more() -> None:
    file = UploadedFile("item/mask.tif", "CLOUD", "file://localhost/x", 7, "00000001", "d41d", "e3b0", present=True)
    plain = PublishRequest("dafab", {"id": "item"}, {"mask": file})
    line = {
        "asset": "mask",
        "name": "item/mask.tif",
        "rse": "CLOUD",
        "bytes": 7,
        "adler32": "00000001",
        "md5": "d41d",
    }
    body = {"scope": "dafab", "item": {"id": "item"}, "files": [line], "update": False, "dry_run": False}
    assert body_of(plain) == body
    version = replace(plain, parent="scene", predecessor="older", keep=0, dry_run=True)
    assert body_of(version) == body | {"parent": "scene", "predecessor": "older", "keep": 0, "dry_run": True}


class TestTokens:
    """Tokens of two servers, accounts or users never meet."""

    def test_each_identity_has_a_folder_of_its_own(self, tmp_path: Path) -> None:
        identities = [("http://a:1", "x", "def"), ("http://a:2", "x", "def"), ("http://a:1", "y", "def")]
        folders = {tokens.folder(tmp_path, *identity) for identity in identities}
        assert len(folders) == 3
        assert tokens.folder(tmp_path, *identities[0]) in folders

    def test_nobody_else_can_enter_it(self, tmp_path: Path) -> None:
        folder = tokens.folder(tmp_path, "http://a:1", "x")
        for path in (folder, folder.parent):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700

    def test_a_folder_that_others_can_read_is_refused(self, tmp_path: Path) -> None:
        folder = tokens.folder(tmp_path, "http://a:1", "x")
        folder.chmod(0o750)
        with pytest.raises(tokens.TokenFolderError, match="0700"):
            tokens.folder(tmp_path, "http://a:1", "x")

    def test_those_of_a_server_that_is_gone_are_forgotten_and_no_others(self, tmp_path: Path) -> None:
        gone = [tokens.folder(tmp_path, "http://a:1", account, "def") for account in ("x", "y")]
        kept = tokens.folder(tmp_path, "http://a:2", "x", "def")
        (gone[0] / "token").write_text("secret")
        tokens.forget("http://a:1", tmp_path)
        tokens.forget("http://a:3", tmp_path)
        assert list(kept.parent.parent.iterdir()) == [kept.parent]
        assert not any(folder.exists() for folder in gone)

    def test_a_link_in_its_place_is_refused(self, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(mode=0o700)
        (tmp_path / f"rucio-dafab-{os.geteuid()}").symlink_to(elsewhere)
        with pytest.raises(tokens.TokenFolderError):
            tokens.folder(tmp_path, "http://a:1", "x")
