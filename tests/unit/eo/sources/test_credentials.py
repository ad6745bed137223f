"""Secrets and the table of archives: private or refused, never shown."""

import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rucio_dafab.eo.sources.credentials import Secrets, Token, load_secrets
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from rucio_dafab.eo.sources.providers import Provider, Sources, load_sources
from rucio_dafab.eo.sources.retry import Patience
from rucio_dafab.eo.sources.web import Web
from tests.unit.eo.sources.archive import Archive, as_json

Use = Callable[..., Sources]


@pytest.fixture
def private(tmp_path: Path, use: Use, monkeypatch: pytest.MonkeyPatch) -> Path:
    use(account=True)
    path = tmp_path / "secrets.toml"
    path.write_text('[here]\nusername = "somebody"\npassword = "hidden"\n')
    path.chmod(0o600)
    monkeypatch.setenv("DAFAB_SOURCE_CREDENTIALS", str(path))
    return path


def secrets() -> Secrets:
    return load_secrets("here", load_sources().accounts["here"])


def test_the_file_serves_and_the_environment_goes_first(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secrets() == Secrets("somebody", "hidden")
    monkeypatch.setenv("TEST_PASSWORD", "newer")
    assert secrets() == Secrets("somebody", "newer")
    assert secrets().has_login
    assert not secrets().has_keys
    assert "newer" not in repr(secrets())


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_may_use_is_refused(private: Path, mode: int) -> None:
    private.chmod(mode)
    with pytest.raises(SourceError, match="others may use it: chmod 600") as refused:
        secrets()
    assert "hidden" not in str(refused.value)
    assert stat.S_IMODE(private.stat().st_mode) == mode


@pytest.mark.parametrize(
    "text",
    [
        "[here\npassword = 'hidden'",
        "here = 'hidden'",
        "[here]\npasswort = 'hidden'",
        "[here]\nusername = 3\nx='hidden'",
    ],
)
def test_a_malformed_file_is_told_without_its_secrets(private: Path, text: str) -> None:
    private.write_text(text)
    with pytest.raises(SourceError) as refused:
        secrets()
    assert "hidden" not in str(refused.value)
    assert str(private) in str(refused.value)


def test_a_file_that_is_named_has_to_be_there(private: Path) -> None:
    private.unlink()
    with pytest.raises(SourceError, match="is not there, and DAFAB_SOURCE_CREDENTIALS names it"):
        secrets()


def token(archive: Archive) -> Token:
    account = load_sources().accounts["here"]
    return Token(account, Secrets("somebody", "hidden"), Web(Patience(tries=2, first=0.01, longest=0.02)))


def test_a_token_is_had_once_and_renewed_before_it_ends(
    archive: Archive, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(account=True)
    now = time.monotonic()
    seconds = iter([300, 600])
    archive.route("/token", lambda _: as_json({"access_token": f"t{len(archive.asked)}", "expires_in": next(seconds)}))
    one = token(archive)
    assert [one.get(), one.get()] == ["t1", "t1"]
    monkeypatch.setattr(time, "monotonic", lambda: now + 280)
    assert [one.get(), one.get()] == ["t2", "t2"]
    assert len(archive.asked) == 2


def test_a_session_that_has_ended_begins_again_with_the_password(archive: Archive, use: Use) -> None:
    use(account=True)
    answers = [
        as_json({"access_token": "a", "expires_in": 600, "refresh_token": "r", "refresh_expires_in": 3600}),
        as_json({"error": "invalid_grant", "error_description": "Session not active"}, 400),
        as_json({"access_token": "b", "expires_in": 600}),
    ]
    archive.route("/token", lambda _: answers.pop(0))
    one = token(archive)
    assert one.get() == "a"
    assert one.get(refused="a") == "b"
    grants = [asked.body.decode().split("grant_type=")[1].split("&")[0] for asked in archive.asked]
    assert grants == ["password", "refresh_token", "password"]


def test_a_wrong_password_is_one_line_and_a_busy_server_another(archive: Archive, use: Use) -> None:
    use(account=True)
    said = as_json({"error": "invalid_grant", "error_description": "Invalid user credentials"}, 401)
    archive.route("/token", lambda _: said)
    with pytest.raises(SourceError, match=r"this test is refused: .*: Invalid user credentials") as one:
        token(archive).get()
    assert one.value.exit_code == 1
    assert "hidden" not in str(one.value)
    archive.routes.clear()
    archive.route("/token", lambda _: as_json({}, 503))
    with pytest.raises(SourceBusy):
        token(archive).get()
    archive.routes.clear()
    archive.route("/token", lambda _: as_json({"token": "x"}))
    with pytest.raises(SourceError, match="answers no token"):
        token(archive).get()


def test_the_shipped_table() -> None:
    known = load_sources()
    assert {"cdse_odata", "cdse_stac", "earth_search", "planetary_computer"} <= set(known.providers)
    assert all(provider.connections <= 4 for provider in known.providers.values())
    assert known.provider("earth_search").collection("sentinel_2_l2a").name == "sentinel-2-l2a"
    assert known.provider("earth_search").collection("own").name == "own"
    assert known.account_of("download.dataspace.copernicus.eu") == "cdse"
    assert known.account_of("elsewhere.example") is None
    address = "https://earth-search.aws.element84.com/v1/collections/sentinel-2-l2a/items/x"
    assert known.of_address(address).name == "earth_search"
    assert known.of_address("https://elsewhere.example/items/x") == Provider(
        "stac", "https://elsewhere.example", "https://elsewhere.example", "https://elsewhere.example"
    )


@pytest.mark.parametrize("name", ["nowhere", "http://elsewhere.example", "ftp://x", ""])
def test_an_unknown_source_is_told_with_the_known_ones(name: str) -> None:
    with pytest.raises(SourceError, match=r"no source .*: known are cdse_odata, cdse_stac, earth_search"):
        load_sources().provider(name)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[providers.x]\nkind = 'ftp'\nurl = 'https://x'", "providers.x.kind"),
        ("[providers.x]\nkind = 'stac'\nurl = 'http://x.example'", "is no https address"),
        ("[providers.x]\nkind = 'stac'\nurl = 'https://x'\nconnections = 5", "providers.x.connections"),
        ("[providers.x]\nkind = 'stac'\nurl = 'https://x'\nurls = 'https://x'", "providers.x.urls"),
        ("[archives.x]\nkind = 'stac'", "is none of providers, accounts, buckets"),
        ("[providers", "is not TOML"),
    ],
)
def test_a_wrong_table_is_one_line(text: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    monkeypatch.setenv("DAFAB_SOURCES", str(path))
    with pytest.raises(SourceError, match=line) as refused:
        load_sources()
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_table_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAFAB_SOURCES", str(tmp_path / "none.toml"))
    with pytest.raises(SourceError, match=r"none.toml cannot be read"):
        load_sources()
