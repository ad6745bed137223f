"""Commands that work on the database, where there is none: one line, and a status that says whether to try again."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [
    ("catalogue", "facets"),
    ("catalogue", "dump", "out.ndjson"),
    ("area", "list"),
    ("area", "add", "here", "6_49_7_50"),
    ("db", "check"),
    ("db", "reindex"),
    ("ontology", "versions"),
]


def ran(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ``rucio-dafab`` in a folder without a site."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_", "RUCIO_"))}
    return subprocess.run(
        [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", *arguments],
        env=inherited | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def only_line(ended: "subprocess.CompletedProcess[str]") -> str:
    """Return the one line on standard error."""
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


@pytest.fixture
def silent(tmp_path: Path) -> str:
    """Return the configuration of a server whose database nobody listens for."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    path = tmp_path / "rucio.cfg"
    path.write_text(f"[database]\ndefault = postgresql+psycopg://nobody:secret@127.0.0.1:{port}/none\n")
    return str(path)


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(each[:2]) for each in COMMANDS])
def test_a_database_that_does_not_answer_may_answer_later(
    tmp_path: Path, silent: str, command: tuple[str, ...]
) -> None:
    ended = ran(tmp_path, *command, RUCIO_CONFIG=silent)
    line = only_line(ended)
    assert ended.returncode == 75
    assert "rucio.cfg does not answer" in line
    assert "secret" not in line


@pytest.mark.parametrize("command", [("catalogue", "facets"), ("db", "upgrade")])
def test_without_a_servers_configuration_nothing_can_be_tried(tmp_path: Path, command: tuple[str, ...]) -> None:
    client = tmp_path / "client.cfg"
    client.write_text("[client]\nrucio_host = http://127.0.0.1:1\n")
    for environment in ({}, {"RUCIO_CONFIG": str(client)}):
        ended = ran(tmp_path, *command, **environment)
        assert ended.returncode == 1
        assert "set RUCIO_CONFIG to the server's rucio.cfg, or DAFAB_HOME to a site" in only_line(ended)


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rucio.cfg"
    path.write_text("[database]\ndefault = somewhere\n")
    ended = ran(tmp_path, "db", "check", RUCIO_CONFIG=str(path))
    assert ended.returncode == 1
    assert "names no database that can be opened" in only_line(ended)


@pytest.mark.parametrize("named", ["./missing.geojson", "missing.wkt", "/no/such/folder/"])
def test_a_file_that_is_not_there_is_no_geometry(tmp_path: Path, named: str) -> None:
    ended = ran(tmp_path, "area", "add", "here", named)
    assert ended.returncode == 1
    assert only_line(ended) == f"error: there is no file {named}"
