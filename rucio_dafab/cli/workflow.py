"""``rucio-dafab workflow``: workflows submitted to Argo, or run here; watched, stopped, linted, rendered."""

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from rucio_dafab.cli import workflow_files, workflow_scale
from rucio_dafab.cli.workflow_display import Display, lines_of
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home
from rucio_dafab.terminal import application

if TYPE_CHECKING:
    from collections.abc import Callable

    from argo_templates.local.state import Run
    from argo_templates.server import ArgoServer

app = application()
app.command()(workflow_files.lint)
app.command()(workflow_files.render)
app.command()(workflow_scale.scale)

SUCCEEDED: Final = "Succeeded"
UNREADABLE: Final = "Unreadable"
"""What the list says of a run whose folder another version wrote, or that is damaged."""
_PAUSE: Final = 0.3

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Server = Annotated[bool, typer.Option("--server", help="Ask the Argo server instead of this site.")]
Namespace = Annotated[str, typer.Option(help="Namespace at the Argo server.")]
Name = Annotated[str, typer.Argument(help="Name of the run.")]


@app.command()
def submit(
    template: Annotated[str, typer.Argument(help="A workflow template, or a file of YAML with one workflow.")],
    parameter: Annotated[list[str] | None, typer.Option("--parameter", "-p", help="An argument: name=value.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Run it on this machine; this is not Argo.")] = False,
    slurm: Annotated[bool, typer.Option("--slurm", help="Run it here, every pod a job of Slurm.")] = False,
    podman: Annotated[bool, typer.Option("--podman", help="Run it here, every pod a container of podman.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it to its end; exit status 1 if it fails.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it and say what would be submitted.")] = False,
    name: Annotated[str | None, typer.Option(help="Name of the run; a free one by default.")] = None,
    volume: Annotated[list[str] | None, typer.Option(help="Folder of a claim or secret: NAME=FOLDER.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Pods at once, with --local; by default one a core.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="A fresh interpreter for every step, with --local.")] = False,
    namespace: Namespace = "dafab",
    as_json: Json = False,
) -> None:
    """Start a workflow: at the Argo server of ARGO_SERVER, or with --local, --slurm, --podman by our own executor."""
    from argo_templates.local import documents, runs  # noqa: PLC0415

    back_end = _back_end(process=local, slurm=slurm, podman=podman)
    document = documents.find(template)
    program = documents.outline(document)
    given = _pairs("-p", parameter or ())
    if back_end is None:
        if document.get("kind") != "WorkflowTemplate":
            raise DafabError(
                f"{template} is no WorkflowTemplate: others are run here alone, with --local, --slurm or --podman"
            )
        _submit_to_server(program.name, documents.arguments(program, given), name, namespace, dry_run, wait, as_json)
        return
    options: dict[str, Any] = {"jobs": jobs, "fresh": fresh, "name": name, "back_end": back_end}
    folders, home = _folders(volume or ()), Home.from_environment()
    if dry_run:
        plan = runs.check(home, document, given, mapping=folders, back_end=back_end)
        typer.echo(json.dumps(asdict(plan), indent=1) if as_json else f"{program.name} can be run here")
        return
    _carry_out(home, runs.prepare(home, document, given, mapping=folders, **options), wait, as_json)


@app.command()
def resume(
    name: Name,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it to its end; exit status 1 if it fails.")] = False,
    as_json: Json = False,
) -> None:
    """Take up a run that was killed, stopped or has failed: what succeeded is not run again."""
    from argo_templates.local import runs  # noqa: PLC0415

    home = Home.from_environment()
    run = runs.find(home, name)
    if run.status().phase == SUCCEEDED:
        raise DafabError(f"{name} has succeeded: there is nothing to take up")
    _carry_out(home, run, wait, as_json)


@app.command("list")
def list_(server: Server = False, namespace: Namespace = "dafab", as_json: Json = False) -> None:
    """List the runs of this site, or the workflows of the Argo server, the newest first."""
    found = _of_server(namespace) if server else _of_site()
    if as_json:
        typer.echo(json.dumps(found))
        return
    for each in found:
        typer.echo(f"{each['name']:<40} {each['phase']:<10} {each['created']}  {each['message']}".rstrip())


@app.command()
def watch(name: Name, server: Server = False, namespace: Namespace = "dafab") -> None:
    """Watch a run to its end; exit status 1 if it does not succeed."""
    if server:
        _end(_watch_server(_asked(namespace), name))
        return
    from argo_templates.local import runs  # noqa: PLC0415

    run = runs.find(Home.from_environment(), name)
    with Display(run.name) as display:
        while True:
            phase = runs.phase(run)
            for node in run.nodes():
                display(node)
            if phase not in ("Running", "Pending"):
                break
            time.sleep(_PAUSE)
    _end(phase, run.status().message)


@app.command()
def logs(
    name: Name,
    step: Annotated[str, typer.Argument(help="Only of steps whose path begins so.")] = "",
    server: Server = False,
    namespace: Namespace = "dafab",
) -> None:
    """Print what the steps of a run wrote."""
    if server:
        for pod, line in _asked(namespace).logs(name):
            typer.echo(f"{pod}: {line}")
        return
    from argo_templates.local import runs  # noqa: PLC0415

    run = runs.find(Home.from_environment(), name)
    for node in run.nodes():
        if node.kind == "Pod" and node.path.startswith(step):
            for line in lines_of(run, node):
                typer.echo(line)


@app.command()
def stop(name: Name, server: Server = False, namespace: Namespace = "dafab") -> None:
    """End a run and everything that it started."""
    if server:
        _asked(namespace).stop(name)
    else:
        from argo_templates.local import runs  # noqa: PLC0415

        runs.stop(runs.find(Home.from_environment(), name))
    typer.echo(f"{name}: stopped")


@app.command()
def show(name: Name) -> None:
    """Print the record of a run as JSON: what went in, with which versions, what came of it, how long it took."""
    from argo_templates.local import record, runs  # noqa: PLC0415

    typer.echo(json.dumps(record.of(runs.find(Home.from_environment(), name)), indent=1))


def _back_end(**wanted: bool) -> str | None:
    """Return what is to run the pods here; ``None`` for an Argo server.

    Raises:
        DafabError: if there is more than one.
    """
    here = [place for place, is_wanted in wanted.items() if is_wanted]
    if len(here) > 1:
        raise DafabError("--local, --slurm and --podman: only one of them can be the place")
    return here[0] if here else None


def _pairs(option: str, given: "list[str] | tuple[str, ...]") -> dict[str, str]:
    pairs = {}
    for each in given:
        key, equals, value = each.partition("=")
        if not equals or not key:
            raise DafabError(f"{option} {each!r} is not name=value")
        if key in pairs:
            raise DafabError(f"{option}: {key} is given twice")
        pairs[key] = value
    return pairs


def _folders(given: "list[str] | tuple[str, ...]") -> dict[str, Path]:
    pairs = _pairs("--volume", given)
    if unnamed := [name for name, folder in pairs.items() if not folder]:
        raise DafabError(f"--volume {unnamed[0]}= names no folder")
    return {name: Path(folder) for name, folder in pairs.items()}


def _carry_out(home: Home, run: "Run", wait: bool, as_json: bool) -> None:
    """Run a workflow here and watch it, or in a process of its own."""
    if wait:
        _foreground(home, run, as_json)
        return
    from argo_templates.local import runs  # noqa: PLC0415

    runs.detach(home, run)
    typer.echo(json.dumps({"run": run.name}) if as_json else run.name)


def _submit_to_server(
    template: str,
    values: dict[str, str],
    name: str | None,
    namespace: str,
    dry_run: bool,
    wait: bool,
    as_json: bool,
) -> None:
    from argo_templates.server import submission  # noqa: PLC0415

    if dry_run:
        typer.echo(json.dumps(submission(namespace, template, values, name), indent=1))
        return
    server = _asked(namespace)
    started = server.submit(template, values, name)
    typer.echo(json.dumps({"workflow": started, "namespace": namespace}) if as_json else started)
    if wait:
        _end(_watch_server(server, started))


def _foreground(home: Home, run: "Run", as_json: bool) -> None:
    from argo_templates.local import record, runs  # noqa: PLC0415

    with Display(run.name) as display:
        status = runs.execute(home, run, display)
    if as_json:
        typer.echo(json.dumps(record.of(run), indent=1))
    else:
        typer.echo(f"{run.name}: {status.phase}")
    _end(status.phase, f"{run.name}: {status.message}")


def _asked(namespace: str) -> "ArgoServer":
    """Return the Argo server of the environment; what runs here needs none of the libraries for it."""
    from argo_templates.server import ArgoServer  # noqa: PLC0415

    return ArgoServer.from_environment(namespace)


def _watch_server(server: "ArgoServer", name: str) -> str:
    """Show the nodes of a workflow until it has ended; return its phase."""
    from argo_templates.server import as_argo_answers  # noqa: PLC0415

    seen: dict[str, str] = {}
    while True:
        with as_argo_answers():
            # A workflow that no controller has looked at has no status, and one that waits no nodes.
            status = server.workflow(name).get("status") or {}
            for node in (status.get("nodes") or {}).values():
                if seen.get(node["id"]) != node.get("phase"):
                    phase = seen[node["id"]] = str(node.get("phase", ""))
                    typer.echo(f"{phase:<10} {node.get('displayName', '')}  {node.get('message', '')}".rstrip())
            if status.get("finishedAt"):
                return str(status.get("phase", ""))
        time.sleep(10 * _PAUSE)


def _of_site() -> list[dict[str, str]]:
    from argo_templates.local import runs  # noqa: PLC0415

    return [_line(run, runs.phase) for run in runs.every(Home.from_environment())]


def _line(run: "Run", phase_of: "Callable[[Run], str]") -> dict[str, str]:
    """Return how a run stands; one that cannot be read does not hide the others."""
    try:
        created = datetime.fromtimestamp(run.options().created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"name": run.name, "phase": phase_of(run), "created": created, "message": run.status().message}
    except DafabError as refusal:
        return {"name": run.name, "phase": UNREADABLE, "created": "", "message": str(refusal)}


def _of_server(namespace: str) -> list[dict[str, str]]:
    from argo_templates.server import as_argo_answers  # noqa: PLC0415

    with as_argo_answers():
        found = [
            {
                "name": str(each["metadata"]["name"]),
                "phase": str((each.get("status") or {}).get("phase", "Pending")),
                "created": str(each["metadata"].get("creationTimestamp", "")),
                "message": str((each.get("status") or {}).get("message", "")),
            }
            for each in _asked(namespace).every()
        ]
    return sorted(found, key=lambda each: each["created"], reverse=True)


def _end(phase: str, message: str = "") -> None:
    """End with status 1 unless a run has succeeded."""
    if phase != SUCCEEDED:
        raise DafabError(message or f"it ended as {phase}")
