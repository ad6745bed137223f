"""The back end ``slurm``: one job a pod, with the flags that HPK would hand to ``sbatch``.

Jobs are looked after by asking ``scontrol`` ourselves: ``sbatch --wait`` looks every ten seconds, and there need not be
an accounting database. The folders of the site and of the run must be where the nodes see them, too.
"""

import asyncio
import re
import shlex
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from argo_templates.local.errors import BackEndError, PodRefused
from argo_templates.local.pods import Pod
from argo_templates.local.process import Began, Ended, command_of

COMMANDS: Final = ("sbatch", "scontrol", "scancel")
PAUSE: Final = 0.5
"""Seconds between two looks at all jobs."""

FLAG: Final = re.compile(r"--[a-z][a-z-]*(=[\w.,:+@%/-]+)?")
_FIELD: Final = re.compile(r"(\w+(?::\w+)?)=(\S*)")
_LIVING: Final = ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "RESIZING", "STAGE_OUT")
_OUT_OF_MEMORY: Final = 137
_OUT_OF_TIME: Final = 143
# Of what Slurm says to a job, which GPU is its own; without that it would see those of others.
_GIVEN: Final = '${CUDA_VISIBLE_DEVICES:+"CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES"}'
_MEMORY: Final = re.compile(r"slurmstepd.*(memory limit|oom.?kill)", re.IGNORECASE)
"""What Slurm writes at the end of the standard error of a job that it ends for its memory."""
_FOR_NOW: Final = re.compile(
    r"unable to contact|timed out|temporarily|connect failure|connection refused|standby|zero bytes|communication"
    r"|policy \(job submit limit",
    re.IGNORECASE,
)
"""What Slurm says where the same job may be taken later: its controller is away, or a user has many jobs."""
_ASKED_AT_MOST: Final = 5
"""Times in a row that Slurm may not answer before a pod is an error."""


def require() -> None:
    """Refuse at once where there is no Slurm.

    Raises:
        BackEndError: if a command is absent or the controller does not answer.
    """
    for name in COMMANDS:
        command_of(name)
    asked = subprocess.run([str(command_of("scontrol")), "ping"], capture_output=True, text=True, check=False)  # noqa: S603
    if asked.returncode:
        raise BackEndError(f"Slurm does not answer: {_line(asked.stdout + asked.stderr)}")


class Jobs:
    """All jobs that Slurm knows, asked for at once and not more often than every :data:`PAUSE`."""

    def __init__(self) -> None:
        self._jobs: dict[str, dict[str, str]] = {}
        self._asked = float("-inf")
        self._refusals = 0
        self._asking = asyncio.Lock()

    async def of(self, job: str, since: float) -> dict[str, str] | None:
        """Return the fields of a job that was submitted at ``since`` (monotonic); ``None`` if Slurm has none such.

        Raises:
            BackEndError: if Slurm has not answered several times in a row.
        """
        async with self._asking:
            while self._asked <= max(since, time.monotonic() - PAUSE):
                await self._ask()
        return self._jobs.get(job)

    async def _ask(self) -> None:
        began = time.monotonic()
        status, said, refusal = await _call("scontrol", "show", "job", "-o")
        if status == 0:
            found = (dict(_FIELD.findall(line)) for line in said.splitlines())
            self._jobs = {fields["JobId"]: fields for fields in found if "JobId" in fields}
            self._asked, self._refusals = began, 0
            return
        self._refusals += 1
        if self._refusals >= _ASKED_AT_MOST:
            raise BackEndError(f"Slurm does not answer: {refusal}")
        await asyncio.sleep(PAUSE)


class SlurmBackEnd:
    """Pods as jobs of Slurm."""

    contained = False

    def __init__(self) -> None:
        self._jobs = Jobs()

    async def run(self, pod: Pod, began: Began) -> Ended:
        """Submit a pod and wait for its end; cancelled, cancel the job and wait until it is gone.

        Raises:
            PodRefused: if Slurm would refuse it the next time, too.
        """
        submitted = asyncio.create_task(_submit(pod))
        try:
            job, refusal = await asyncio.shield(submitted)
            if job is None:
                return _refused(refusal)
            began({"job": job})
            return _of_memory(await self._ended(job), pod)
        except asyncio.CancelledError:
            job, _ = await submitted
            if job is not None:
                await _call("scancel", job)
                await self._ended(job)
            raise

    async def _ended(self, job: str) -> Ended:
        """Wait for the end of a job."""
        since = time.monotonic()
        while True:
            try:
                fields = await self._jobs.of(job, since)
            except BackEndError as refusal:
                return Ended(None, str(refusal))
            if fields is None:
                return Ended(None, f"Slurm knows nothing of job {job} any more")
            if fields.get("JobState") not in _LIVING:
                return _outcome(job, fields.get("JobState", ""), fields)
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        """Nothing is kept open."""

    def end_left_over(self, where: Mapping[str, Any]) -> None:
        """Cancel the job of a pod that a killed executor left."""
        if where.get("job"):
            subprocess.run([str(command_of("scancel")), str(where["job"])], capture_output=True, check=False)  # noqa: S603


def _refused(refusal: str) -> Ended:
    """Return the end of a pod that Slurm may take another time.

    Raises:
        PodRefused: if it will not.
    """
    said = f"sbatch refused: {refusal}"
    if not _FOR_NOW.search(refusal):
        raise PodRefused(said)
    return Ended(None, said)


async def _submit(pod: Pod) -> tuple[str | None, str]:
    """Return the number of a job, or ``None`` and why there is none."""
    wrong = [flag for flag in pod.flags if not FLAG.fullmatch(flag)]
    if wrong:
        return None, f"HPK takes --key=value alone, not {' '.join(wrong)}"
    if told := [name for name in pod.secret if name in pod.environment]:
        return None, f"{', '.join(told)} would stand in the script of the job, which is no place for a secret"
    lines = ["#!/bin/sh", f"cd {shlex.quote(str(pod.working_folder))} || exit 127"]
    environment = [f"{name}={value}" for name, value in pod.environment.items()]
    lines.append(f"exec env -i {_GIVEN} {shlex.join([*environment, *pod.command])}")
    script = pod.folder / "script" / "job"
    script.parent.mkdir(exist_ok=True)
    script.write_text("\n".join(lines) + "\n", encoding="utf-8")
    status, said, refusal = await _call(
        "sbatch",
        "--parsable",
        "--no-requeue",
        "--export=NONE",
        f"--job-name={_job_name(pod.path)}",
        f"--output={pod.stdout}",
        f"--error={pod.stderr}",
        f"--cpus-per-task={pod.cpu}",
        *([f"--mem={max(1, pod.memory // 2**20)}M"] if pod.memory else []),
        *pod.flags,
        str(script),
    )
    return (None, refusal) if status else (said.split(";")[0].strip(), "")


def _outcome(job: str, state: str, fields: Mapping[str, str]) -> Ended:
    code, _, number = fields.get("ExitCode", "0:0").partition(":")
    if state in ("COMPLETED", "FAILED"):
        return Ended(128 + int(number) if number not in ("", "0") else int(code))
    if state == "OUT_OF_MEMORY":
        return Ended(_OUT_OF_MEMORY, out_of_memory=True)
    if state == "TIMEOUT":
        return Ended(_OUT_OF_TIME)
    return Ended(None, f"job {job} ended as {state}: {fields.get('Reason', '')}")


def _of_memory(ended: Ended, pod: Pod) -> Ended:
    """Return how a job ended; one that Slurm ended for its memory need not be in the state that says so."""
    said = ended.status == _OUT_OF_MEMORY and _MEMORY.search(pod.last_words())
    return replace(ended, out_of_memory=True) if said else ended


async def _call(name: str, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        str(command_of(name)),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, refusal = await process.communicate()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return process.returncode or 0, said.decode("utf-8", "replace"), _line(refusal.decode("utf-8", "replace"))


def _line(said: str) -> str:
    return " ".join(said.split())


def _job_name(path: str) -> str:
    return re.sub(r"[^\w.-]+", "_", path)[-60:]
