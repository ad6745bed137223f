"""Runs of a site: started here or beside, taken up again, stopped, listed."""

import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from argo_templates.local import (
    containers,
    documents,
    engine,
    graphs,
    podman,
    process,
    record,
    slurm,
    synchronization,
    volumes,
)
from argo_templates.local.errors import RunError
from argo_templates.local.nodes import FAILED, RUNNING, Node
from argo_templates.local.state import STOPPED, Options, Run, Status, check_name, started
from rucio_dafab.site.home import Home
from rucio_dafab.site.lock import exclusive

PROCESS: Final = "process"
SLURM: Final = "slurm"
PODMAN: Final = "podman"
_REQUIRED: Final = {SLURM: slurm.require, PODMAN: podman.require}
"""What refuses where a back end is not there; a process can always be started."""

_PATIENCE: Final = 60.0
_STOPS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def folder(home: Home) -> Path:
    """Return the folder of all runs of a site."""
    return home.root / "runs"


def find(home: Home, name: str) -> Run:
    """Return a run by its name.

    Raises:
        RunError: if there is none, or that cannot be its name.
    """
    return Run.open(folder(home) / check_name(name))


def every(home: Home) -> list[Run]:
    """Return the runs of a site, the newest first."""
    found = [(path.stat().st_mtime, Run(path.parent)) for path in folder(home).glob("*/options.json")]
    # It is written once, when the run is made; what is in it may be another version's.
    return [run for _, run in sorted(found, key=lambda each: (each[0], each[1].name), reverse=True)]


def prepare(
    home: Home,
    document: Mapping[str, Any],
    parameters: Mapping[str, str],
    *,
    name: str | None = None,
    back_end: str = PROCESS,
    mapping: Mapping[str, Path] | None = None,
    jobs: int | None = None,
    fresh: bool = False,
) -> Run:
    """Check a workflow with its arguments and make the folder of its run; nothing runs yet.

    Args:
        home: the site.
        document: the Workflow or WorkflowTemplate.
        parameters: arguments by name.
        name: of the run; one that is free, by default.
        back_end: ``process``, ``slurm`` or ``podman``.
        mapping: folders of volumes, beside those of the site.
        jobs: pods at once; by default one a core, and for Slurm as many as there are.
        fresh: a fresh interpreter for each Python step.

    Raises:
        LocalError: if the workflow cannot be run here, or an argument is wrong.
        BackEndError: if the back end is not there.
    """
    plan = check(home, document, parameters, mapping=mapping, back_end=back_end)
    chosen = check_name(name or f"{plan.template[:50]}-{secrets.token_hex(3)}")
    width = jobs or (graphs.UNLIMITED if back_end == SLURM else os.cpu_count() or 1)
    options = replace(plan, jobs=width, fresh=fresh, created=time.time())
    return Run.create(folder(home) / chosen, document, options)


def check(
    home: Home,
    document: Mapping[str, Any],
    parameters: Mapping[str, str],
    *,
    mapping: Mapping[str, Path] | None = None,
    back_end: str = PROCESS,
) -> Options:
    """Check a workflow with its arguments; return how it would be started.

    Raises:
        LocalError: if the workflow cannot be run here, or an argument is wrong.
        BackEndError: if the back end is not there.
    """
    program = documents.load(document)
    values = documents.arguments(program, parameters)
    if back_end in _REQUIRED:
        _REQUIRED[back_end]()
    own = {claim: path for claim, path in volumes.of_site(home).items() if claim not in (mapping or {})}
    for path in (home.work, home.store, home.root / "scenes", home.root / "results"):
        path.mkdir(parents=True, exist_ok=True)
    folders = {claim: str(path.absolute()) for claim, path in {**own, **(mapping or {})}.items()}
    volumes.check(program.templates, program.spec.get("volumes", []), folders)
    synchronization.check((each.get("synchronization", {}) for each in _whole_and_parts(program)), folders)
    enforced = containers.ENFORCED if back_end == PODMAN else frozenset()
    noted = tuple(each for each in program.noted if each not in enforced)
    return Options(program.name, values, back_end, folders, noted=noted)


def _back_end(options: Options) -> process.BackEnd:
    """Return what runs the pods of a run."""
    if options.back_end == SLURM:
        return slurm.SlurmBackEnd()
    return podman.PodmanBackEnd() if options.back_end == PODMAN else process.ProcessBackEnd(fresh=options.fresh)


def _whole_and_parts(program: documents.Program) -> list[Mapping[str, Any]]:
    return [program.spec, *program.templates.values()]


def _ignore(_node: Node) -> None:
    """Watch nothing."""


def execute(home: Home, run: Run, watch: engine.Watcher = _ignore) -> Status:
    """Run a workflow in this process, from its beginning or from where it was left; return how it ended.

    Raises:
        SiteBusy: if another process runs it.
        LocalError: if its document cannot be run any more.
    """
    options = run.options()
    with exclusive(home, f"rucio-dafab workflow {run.name}", f"workflow-{run.name}"):
        program = documents.load(run.document())
        back_end = _back_end(options)
        _end_left_over(run, back_end)
        status = engine.run_to_end(engine.Engine(run, program, back_end, watch), tuple(map(int, _STOPS)))
        record.keep(run)
    return status


def detach(home: Home, run: Run) -> int:
    """Run a workflow in a process of its own, which goes on when this one ends; return its number.

    Raises:
        RunError: if it does not begin; with the exit status of its process, which says whether to try again.
    """
    with (run.folder / "executor.log").open("ab") as log:
        streams = [(os.POSIX_SPAWN_DUP2, log.fileno(), number) for number in (1, 2)]
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "argo_templates.local", run.name],
            {**os.environ, "DAFAB_HOME": str(home.root)},
            file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), *streams],
            setsid=True,
        )
    end = time.monotonic() + _PATIENCE
    while run.status().pid != pid:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended or time.monotonic() > end:
            raise _did_not_begin(run, os.waitstatus_to_exitcode(status))
        time.sleep(0.05)
    return pid


def _did_not_begin(run: Run, status: int) -> RunError:
    said = (run.folder / "executor.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = said[-1].removeprefix("error: ") if said else "it said nothing"
    refusal = RunError(f"{run.name} did not begin: {last}")
    refusal.exit_code = max(1, status)
    return refusal


def phase(run: Run) -> str:
    """Return the phase of a run; one whose process is gone without a word was killed, which its file cannot say."""
    status = run.status()
    return "Killed" if status.phase == RUNNING and not run.is_alive() else status.phase


def stop(run: Run) -> Status:
    """End a run and everything that it started; return how it stands then.

    Raises:
        RunError: if it has ended, or its process does not end.
    """
    status = run.status()
    if status.ended is not None:
        raise RunError(f"{run.name} has ended: {status.phase}")
    if run.is_alive():
        with suppress(ProcessLookupError):
            os.kill(status.pid, signal.SIGTERM)
        end = time.monotonic() + _PATIENCE
        while started(status.pid) == status.started:
            if time.monotonic() > end:
                raise RunError(f"{run.name}: process {status.pid} does not end")
            time.sleep(0.05)
        return run.status()
    _end_left_over(run, _back_end(run.options()))
    stopped = replace(status, phase=STOPPED, message="stopped", ended=time.time())
    run.set_status(stopped)
    return stopped


def _end_left_over(run: Run, back_end: process.BackEnd) -> None:
    """End what a killed executor may have left running, and say of it that it did not end by itself."""
    for node in run.nodes():
        if node.phase == RUNNING:
            back_end.end_left_over(node.where)
            run.keep(replace(node, phase=FAILED, message="its executor was killed", ended=time.time()))
