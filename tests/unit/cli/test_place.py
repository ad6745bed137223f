"""``rucio-dafab place``: the simulator, the sites, and refusals before any site is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from argo_templates.placement.scenarios import committed

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Return a function that runs the command in a home without a site."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_", "RUCIO_"))}

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", "place", *arguments],
            env=inherited | {"DAFAB_HOME": str(tmp_path / "home")} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture
def small(tmp_path: Path) -> str:
    """Return the balanced scenario with a hundredth of its items."""
    path = tmp_path / "small.yaml"
    path.write_text(committed()["balanced"].read_text().replace("items: 10000", "items: 100"))
    return str(path)


def test_a_simulation_is_printed_and_told(command: Command, small: str) -> None:
    lines = command("simulate", small).stdout.splitlines()
    assert lines[0].endswith("; 100 items, seed 1")
    assert "CDSE OData" in lines[1] and lines[2].startswith("Assumed: ")
    assert [line.rstrip().split("  ")[0] for line in lines[4:]] == [
        "the formula",
        "always where the data are",
        "always the fastest site",
    ]
    told = json.loads(command("simulate", small, "--json").stdout)
    assert json.loads(command("simulate", small, "--json", "--seed", "1").stdout) == told
    assert json.loads(command("simulate", small, "--json", "--seed", "2").stdout)["ours"] != told["ours"]
    assert told["below_fastest"] == pytest.approx(1 - told["ours"]["seconds"] / told["fastest"]["seconds"])


def test_the_sites_are_listed(command: Command, tmp_path: Path) -> None:
    assert "meluxina  hpk         MELUXINA  gpu" in command("sites").stdout
    (tmp_path / "bad.yaml").write_text("name: bad\nruntime: moon\nrse: MOON\ncolour: red\n")
    ended = command("sites", "--sites", str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "error: bad.yaml: runtime: Input should be 'kubernetes', 'hpk', 'slurm' or 'local' (it is 'moon')",
        "bad.yaml: colour is no member of it",
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["anything", "--policy", "wait"], "--policy wait: it is none of queue, refuse"),
        (["anything", "--models", "fire"], "--models fire: measured are water, fields"),
        (["anything", "--models", ","], "--models ,: measured are water, fields"),
        (["simulate", "nope"],
         "there is no scenario nope: known are balanced, scarce-gpus, skewed, or name a file of YAML"),
    ],
)  # fmt: skip
def test_refusals_are_one_line(command: Command, arguments: list[str], line: str) -> None:
    ended = command(*arguments)
    assert (ended.returncode, ended.stderr) == (1, f"error: {line}\n")


def test_without_a_site_it_says_how_to_start_one(command: Command) -> None:
    ended = command("anything", "--explain")
    assert ended.returncode == 1
    assert ended.stderr.endswith("is the site up (rucio-dafab up)?\n")
