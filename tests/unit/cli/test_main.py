"""The command itself: help without imports, refusals in one line."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer

from rucio_dafab import __version__
from rucio_dafab.cli.main import COMMANDS
from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import guarded

PROGRAMS = Path(sys.executable).parent


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command() -> None:
    result = command("--help")
    assert result.returncode == 0
    assert [name for name in COMMANDS if name not in result.stdout] == []


@pytest.mark.parametrize("name", ["rucio-dafab", "dasi"])
def test_version(name: str) -> None:
    said = subprocess.run([PROGRAMS / name, "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == f"{name} {__version__}"


def test_an_unknown_command_is_a_usage_error() -> None:
    result = command("retrive")
    assert result.returncode == 2
    assert "No such command 'retrive'" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_imported_and_explains_itself(name: str) -> None:
    module, attribute = COMMANDS[name][0].split(":")
    assert getattr(import_module(module), attribute)
    result = command(name, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['rucio-dafab', '--help']\n"
        "from rucio_dafab.cli.main import run\n"
        "try: run()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('rucio', 'rasterio', 'sqlalchemy', 'hera', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_refusal_is_one_line_and_its_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(DafabError):
        exit_code = 3

    application = typer.Typer()

    @application.command()
    def refuse() -> None:
        raise Full("RSE CLOUD is full: 3 GB are missing [bold]")

    with pytest.raises(SystemExit) as stopped:
        guarded(application, [])
    assert stopped.value.code == 3
    assert capsys.readouterr().err == "error: RSE CLOUD is full: 3 GB are missing [bold]\n"


@pytest.fixture(params=["rucio-dafab --help", "dasi --help", "dasi schema --json"])
def printing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str | Path]:
    """Return commands that print something, by themselves, by Typer or at their end."""
    (tmp_path / "dasi.yml").write_text("spaces: [{roots: [{path: store}]}]")
    monkeypatch.setenv("DASI_CONFIG", str(tmp_path / "dasi.yml"))
    name, *arguments = request.param.split()
    return [PROGRAMS / name, *arguments]


def test_an_output_that_cannot_be_written_is_one_line(printing: list[str | Path]) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(printing, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == "error: the output cannot be written: no space is left where it goes\n"


def test_a_reader_who_left_is_told_nothing(printing: list[str | Path]) -> None:
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(printing, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_a_command_whose_standard_streams_are_closed_runs_all_the_same() -> None:
    refused = subprocess.run(
        ["sh", "-c", f"'{PROGRAMS / 'dasi'}' list --config /nowhere >&-"],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
