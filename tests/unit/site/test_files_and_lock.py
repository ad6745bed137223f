"""Files, passwords, locks and shell lines of a site."""

import fcntl
import json
import multiprocessing
import os
import shlex
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from rucio_dafab.files import FileError, read_json, write_file, write_json
from rucio_dafab.site import credentials, environment, lock, record
from rucio_dafab.site.credentials import CredentialsError
from rucio_dafab.site.home import ACCOUNTS, Home
from rucio_dafab.site.lock import SiteBusy, exclusive


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "site")
    made.root.mkdir()
    return made


def test_a_file_has_its_mode_whatever_the_umask(home: Home) -> None:
    before = os.umask(0)
    try:
        write_file(home.root / "secret", "x", 0o600)
    finally:
        os.umask(before)
    assert (home.root / "secret").stat().st_mode & 0o777 == 0o600


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(home: Home) -> None:
    path = home.root / "etc" / "file"
    write_file(path, "long " * 1000)
    write_file(path, "short")
    assert path.read_text() == "short"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_a_file_is_refused_in_one_line(home: Home) -> None:
    (home.root / "etc").write_text("not a folder")
    with pytest.raises(FileError, match=f"^cannot write {home.root}/etc/file: "):
        write_file(home.root / "etc" / "file", "x")


def test_no_file_is_no_json(home: Home) -> None:
    assert read_json(home.root / "absent.json") is None


def test_passwords_are_made_once_private_and_all_different(home: Home) -> None:
    made = credentials.load_or_make(home)
    assert credentials.load_or_make(home) == made
    assert set(made.accounts) == set(ACCOUNTS)
    everything = [*made.accounts.values(), *made.database.values()]
    assert len(set(everything)) == len(everything)
    assert all(len(password) >= 32 for password in everything)
    assert home.credentials_file.stat().st_mode & 0o777 == 0o600
    assert not any(password in repr(made) for password in everything)


def test_passwords_that_others_can_read_are_refused(home: Home) -> None:
    credentials.load_or_make(home)
    home.credentials_file.chmod(0o640)
    with pytest.raises(CredentialsError, match="has mode 640: others can read the passwords"):
        credentials.load(home)


def test_a_missing_password_is_named(home: Home) -> None:
    made = credentials.load_or_make(home)
    accounts = {name: password for name, password in made.accounts.items() if name != "dafab_skim"}
    write_json(home.credentials_file, {"accounts": accounts, "database": made.database}, 0o600)
    with pytest.raises(CredentialsError, match=r"lacks the password of dafab_skim$"):
        credentials.load(home)


def _try_lock(home: Home, answer: "multiprocessing.Queue[str]") -> None:
    try:
        with exclusive(home, "the other"):
            answer.put("held")
    except SiteBusy as refusal:
        answer.put(str(refusal))


def other_process_says(home: Home) -> str:
    """Return what another process gets to hear when it wants the lock."""
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[str] = context.Queue()
    process = context.Process(target=_try_lock, args=(home, answer))
    process.start()
    said = answer.get(timeout=60)
    process.join()
    answer.close()
    answer.join_thread()
    return said


def test_a_lock_names_its_holder_and_ends_with_the_block(home: Home) -> None:
    with exclusive(home, "the first"):
        said = other_process_says(home)
    assert said == f"the first (process {os.getpid()}) is at work on {home.root}: wait until it ends"
    assert other_process_says(home) == "held"


def test_a_holder_that_has_only_just_taken_the_lock_is_named_too(home: Home) -> None:
    home.run.mkdir(parents=True)
    with (home.run / "site.lock").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        naming = threading.Timer(0.3, lambda: (home.run / "site.lock").write_text("the first (process 7)"))
        naming.start()
        with pytest.raises(SiteBusy, match=r"^the first \(process 7\) is at work on "), exclusive(home, "the second"):
            pass
        naming.join()


def test_a_holder_that_never_writes_its_name_goes_unnamed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "NAMED_WITHIN_S", 0.05)
    home.run.mkdir(parents=True)
    with (home.run / "site.lock").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        with pytest.raises(SiteBusy, match=r"^another command is at work on "), exclusive(home, "the second"):
            pass


def _count(home: Home, times: int) -> None:
    counted = 0
    while counted < times:
        with suppress(SiteBusy), exclusive(home, "counting"):
            number = int((home.root / "count").read_text())
            time.sleep(0.0005)
            (home.root / "count").write_text(str(number + 1))
            counted += 1


def test_a_lock_that_is_removed_as_it_ends_still_lets_one_in_at_a_time(home: Home) -> None:
    (home.root / "count").write_text("0")
    context = multiprocessing.get_context("fork")
    counting = [context.Process(target=_count, args=(home, 50)) for _ in range(4)]
    for process in counting:
        process.start()
    for process in counting:
        process.join()
    assert (home.root / "count").read_text() == "200"
    assert not list(home.run.glob("*.lock"))


def test_locks_of_different_names_do_not_exclude_each_other(home: Home) -> None:
    with exclusive(home, "the first", "demo"):
        assert other_process_says(home) == "held"


def test_shell_lines_survive_a_shell(home: Home) -> None:
    strange = Home(home.root / "it's $HOME `date`")
    strange.root.mkdir()
    record.save(strange, record.SiteRecord(8080, 5432))
    script = environment.shell_lines(strange, "user_dafab") + '\nprintf "%s\\n%s" "$DAFAB_HOME" "$RUCIO_CONFIG"'
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [str(strange.root), str(strange.client_config("user_dafab"))]


def test_foreign_rucio_settings_are_dropped(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    record.save(home, record.SiteRecord(8080, 5432))
    monkeypatch.setenv("RUCIO_ACCOUNT", "somebody")
    assert "RUCIO_ACCOUNT" not in environment.process_environment(home, "root")
    assert shlex.split(environment.shell_lines(home, "root").splitlines()[0])[0] == "unset"


def test_an_account_that_is_not_is_named(home: Home) -> None:
    record.save(home, record.SiteRecord(8080, 5432))
    with pytest.raises(environment.UnknownAccount, match=r"^the site has no account 'x': it has root, "):
        environment.variables(home, "x")


def test_the_record_is_json_that_others_can_read(home: Home) -> None:
    record.save(home, record.SiteRecord(8080, 5432))
    assert json.loads(home.site_file.read_text())["http_port"] == 8080
