"""The back end ``podman``: one container a pod, of the image that its template names.

A container is called after the folder of its pod, so that what a killed executor left is found and ended, and a rerun
takes its place. It runs as the user who submitted it, whose the mounted folders are, without capabilities.
"""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from argo_templates.local.containers import Container, Mount
from argo_templates.local.errors import BackEndError, PodRefused
from argo_templates.local.pods import Pod
from argo_templates.local.process import Began, Ended, command_of

GRACE: Final = 5
"""Seconds between asking a container to end and ending it."""

_OUT_OF_MEMORY: Final = 137
_NOT_FOUND: Final = (126, 127)
_FOR_NOW: Final = re.compile(
    r"timeout|timed out|temporar|connection re|no route to host|network is unreachable|no such host|EOF"
    r"|too many requests|50[0234]|locked|no space left|resource",
    re.IGNORECASE,
)
"""What podman says where the same container may begin later: a registry is away, or the machine has no room."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_OWN_VARIABLES: Final = ("HOME", "PATH", "TMPDIR")
_OWN_PREFIXES: Final = ("CONTAINERS_", "DBUS_", "LD_", "REGISTRY_", "STORAGE_", "XDG_")
"""Variables by which podman itself is told something, which the key of a secret must not stand in for."""


def require() -> None:
    """Refuse at once where there is no podman, or it does not work.

    Raises:
        BackEndError: saying which.
    """
    asked = subprocess.run(  # noqa: S603
        [str(command_of("podman")), "info", "--format={{.Host.OCIRuntime.Name}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        raise BackEndError(f"podman does not work here: {_line(asked.stderr)}")


class PodmanBackEnd:
    """Pods as containers of podman."""

    contained = True

    async def run(self, pod: Pod, began: Began) -> Ended:
        """Run a pod to its end; cancelled, end its container first.

        Raises:
            PodRefused: if podman would refuse it the next time, too.
        """
        container = pod.container
        if container is None:
            return Ended(None, "the pod was not made to be a container")
        try:
            told = _secrets(pod)
            command = [str(command_of("podman")), "run", f"--name={name_of(pod)}", *_options(pod, container)]
        except BackEndError as refusal:
            raise PodRefused(str(refusal)) from refusal
        began({"container": name_of(pod)})
        client = await self._begin([*command, container.image, *pod.command], pod, os.environ | told)
        try:
            status = await client.wait()
            return await _outcome(pod, status)
        except asyncio.CancelledError:
            await _end(client, name_of(pod))
            raise
        finally:
            await _call("rm", "--force", "--ignore", "--time=0", name_of(pod))

    async def close(self) -> None:
        """Nothing is kept open."""

    def end_left_over(self, where: Mapping[str, Any]) -> None:
        """End the container of a pod that a killed executor left."""
        if where.get("container"):
            command = [str(command_of("podman")), *_removal(str(where["container"]))]
            subprocess.run(command, capture_output=True, check=False)  # noqa: S603

    async def _begin(self, command: list[str], pod: Pod, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        with pod.stdout.open("wb") as stdout, pod.stderr.open("wb") as stderr:
            # A session of its own: a terminal's ^C is for the executor, which then says what is to end.
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd=pod.folder,
                start_new_session=True,
            )


def name_of(pod: Pod) -> str:
    """Return the name of the container of a pod: the same for the same folder, and no other's."""
    return f"dafab-{sha256(str(pod.folder).encode()).hexdigest()[:20]}"


def _options(pod: Pod, container: Container) -> Iterator[str]:
    """Yield the options of ``podman run``.

    Raises:
        BackEndError: if a folder cannot be named to podman.
    """
    yield from ("--replace", f"--pull={container.pull}", f"--network={container.network}", "--log-driver=none")
    yield from (f"--label=dafab.eu/run={pod.folder.parents[2].name}", f"--label=dafab.eu/step={pod.path}")
    yield from ("--cap-drop=all", "--security-opt=no-new-privileges", f"--user={os.getuid()}:{os.getgid()}")
    if os.getuid():
        yield "--userns=keep-id"
    if container.read_only:
        yield from ("--read-only", "--read-only-tmpfs=false")
    yield f"--cpu-shares={1024 * pod.cpu}"
    if pod.limit:
        yield from (f"--memory={pod.limit}b", f"--memory-swap={pod.limit}b")
    if not container.entry_point:
        yield "--entrypoint="
    if container.working_folder:
        yield f"--workdir={container.working_folder}"
    yield from (f"--mount={_mount(each)}" for each in container.mounts)
    yield from (f"--env={name}={value}" for name, value in pod.environment.items() if name not in pod.secret)
    # Without a value podman takes that of its own environment, which no list of processes shows.
    yield from (f"--env={name}" for name in pod.secret if name in pod.environment)


def _mount(mount: Mount) -> str:
    if wrong := [text for text in (mount.target, str(mount.source)) if "," in text or '"' in text]:
        raise BackEndError(f"podman cannot mount {wrong[0]}: a comma or quotation mark is in its name")
    return f"type=bind,source={mount.source},target={mount.target}{',ro=true' if mount.read_only else ''}"


def _secrets(pod: Pod) -> dict[str, str]:
    """Return the variables with keys of secrets.

    Raises:
        BackEndError: if one is called like what podman itself reads, or like several: ``A*`` would be all that
            begin so, of this machine's own.
    """
    found = {name: pod.environment[name] for name in pod.secret if name in pod.environment}
    if wrong := [name for name in found if not _VARIABLE.fullmatch(name)]:
        raise BackEndError(f"{wrong[0]!r} is no name of a variable, and cannot hold the key of a secret")
    if wrong := [name for name in found if name in _OWN_VARIABLES or name.startswith(_OWN_PREFIXES)]:
        raise BackEndError(f"{wrong[0]} is read by podman itself, and cannot hold the key of a secret")
    return found


async def _outcome(pod: Pod, status: int) -> Ended:
    """Return how a pod ended, by its container's own account: podman's status may mean podman.

    Raises:
        PodRefused: if podman began none, and would not the next time either.
    """
    found, said, _ = await _call("inspect", "--type=container", "--format={{json .State}}", name_of(pod))
    state = json.loads(said) if found == 0 else {}
    if state.get("Status") == "exited":
        code = int(state["ExitCode"])
        # With control groups of the first version conmon says it by a file where it was begun, which podman overlooks.
        if code and (state.get("OOMKilled") or (pod.folder / "oom").exists()):
            return Ended(_OUT_OF_MEMORY, out_of_memory=True)
        return Ended(code)
    if status in _NOT_FOUND:
        # As the process back end says it: the template is wrong, not podman.
        pod.stderr.write_text(f"error: cannot start {_program(pod)}: {_last(pod.stderr)}\n", encoding="utf-8")
        return Ended(status)
    said = _last(pod.stderr)
    if said and not _FOR_NOW.search(pod.stderr.read_text(encoding="utf-8", errors="replace")):
        raise PodRefused(f"podman refused: {said}")
    return Ended(None, f"podman refused: {said or f'exit status {status}'}")


def _program(pod: Pod) -> str:
    return pod.command[0] if pod.command else "the image"


async def _end(client: asyncio.subprocess.Process, name: str) -> None:
    """End a container whose client may only be about to make it."""
    while client.returncode is None:
        await _call(*_removal(name))
        with suppress(TimeoutError):
            await asyncio.wait_for(client.wait(), 1)


def _removal(name: str) -> tuple[str, ...]:
    return "rm", "--force", "--ignore", f"--time={GRACE}", name


async def _call(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        str(command_of("podman")),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    said, refusal = await process.communicate()
    return process.returncode or 0, said.decode("utf-8", "replace"), _line(refusal.decode("utf-8", "replace"))


def _last(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].removeprefix("Error: ").strip() if lines else ""


def _line(said: str) -> str:
    return " ".join(said.split())
