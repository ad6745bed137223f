"""A pod, made ready: what is run, with which environment, over which folders, and what it should leave."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from argo_templates.local import containers, handed_on, patches, tags, volumes
from argo_templates.local.errors import LocalError
from argo_templates.local.paths import Mounted, Paths

TMP: Final = "/tmp"  # noqa: S108 - a folder of the pod's own, on another place of this machine
INHERITED: Final = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "PYTHONWARNINGS")
"""What a pod has of this machine's environment: what finds commands and says how texts are written, nothing else."""

PYTHONS: Final = ("python", "python3")
RESULT_BYTES: Final = 256 * 1024
"""What is kept of a standard output, Argo's own limit."""


@dataclass(frozen=True, slots=True)
class Pod:
    """What a back end runs.

    Attributes:
        path: the step that it is of.
        folder: of its own: ``stdout``, ``stderr``, and what is made for it.
        command: the program and its arguments, with the paths of this machine.
        environment: all of it.
        working_folder: where it begins.
        flags: what HPK would hand to ``sbatch``.
        cpu: cores requested, rounded up.
        memory: bytes requested; 0 where nothing is.
        paths: rewrites what it wrote.
        secret: names of variables that hold keys of secrets.
        limit: bytes of memory that it may have; 0 for as much as there is.
        container: what it is besides where it is one; its ``command`` and ``environment`` are then the template's own.
    """

    path: str
    folder: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]
    working_folder: Path
    flags: tuple[str, ...]
    cpu: int
    memory: int
    paths: Paths
    secret: tuple[str, ...] = ()
    limit: int = 0
    container: containers.Container | None = None

    @property
    def stdout(self) -> Path:
        """What it wrote to its standard output."""
        return self.folder / "stdout"

    @property
    def stderr(self) -> Path:
        """What it wrote to its standard error."""
        return self.folder / "stderr"

    def result(self) -> str:
        """Return the end of its standard output, without the last line's end."""
        with self.stdout.open("rb") as stream:
            stream.seek(max(0, self.stdout.stat().st_size - RESULT_BYTES))
            return self.paths.in_pod(stream.read().decode("utf-8", "replace").removesuffix("\n"))

    def last_words(self) -> str:
        """Return the last line that it wrote to its standard error."""
        with self.stderr.open("rb") as stream:
            stream.seek(max(0, self.stderr.stat().st_size - 4096))
            lines = stream.read().decode("utf-8", "replace").strip().splitlines()
        return self.paths.in_pod(lines[-1].strip()) if lines else ""

    def tidy(self) -> None:
        """Remove what was made for it; its output streams stay."""
        for name in ("root", "volumes", "script"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def make(
    path: str,
    template: Mapping[str, Any],
    scope: tags.Scope,
    artifacts: Mapping[str, str],
    folder: Path,
    shared: list[Any],
    mapping: Mapping[str, str],
    *,
    contained: bool = False,
) -> Pod:
    """Make the folders of a pod.

    Args:
        path: the step that it is of.
        template: with its tags.
        scope: what they stand for.
        artifacts: input artifacts by name: ``path:`` and a file or folder, or ``raw:`` and a text.
        folder: the pod's own; emptied.
        shared: volumes of the whole workflow.
        mapping: folders of named volumes.
        contained: whether it becomes a container instead of a process of this machine.

    Raises:
        TagError: if a tag resolves to nothing.
        LocalError: if a volume has no folder, or a label is none.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    container = tags.put_in(template.get("script") or template["container"], scope)
    declared = [*template.get("volumes", []), *shared]
    mounts = _mounts(template, container, folder, declared, mapping)
    paths = (Mounted if contained else Paths)(folder / "root", mounts)
    _take_in(template, artifacts, paths)
    asked = patches.resources(template, container, scope)
    metadata = template.get("metadata", {})
    handed_on.check_labels(template["name"], tags.put_in(metadata.get("labels", {}), scope))
    flags = handed_on.flags(metadata.get("annotations", {}), scope)
    made = _of(path, container, folder, paths, mapping, asked, flags)
    if not contained:
        return made
    return replace(made, container=containers.of(template, container, mounts, declared, asked, folder))


def _of(
    path: str,
    container: Mapping[str, Any],
    folder: Path,
    paths: Paths,
    mapping: Mapping[str, str],
    asked: Mapping[str, Mapping[str, Any]],
    flags: tuple[str, ...],
) -> Pod:
    """Return the pod of a container without tags."""
    return Pod(
        path=path,
        folder=folder,
        command=tuple(_command(container, paths, folder)),
        environment=_environment(container, paths, folder, mapping),
        working_folder=Path(paths.here(container.get("workingDir", TMP))),
        flags=flags,
        cpu=max(1, -int(-quantity(asked["requests"].get("cpu", 0)) // 1)),
        memory=int(quantity(asked["requests"].get("memory", 0))),
        paths=paths,
        secret=_secret(container),
        limit=int(quantity(asked["limits"].get("memory", 0))),
    )


def _mounts(
    template: Mapping[str, Any],
    container: Mapping[str, Any],
    folder: Path,
    declared: list[Any],
    mapping: Mapping[str, str],
) -> dict[str, Path]:
    """Return folders by mount path: what is mounted, a ``/tmp``, and a folder for what no mount would hold."""
    by_name = {volume["name"]: volume for volume in declared}
    mounts = {TMP: folder / "root" / "tmp"}
    for mount in container.get("volumeMounts", []):
        if mount["name"] not in by_name:
            raise LocalError(f"{template['name']}: the mounted volume {mount['name']} is not declared")
        place = volumes.folder(by_name[mount["name"]], mapping, folder / "volumes")
        mounts[mount["mountPath"]] = _below(place, mount["subPath"]) if "subPath" in mount else place
    for path in [*_output_paths(template), *_input_paths(template)]:
        parent = PurePosixPath(path).parent
        if not any(parent.is_relative_to(known) for known in mounts):
            mounts[str(parent)] = folder / "root" / str(parent).lstrip("/")
    for made in mounts.values():
        if made.is_relative_to(folder):
            made.mkdir(parents=True, exist_ok=True)
    return mounts


def _below(place: Path, sub_path: str) -> Path:
    """Return a folder of a volume, made where it is not there, as Kubernetes does.

    Raises:
        LocalError: if it leads out of the volume.
    """
    if PurePosixPath(sub_path).is_absolute() or ".." in PurePosixPath(sub_path).parts:
        raise LocalError(f"the subPath {sub_path!r} leads out of its volume")
    (place / sub_path).mkdir(parents=True, exist_ok=True)
    return place / sub_path


def _command(container: Mapping[str, Any], paths: Paths, folder: Path) -> list[str]:
    command = [paths.here(part) for part in (*container.get("command", []), *container.get("args", []))]
    if not command and not paths.contained:
        raise LocalError("a container without a command: its image would have to be asked, and none is pulled here")
    if not paths.contained and command[0] in PYTHONS:
        command[0] = sys.executable
    if "source" in container:
        script = folder / "script" / "script"
        script.parent.mkdir()
        script.write_text(_source(container["source"], paths), encoding="utf-8")
        command.append(f"{containers.STAGING}/script" if paths.contained else str(script))
    return command


def _source(source: str, paths: Paths) -> str:
    """Return a script with the paths of this machine; Hera's list of parameters is JSON, and rewritten value by value.

    A text inside JSON has its own escapes, which a rewriting of the whole would have to know.
    """
    try:
        values = json.loads(source)
    except ValueError:
        return paths.here(source)
    if not isinstance(values, list):
        return paths.here(source)
    return json.dumps([{**each, "value": paths.here(each["value"])} if "value" in each else each for each in values])


def _environment(
    container: Mapping[str, Any], paths: Paths, folder: Path, mapping: Mapping[str, str]
) -> dict[str, str]:
    given = ((each["name"], _variable(each, paths, mapping)) for each in container.get("env", []))
    own = {name: value for name, value in given if value is not None}
    if paths.contained:
        return own
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    inherited["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}"
    home = {"HOME": str(folder / "root" / "tmp"), "USER": "dafab", "TMPDIR": paths.here(TMP)}
    return inherited | home | own


def _secret(container: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the variables that hold keys of secrets."""
    return tuple(each["name"] for each in container.get("env", []) if "secretKeyRef" in each.get("valueFrom", {}))


def _variable(variable: Mapping[str, Any], paths: Paths, mapping: Mapping[str, str]) -> str | None:
    """Return the value of a variable; ``None`` for the key of a secret that may be absent and is.

    Raises:
        LocalError: if the secret has no such key.
    """
    source = variable.get("valueFrom", {}).get("secretKeyRef")
    if source is None:
        return paths.here(str(variable.get("value", "")))
    path: Path = Path(mapping.get(source["name"], os.devnull)) / source["key"]
    if path.is_file():
        return path.read_text(encoding="utf-8").removesuffix("\n")
    if source.get("optional"):
        return None
    raise LocalError(f"the secret {source['name']} has no key {source['key']} here")


def _take_in(template: Mapping[str, Any], artifacts: Mapping[str, str], paths: Paths) -> None:
    """Put the input artifacts at their paths, and make the folders of the outputs."""
    for output in _output_paths(template):
        paths.place(output).parent.mkdir(parents=True, exist_ok=True)
    for artifact in template.get("inputs", {}).get("artifacts", []):
        if artifact["name"] not in artifacts:
            continue
        kind, _, source = artifacts[artifact["name"]].partition(":")
        target = paths.place(artifact["path"])
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "raw":
            target.write_text(source, encoding="utf-8")
        elif Path(source).is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)


def _input_paths(template: Mapping[str, Any]) -> list[str]:
    return [each["path"] for each in template.get("inputs", {}).get("artifacts", [])]


def _output_paths(template: Mapping[str, Any]) -> list[str]:
    outputs = template.get("outputs", {})
    parameters = (each.get("valueFrom", {}).get("path") for each in outputs.get("parameters", []))
    return [*filter(None, parameters), *(each["path"] for each in outputs.get("artifacts", []) if "path" in each)]


_UNITS: Final = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def quantity(value: str | float) -> float:
    """Return one of Kubernetes' quantities as a number: ``500m`` is 0.5, ``2Gi`` is 2147483648.

    Raises:
        LocalError: if it is none.
    """
    text = str(value)
    unit = text.lstrip("0123456789.")
    try:
        return float(text.removesuffix(unit)) * (_UNITS[unit] if unit else 1)
    except (KeyError, ValueError) as error:
        raise LocalError(f"{text!r} is no quantity as Kubernetes writes them") from error
