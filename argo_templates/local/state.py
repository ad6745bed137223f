"""The folder of a run: all that is known of it, in files that are whole or absent.

RUN/options.json     how it was started (JSON)
RUN/document.json    the workflow as it is run
RUN/status.json      its phase, and the process that runs it
RUN/nodes/*.json     a file a step
RUN/pods/…           what a pod has: its files while it runs, its output streams
RUN/record.json      what came of it
"""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from argo_templates.local.errors import RunError
from argo_templates.local.nodes import RUNNING, Node
from rucio_dafab.files import read_json, write_json

PENDING: Final = "Pending"
STOPPED: Final = "Stopped"
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
"""Names of runs: those of Kubernetes' objects."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run was started.

    Attributes:
        template: the name of the document that is run.
        parameters: every parameter of the workflow with its value.
        back_end: ``process``, ``slurm`` or ``podman``.
        volumes: folders by the names of claims, secrets and config maps.
        jobs: pods at once.
        fresh: start a fresh interpreter for each Python step instead of a copy of a warm one.
        created: seconds since the epoch.
        noted: members of the document without a counterpart here.
    """

    template: str
    parameters: Mapping[str, str]
    back_end: str = "process"
    volumes: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 2
    fresh: bool = False
    created: float = 0.0
    noted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """How a run stands: its phase, and the process that runs it, with its time of start, while there is one."""

    phase: str
    message: str = ""
    began: float = 0.0
    ended: float | None = None
    pid: int = 0
    started: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the workflow: that of the folder."""
        return self.folder.name

    @classmethod
    def create(cls, folder: Path, document: Mapping[str, Any], options: Options) -> Self:
        """Make the folder of a new run.

        Raises:
            RunError: if there is one of that name.
        """
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise RunError(f"there is a run {folder.name} already: resume it, or take another name") from error
        except OSError as error:
            raise RunError(f"cannot keep runs in {folder.parent}: {error.strerror}") from error
        run = cls(folder)
        write_json(folder / "document.json", dict(document))
        run.set_status(Status(PENDING))
        write_json(folder / "options.json", asdict(options))
        return run

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return a run that there is.

        Raises:
            RunError: if there is none.
        """
        try:
            found = (folder / "options.json").is_file()
        except OSError as error:
            raise RunError(f"the run {folder.name} cannot be read: {error.strerror}") from error
        if not found:
            raise RunError(f"there is no run {folder.name}")
        return cls(folder)

    def options(self) -> Options:
        """Return how it was started."""
        with self._of_this_version("options.json"):
            value = self._read("options.json")
            return Options(**{**value, "noted": tuple(value["noted"])})

    def document(self) -> dict[str, Any]:
        """Return the workflow."""
        return self._read("document.json")

    def status(self) -> Status:
        """Return how it stands; a run whose process is gone without a word was killed."""
        with self._of_this_version("status.json"):
            return Status(**self._read("status.json"))

    def set_status(self, status: Status) -> None:
        """Keep how it stands."""
        write_json(self.folder / "status.json", asdict(status))

    def begin(self) -> None:
        """Say that this process runs it from now on."""
        pid = os.getpid()
        self.set_status(Status(RUNNING, began=time.time(), pid=pid, started=started(pid)))

    def is_alive(self) -> bool:
        """Tell whether the process that runs it is there."""
        status = self.status()
        return status.phase == RUNNING and bool(status.started) and started(status.pid) == status.started

    def keep(self, node: Node) -> None:
        """Keep how a step stands."""
        write_json(self._of(node.path), node.to_json())

    def node(self, path: str) -> Node | None:
        """Return how a step stands, ``None`` for one that was never begun."""
        return self._node(self._of(path))

    def nodes(self) -> list[Node]:
        """Return every step that was begun, in the order of beginning."""
        read = (self._node(path) for path in (self.folder / "nodes").glob("[!.]*.json"))
        found = [node for node in read if node is not None]
        return sorted(found, key=lambda node: (node.began, node.path))

    def forget(self, path: str) -> None:
        """Drop what is known of a step and of those below it."""
        for node in self.nodes():
            if node.path == path or node.path.startswith((f"{path}.", f"{path}(")):
                self._of(node.path).unlink(missing_ok=True)

    def pod(self, path: str, attempt: int) -> Path:
        """Return the folder of one try of a pod."""
        return self.folder / "pods" / _file_name(path) / str(attempt)

    def artifact(self, path: str, name: str) -> Path:
        """Return where an artifact of a step is kept."""
        return self.folder / "artifacts" / _file_name(path) / _file_name(name)

    def _of(self, path: str) -> Path:
        return self.folder / "nodes" / f"{_file_name(path)}.json"

    def _node(self, path: Path) -> Node | None:
        with self._of_this_version(f"nodes/{path.name}"):
            value = read_json(path)
            return None if value is None else Node.from_json(value)

    @contextmanager
    def _of_this_version(self, name: str) -> Iterator[None]:
        """Turn members that a file lacks, or that nobody knows, into one line.

        Raises:
            RunError: naming the file.
        """
        try:
            yield
        except (KeyError, TypeError) as error:
            raise RunError(f"the run {self.name} is another version's, or damaged: {name}: {error}") from error

    def _read(self, name: str) -> dict[str, Any]:
        value = read_json(self.folder / name)
        if value is None:
            raise RunError(f"the run {self.name} has lost its {name}")
        return value


def check_name(name: str) -> str:
    """Return the name of a run.

    Raises:
        RunError: if it cannot be one.
    """
    if not NAME.fullmatch(name):
        raise RunError(f"{name!r} cannot be the name of a run: small letters, digits and - . alone")
    return name


def started(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks, so that its number cannot be mistaken; else nothing."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]


def _file_name(path: str) -> str:
    """Return a name for a file: readable, short, and another one for each path."""
    readable = re.sub(r"[^\w.-]+", "_", path).strip("._")[-60:]
    return f"{readable}-{sha256(path.encode()).hexdigest()[:10]}"
