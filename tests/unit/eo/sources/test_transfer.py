"""One file: cut, resumed, verified, refused."""

import hashlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rucio_dafab.eo.sources.access import Access
from rucio_dafab.eo.sources.checksums import Checksum
from rucio_dafab.eo.sources.credentials import CredentialsMissing
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError, TokenRefused
from rucio_dafab.eo.sources.pace import Pace
from rucio_dafab.eo.sources.plan import PlannedFile
from rucio_dafab.eo.sources.providers import Sources
from rucio_dafab.eo.sources.retry import Patience
from rucio_dafab.eo.sources.transfer import PART, Stopped, Transfer
from rucio_dafab.eo.sources.web import Web
from tests.unit.eo.sources.archive import Archive, Fault, as_json

CONTENT = bytes(range(256)) * 20_000
SIZE = len(CONTENT)
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())
PATH = "/data/B02.tif"
Use = Callable[..., Sources]


def transfer(
    sources: Sources, folder: Path, progress: Callable[[int], None] | None = None, name: str = "cogs"
) -> Transfer:
    provider = sources.provider(name)
    return Transfer(Access(sources, provider, Web(provider.patience)), Pace(4, 60_000, None), folder, progress)


def band(archive: Archive, *checksums: Checksum) -> PlannedFile:
    return PlannedFile("IMG/B02.tif", (archive.url + PATH,), SIZE, checksums, "B02")


@pytest.fixture
def bring(archive: Archive, use: Use, tmp_path: Path) -> Callable[..., Path]:
    archive.files[PATH] = CONTENT
    sources = use()

    def one(*checksums: Checksum, size: int = SIZE, path: str = PATH) -> Path:
        file = PlannedFile(f"IMG/{Path(path).name}", (archive.url + path,), size, checksums, "B02")
        return transfer(sources, tmp_path / "to").bring(file)

    return one


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_file_comes_whole(bring: Callable[..., Path], archive: Archive, tmp_path: Path) -> None:
    path = bring(MD5)
    assert path == tmp_path / "to" / "IMG" / "B02.tif"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path / "to") == {"B02.tif"}
    assert len(archive.gets(PATH)) == 1
    assert bring(MD5) == path
    assert len(archive.gets(PATH)) == 1  # what is whole is not asked for again


def test_a_cut_connection_goes_on_where_it_broke_off(bring: Callable[..., Path], archive: Archive) -> None:
    archive.faults[PATH] = [Fault(cut_after=1_500_000), Fault(cut_after=1_200_000)]
    assert bring(MD5).read_bytes() == CONTENT
    begins = [asked.headers.get("range") for asked in archive.gets(PATH)]
    assert begins[0] is None
    assert 0 < int((begins[1] or "").removeprefix("bytes=").rstrip("-")) <= 1_500_000
    assert begins[1] != begins[2]


def test_progress_resets_the_patience(bring: Callable[..., Path], archive: Archive) -> None:
    """Four cuts are as many as there are tries, but each brought a MiB."""
    archive.faults[PATH] = [Fault(cut_after=1_100_000)] * 4
    assert bring(MD5).read_bytes() == CONTENT


def test_a_connection_that_is_always_cut_at_once_is_given_up(
    bring: Callable[..., Path], archive: Archive, tmp_path: Path
) -> None:
    archive.faults[PATH] = [Fault(cut_after=1_500_000), *[Fault(cut_after=0)] * 20]
    with pytest.raises(SourceBusy) as refused:
        bring(MD5)
    assert refused.value.exit_code == 75
    assert names(tmp_path / "to") == {"B02.tif.part", "B02.tif.tag"}
    archive.faults.clear()
    assert bring(MD5).read_bytes() == CONTENT
    assert (archive.gets(PATH)[-1].headers.get("range") or "").startswith("bytes=1")


def test_too_many_requests_are_waited_for_as_asked(bring: Callable[..., Path], archive: Archive) -> None:
    archive.limited[PATH] = time.monotonic() + 1.5
    assert bring(MD5).read_bytes() == CONTENT
    assert len(archive.gets(PATH)) == 2  # a shorter pause would have been refused again


def test_a_longer_pause_than_is_borne_ends_the_download(bring: Callable[..., Path], archive: Archive) -> None:
    archive.faults[PATH] = [Fault(503, {"Retry-After": "600"})] * 9
    with pytest.raises(SourceBusy, match="answers 503; it asks to come back in 600 s"):
        bring(MD5)
    assert len(archive.gets(PATH)) == 1


def test_server_errors_are_tried_again_and_given_up(bring: Callable[..., Path], archive: Archive) -> None:
    archive.faults[PATH] = [Fault(503)] * 3
    assert bring(MD5).read_bytes() == CONTENT
    archive.files["/data/B03.tif"] = CONTENT
    archive.faults["/data/B03.tif"] = [Fault(502)] * 9
    with pytest.raises(SourceBusy, match="answers 502") as refused:
        bring(MD5, path="/data/B03.tif")
    assert refused.value.exit_code == 75
    assert len(archive.gets("/data/B03.tif")) == 4


@pytest.mark.parametrize(("status", "line"), [(403, "answers 403"), (404, "is not there"), (410, "answers 410")])
def test_what_will_not_get_better_is_not_tried_again(
    bring: Callable[..., Path], archive: Archive, status: int, line: str
) -> None:
    archive.faults[PATH] = [Fault(status)] * 3
    with pytest.raises(SourceError, match=line) as refused:
        bring(MD5)
    assert refused.value.exit_code == 1
    assert len(archive.gets(PATH)) == 1


def test_a_wrong_size_is_refused_before_any_byte(bring: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"has {len(CONTENT)} bytes, and 77 are announced") as refused:
        bring(size=77)
    assert refused.value.exit_code == 1
    assert names(tmp_path / "to") == set()


def test_a_wrong_checksum_is_fetched_once_more_and_refused(
    bring: Callable[..., Path], archive: Archive, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=r"its md5 is \w+, and should be 0{32}"):
        bring(Checksum("md5", "0" * 32))
    assert len(archive.gets(PATH)) == 2
    assert names(tmp_path / "to") == set()


def test_bytes_that_were_damaged_on_the_disk_are_fetched_again(bring: Callable[..., Path], tmp_path: Path) -> None:
    part = tmp_path / "to" / "IMG" / ("B02.tif" + PART)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"\0" * 1_000_000)
    assert bring(MD5).read_bytes() == CONTENT


def test_a_file_that_changed_in_between_is_begun_again(bring: Callable[..., Path], archive: Archive) -> None:
    archive.files[PATH] = bytes(len(CONTENT))
    archive.faults[PATH] = [Fault(cut_after=1_500_000), *[Fault(cut_after=0)] * 20]
    with pytest.raises(SourceBusy):
        bring()
    archive.files[PATH], archive.faults = CONTENT, {}
    assert bring().read_bytes() == CONTENT


def test_without_tag_and_checksum_nothing_is_gone_on_with(bring: Callable[..., Path], archive: Archive) -> None:
    archive.tags[PATH] = ""
    archive.faults[PATH] = [Fault(cut_after=1_500_000)]
    assert bring().read_bytes() == CONTENT
    assert [asked.headers.get("range") for asked in archive.gets(PATH)] == [None, None]


def test_a_server_without_ranges_is_read_from_the_beginning(bring: Callable[..., Path], archive: Archive) -> None:
    archive.ranges = False
    archive.faults[PATH] = [Fault(cut_after=1_500_000)]
    assert bring(MD5).read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_cuts_is_given_up(bring: Callable[..., Path], archive: Archive) -> None:
    archive.ranges = False
    archive.faults[PATH] = [Fault(cut_after=1_500_000)] * 50
    with pytest.raises(SourceBusy):
        bring(MD5)
    assert len(archive.gets(PATH)) < 12


def test_more_bytes_than_announced_are_not_kept(bring: Callable[..., Path], tmp_path: Path) -> None:
    part = tmp_path / "to" / "IMG" / ("B02.tif" + PART)
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT + b"more")
    assert bring().read_bytes() == CONTENT


def test_entity_tags_verify_where_the_table_says_so(archive: Archive, use: Use, tmp_path: Path) -> None:
    archive.files[PATH] = CONTENT
    archive.tags[PATH] = f'"{"0" * 32}"'
    sources = use()
    assert transfer(sources, tmp_path / "one").bring(band(archive)).is_file()
    more = f'[providers.tagged]\nkind = "stac"\nurl = "{archive.url}/stac"\nentity_tag_is_md5 = ["127.0.0.1"]\n'
    sources = use(more=more)
    provider = sources.provider("tagged")
    strict = Transfer(Access(sources, provider, Web(provider.patience)), Pace(4, 60_000, None), tmp_path / "two")
    with pytest.raises(SourceError, match="its md5 is"):
        strict.bring(band(archive))
    archive.tags.clear()
    assert strict.bring(band(archive)).read_bytes() == CONTENT


def test_progress_adds_up_to_the_size(archive: Archive, use: Use, tmp_path: Path) -> None:
    archive.files[PATH] = CONTENT
    archive.faults[PATH] = [Fault(cut_after=1_500_000)]
    came: list[int] = []
    transfer(use(), tmp_path, came.append).bring(band(archive, MD5))
    assert sum(came) == len(CONTENT)
    again: list[int] = []
    transfer(use(), tmp_path / "wrong", again.append)
    with pytest.raises(SourceError):
        transfer(use(), tmp_path / "wrong", again.append).bring(band(archive, Checksum("md5", "0" * 32)))
    assert sum(again) == 0


def test_a_stopped_transfer_does_not_wait(archive: Archive, use: Use, tmp_path: Path) -> None:
    archive.files[PATH] = CONTENT
    archive.faults[PATH] = [Fault(429, {"Retry-After": "20"})] * 9
    sources, stop = use(), threading.Event()
    provider = sources.provider("cogs")
    access = Access(sources, provider, Web(Patience(4, 0.02, 30.0)))
    waiting = Transfer(access, Pace(4, 60_000, None), tmp_path, stop=stop)
    threading.Timer(0.3, stop.set).start()
    begin = time.monotonic()
    with pytest.raises(Stopped):
        waiting.bring(band(archive))
    assert time.monotonic() - begin < 10


def test_a_token_is_renewed_when_it_has_ended(
    archive: Archive, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.files[PATH], archive.private, archive.tokens = CONTENT, ("/data",), {"second"}
    bought = iter(["first", "second"])
    archive.route("/token", lambda _: as_json({"access_token": next(bought), "expires_in": 600,
                                              "refresh_token": "again", "refresh_expires_in": 3600}))  # fmt: skip
    sources = use(account=True)
    monkeypatch.setenv("TEST_USERNAME", "somebody")
    monkeypatch.setenv("TEST_PASSWORD", "p&ss=w%rd")
    assert transfer(sources, tmp_path).bring(band(archive, MD5)).read_bytes() == CONTENT
    grants = [asked.body.decode() for asked in archive.asked if asked.path == "/token"]
    assert "grant_type=password" in grants[0]
    assert "password=p%26ss%3Dw%25rd" in grants[0]
    assert "grant_type=refresh_token" in grants[1]
    assert all("p&ss" not in asked.path + str(asked.query) for asked in archive.asked)


def test_a_token_that_is_never_taken_is_refused(
    archive: Archive, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.files[PATH], archive.private = CONTENT, ("/data",)
    archive.route("/token", lambda _: as_json({"access_token": "never", "expires_in": 600}))
    sources = use(account=True)
    monkeypatch.setenv("TEST_USERNAME", "somebody")
    monkeypatch.setenv("TEST_PASSWORD", "secret")
    with pytest.raises(TokenRefused, match="401") as refused:
        transfer(sources, tmp_path).bring(band(archive, MD5))
    assert "secret" not in str(refused.value)
    assert refused.value.exit_code == 1
    assert len(archive.gets(PATH)) == 2


def test_without_an_account_nothing_is_asked(archive: Archive, use: Use, tmp_path: Path) -> None:
    sources = use(account=True)
    with pytest.raises(CredentialsMissing, match="set TEST_USERNAME and TEST_PASSWORD, or TEST_KEY and TEST_SECRET"):
        transfer(sources, tmp_path).bring(band(archive, MD5))
    assert archive.asked == []


def test_object_storage_is_read_by_path_and_signed_with_keys(
    archive: Archive, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.files["/archive/deep/B02.tif"] = CONTENT
    file = PlannedFile("B02.tif", ("s3://archive/deep/B02.tif",), len(CONTENT), (MD5,), "B02")
    archive.files["/open/deep/B02.tif"] = CONTENT
    openly = PlannedFile("B02.tif", ("s3://open/deep/B02.tif",), len(CONTENT), (MD5,), "B02")
    assert transfer(use(), tmp_path / "open").bring(openly).read_bytes() == CONTENT
    assert "authorization" not in {name.lower() for name in archive.asked[0].headers}
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    sources = use(account=True)
    monkeypatch.setenv("TEST_KEY", "AKIAHERE")
    monkeypatch.setenv("TEST_SECRET", "never shown")
    assert transfer(sources, tmp_path / "keys").bring(file).read_bytes() == CONTENT
    signed = {name.lower(): text for name, text in archive.asked[-1].headers.items()}["authorization"]
    assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIAHERE/")


def test_an_unknown_bucket_and_other_schemes_are_refused(archive: Archive, use: Use, tmp_path: Path) -> None:
    for url in (
        "s3://elsewhere/B02.tif",
        "ftp://127.0.0.1/B02.tif",
        "file:///etc/hostname",
        "http://example.org/x.tif",
    ):
        with pytest.raises(SourceError, match="neither https nor a bucket that is known"):
            transfer(use(), tmp_path).bring(PlannedFile("B02.tif", (url,), 1))


def signing(archive: Archive, use: Use, folder: Path) -> Transfer:
    """Return transfers from an archive that signs its addresses."""
    sources = use(
        more=f"""
[providers.signing]
kind = "stac"
url = "{archive.url}/stac"
sign_url = "{archive.url}/sign"
sign_hosts = ["127.0.0.1"]
"""
    )
    return transfer(sources, folder, name="signing")


def test_addresses_are_signed_where_the_table_says_so(archive: Archive, use: Use, tmp_path: Path) -> None:
    archive.files[PATH] = CONTENT
    archive.route("/sign", lambda asked: as_json({"href": asked.query["href"][0] + "?sig=a%2Fb%3D"}))
    one = signing(archive, use, tmp_path)
    assert one.bring(band(archive, MD5)).read_bytes() == CONTENT
    assert archive.gets(PATH)[0].query == {"sig": ["a/b="]}


def test_a_signature_for_another_address_is_refused(archive: Archive, use: Use, tmp_path: Path) -> None:
    archive.route("/sign", lambda _: as_json({"href": "https://elsewhere.example/steal.tif"}))
    one = signing(archive, use, tmp_path)
    with pytest.raises(SourceError, match="does not sign"):
        one.bring(band(archive, MD5))
