"""``rucio-dafab workflow``: runs of small workflows, and refusals in one line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
SMALL = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: small}
spec:
  entrypoint: main
  arguments: {parameters: [{name: code, value: "0", enum: ["0", "3"]}]}
  templates:
  - name: main
    steps: [[{name: say, template: say}]]
  - name: say
    container: {image: none, command: [sh, -c], args: ["echo said; exit {{workflow.parameters.code}}"]}
"""


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Return a function that runs the command in a home without a site."""
    (tmp_path / "small.yaml").write_text(SMALL)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_", "ARGO_"))}

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", "workflow", *arguments],
            env=inherited | {"DAFAB_HOME": str(tmp_path / "home")} | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


def test_a_run_from_beginning_to_end(command: Command) -> None:
    ended = command("submit", "small.yaml", "--local", "--wait", "--name", "one", "--json")
    assert ended.returncode == 0, ended.stderr
    record = json.loads(ended.stdout)
    assert (record["outcome"], record["parameters"]) == ("Succeeded", {"code": "0"})
    assert record["executor"] == "rucio-dafab local executor"
    told = [line.split() for line in ended.stderr.splitlines()]
    assert [line[-1] for line in told if line[0] == "Succeeded"] == ["main.say", "main"]
    assert json.loads(command("list", "--json").stdout)[0]["phase"] == "Succeeded"
    assert command("logs", "one").stdout == "main.say: said\n"
    assert command("watch", "one").returncode == 0
    again = command("resume", "one")
    assert again.stderr == "error: one has succeeded: there is nothing to take up\n"


def test_a_run_that_fails_ends_with_its_reason(command: Command) -> None:
    ended = command("submit", "small.yaml", "--local", "--wait", "-p", "code=3", "--name", "bad")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "error: bad: main.say: exit status 3"


@pytest.mark.parametrize(
    ("arguments", "line", "status"),
    [
        (("submit", "smal", "--local"), "there is no workflow smal: known are dafab-apply, ", 1),
        (("submit", "small.yaml", "--local", "-p", "code=4"), "small: code cannot be '4': it is one of 0, 3", 1),
        (("submit", "small.yaml", "-p", "kode=4"), "small takes no parameter kode: it takes code", 1),
        (("submit", "small.yaml", "-p", "code"), "-p 'code' is not name=value", 1),
        (("submit", "small.yaml"), "ARGO_SERVER is not set", 1),
        (("submit", "small.yaml", "--local", "--slurm"), "--local, --slurm and --podman: only one of them", 1),
        (("stop", "nothing"), "there is no run nothing", 1),
        (("watch", "../../etc"), "'../../etc' cannot be the name of a run", 1),
        (("show", ""), "'' cannot be the name of a run", 1),
        (("submit", "small.yaml", "--local", "--volume", "dafab-work="), "--volume dafab-work= names no folder", 1),
    ],
)
def test_refusals(command: Command, arguments: tuple[str, ...], line: str, status: int) -> None:
    ended = command(*arguments)
    assert ended.returncode == status
    assert ended.stderr.startswith(f"error: {line}")
    assert (ended.stderr.count("\n"), ended.stdout) == (1, "")


@pytest.mark.parametrize(
    ("file", "content", "line"),
    [
        ("options.json", "{}", "the run odd is another version's, or damaged: options.json: 'noted'"),
        ("options.json", "nonsense", "is not JSON"),
        ("status.json", '{"phase": "Failed", "planet": "Mars"}', "status.json: "),
        ("status.json", None, "the run odd has lost its status.json"),
        ("nodes/x.json", '{"path": "main"}', "nodes/x.json: 'children'"),
    ],
)
def test_a_run_of_another_version(command: Command, tmp_path: Path, file: str, content: str | None, line: str) -> None:
    assert command("submit", "small.yaml", "--local", "--wait", "-p", "code=3", "--name", "odd").returncode == 1
    assert command("submit", "small.yaml", "--local", "--wait", "--name", "fine").returncode == 0
    path = tmp_path / "home" / "runs" / "odd" / file
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    for ended in (command("show", "odd"), command("resume", "odd"), command("resume", "odd", "--wait")):
        assert ended.returncode == 1
        assert (ended.stderr.count("\n"), ended.stdout) == (1, "")
        assert line in ended.stderr
    listed = {each["name"]: each for each in json.loads(command("list", "--json").stdout)}
    assert listed["fine"]["phase"] == "Succeeded"
    if not file.startswith("nodes"):
        assert listed["odd"]["phase"] == "Unreadable"
        assert line in listed["odd"]["message"]


def test_a_run_is_taken_up_by_one(command: Command, tmp_path: Path) -> None:
    waits = SMALL.replace("echo said;", "while [ ! -e /outside/go ]; do sleep 0.05; done;").replace(
        "args:", "volumeMounts: [{name: outside, mountPath: /outside}], args:"
    )
    outside = f"  volumes: [{{name: outside, hostPath: {{path: {tmp_path}}}}}]\n"
    (tmp_path / "waits.yaml").write_text(waits + outside)
    assert command("submit", "waits.yaml", "--local", "--name", "one").returncode == 0
    for arguments in (("resume", "one"), ("resume", "one", "--wait")):
        ended = command(*arguments)
        assert ended.returncode == 75
        assert ended.stderr.count("error") == ended.stderr.count("\n") == 1
        assert "is at work on" in ended.stderr
    (tmp_path / "go").touch()
    assert command("watch", "one").returncode == 0


def test_a_server_that_does_not_answer(command: Command) -> None:
    ended = command("submit", "small.yaml", ARGO_SERVER="http://127.0.0.1:1", ARGO_TOKEN="t")
    assert ended.returncode == 75
    assert ended.stderr.startswith("error: http://127.0.0.1:1 does not answer")


def test_what_would_be_submitted(command: Command) -> None:
    body = json.loads(command("submit", "small.yaml", "--dry-run").stdout)
    assert body["submitOptions"] == {"parameters": ["code=0"]}
    assert command("submit", "small.yaml", "--dry-run", "--local").stdout == "small can be run here\n"


def test_the_linter_says_a_line_a_finding(command: Command, tmp_path: Path) -> None:
    assert command("lint", "small.yaml").returncode == 0
    (tmp_path / "bad.yaml").write_text(SMALL.replace("parameters.code}}", "parameters.kode}}"))
    ended = command("lint", "small.yaml", "bad.yaml")
    assert ended.returncode == 1
    assert "bad.yaml: small: say: {{workflow.parameters.kode}} resolves to nothing here\n" in ended.stdout
    levels = [each["level"] for each in json.loads(command("lint", "bad.yaml", "--json").stdout)]
    assert levels.count("error") == 1
