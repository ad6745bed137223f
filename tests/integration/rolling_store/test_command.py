"""The command ``dasi`` at a terminal, and where the catalogue does not answer."""

import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dasi_backend.store import Store
from tests.integration.rolling_store.conftest import Dasi
from tests.integration.rolling_store.scenes import make_scene

pytestmark = pytest.mark.integration


def at_a_terminal(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run a command whose standard error is a terminal; return what it answers, and what the terminal shows."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from dasi_backend.cli import run; run()", *arguments]
    environment = os.environ | {"DASI_CONFIG": str(folder / "dasi.yml"), "TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 1 << 16):
                shown += piece
        except OSError:  # the terminal closes with the command
            pass
        assert process.stdout is not None
        answer = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0, shown
    return answer, shown.decode()


def test_a_terminal_is_shown_what_goes_on(store: Store, dasi: Dasi, tmp_path: Path) -> None:
    make_scene(tmp_path / "in", "scene_a")
    answer, shown = at_a_terminal(tmp_path, "archive", "in")
    assert answer.startswith("stored")
    assert "archiving in" in shown
    answer, shown = at_a_terminal(tmp_path, "retrieve", "id=scene_a", "target=out/[id]")
    assert answer.startswith("out/scene_a  scene_a")
    assert "looking" in shown
    answer, shown = at_a_terminal(tmp_path, "disseminate", "id=scene_a", "band=b02", "target=cut/[id]")
    assert "cut/scene_a" in answer
    assert "looking" in shown
    again = dasi("retrieve", "id=scene_a", "target=out/[id]")
    assert (again.stdout.count("was there"), again.stderr) == (1, ""), "no terminal is shown anything"
    assert store.contains("scene_a")


@pytest.mark.parametrize("asked", [("list", "collection=x"), ("retrieve", "collection=x", "target=out/[id]")])
def test_where_the_catalogue_does_not_answer_another_try_may(tmp_path: Path, asked: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = f"rucio_host = {url}\nauth_host = {url}\nauth_type = userpass\naccount = a\nusername = a\npassword = a"
        (tmp_path / "rucio.cfg").write_text(f"[client]\n{client}\nrequest_retries = 1\n")
        (tmp_path / "dasi.yml").write_text("type: rucio\nrucio: {config_path: rucio.cfg}\n")
        done = subprocess.run(
            [sys.executable, "-c", "from dasi_backend.cli import run; run()", *asked],
            cwd=tmp_path,
            env=os.environ | {"DASI_CONFIG": str(tmp_path / "dasi.yml")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stdout) == (75, "")
    (line,) = done.stderr.strip().splitlines()
    assert url in line
