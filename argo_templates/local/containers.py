"""A pod as a container: what a back end has to know that does not run it as a process of this machine.

Nothing is rewritten here. The folders behind the volumes are mounted where the template wants them, and the image says
what is run, and where, if the template does not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from argo_templates.local import volumes
from argo_templates.local.errors import LocalError
from argo_templates.local.paths import SYSTEM

STAGING: Final = "/argo/staging"
"""Where a script lies in its container, as in one of Argo's."""

REACHES: Final = "dafab.eu/reaches"
"""The label that says what a pod asks over the network (:mod:`argo_templates.factory`)."""

PULL: Final = {"Always": "always", "IfNotPresent": "missing", "Never": "never"}
"""podman's names of ``imagePullPolicy``."""

ENFORCED: Final = frozenset(("image", "imagePullPolicy", "readOnly"))
"""Members of documents that mean nothing to a process of this machine, and something to a container."""

_IMAGE: Final = re.compile(r"[A-Za-z0-9][\w./:@+-]*", re.ASCII)
_GIVEN: Final = frozenset(("cpu", "memory", "ephemeral-storage"))
"""Resources that are given here; the last as much as there is."""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of this machine and its place in a container."""

    target: str
    source: Path
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Container:
    """What a container is besides its pod.

    Attributes:
        image: its name.
        pull: when it is pulled: ``always``, ``missing`` or ``never``.
        entry_point: whether the image's own entry point is run.
        working_folder: empty for the image's own.
        mounts: what it sees of this machine.
        read_only: whether its root file system is.
        network: ``host``, or ``none`` for a pod that is labelled to reach nothing.
    """

    image: str
    pull: str
    entry_point: bool
    working_folder: str
    mounts: tuple[Mount, ...]
    read_only: bool
    network: str


def of(
    template: Mapping[str, Any],
    container: Mapping[str, Any],
    folders: Mapping[str, Path],
    declared: list[Any],
    asked: Mapping[str, Mapping[str, Any]],
    folder: Path,
) -> Container:
    """Return what the container of a template is.

    Args:
        template: whose pod it is.
        container: of the template, without tags.
        folders: of this machine by the paths of the container.
        declared: volumes of the template and of the workflow.
        asked: requests and limits.
        folder: of the pod.

    Raises:
        LocalError: if it names no image, a folder cannot be mounted, or no container gets here what is asked for.
    """
    name = template["name"]
    _check_resources(name, asked)
    policy = container.get("imagePullPolicy", "IfNotPresent")
    if policy not in PULL:
        raise LocalError(f"{name}: imagePullPolicy {policy!r} is none of {', '.join(PULL)}")
    mounts = list(_mounts(name, container, folders, declared))
    if "source" in container:
        mounts.append(Mount(STAGING, folder / "script", read_only=True))
    reaches = template.get("metadata", {}).get("labels", {}).get(REACHES)
    return Container(
        image=_image(name, container),
        pull=PULL[policy],
        entry_point="command" not in container,
        working_folder=container.get("workingDir", ""),
        mounts=tuple(mounts),
        read_only=bool(container.get("securityContext", {}).get("readOnlyRootFilesystem")),
        network="none" if reaches == "nothing" else "host",
    )


def _check_resources(name: str, asked: Mapping[str, Mapping[str, Any]]) -> None:
    beyond = {member for kind in asked.values() for member, value in kind.items() if str(value) != "0"} - _GIVEN
    if beyond:
        raise LocalError(f"{name}: {', '.join(sorted(beyond))} is nothing that a container of this executor gets")


def _image(name: str, container: Mapping[str, Any]) -> str:
    """Return the image: a name that podman cannot take for one of its options, or for several words."""
    image = str(container.get("image", ""))
    if not _IMAGE.fullmatch(image):
        raise LocalError(f"{name}: {image!r} is no name of an image")
    return image


def _mounts(
    name: str, container: Mapping[str, Any], folders: Mapping[str, Path], declared: list[Any]
) -> Iterator[Mount]:
    by_name = {volume["name"]: volume for volume in declared}
    by_path = {each["mountPath"]: each for each in container.get("volumeMounts", [])}
    for target, source in folders.items():
        mount = by_path.get(target)
        if mount is None:
            _check_handover(name, target)
            yield Mount(target, source)
            continue
        volume = by_name[mount["name"]]
        yield Mount(target, source, _is_read_only(mount, volume))
        if volumes.named(volume) in volumes.KNOWN_BY_PATH:
            yield Mount(str(source), source)


def _is_read_only(mount: Mapping[str, Any], volume: Mapping[str, Any]) -> bool:
    claim = volume.get("persistentVolumeClaim", {})
    return bool(mount.get("readOnly") or claim.get("readOnly") or "secret" in volume or "configMap" in volume)


def _check_handover(name: str, target: str) -> None:
    """Refuse to lay an empty folder over one that the image needs: a place of files that no volume holds."""
    top = PurePosixPath(target).parts[1:2]
    if not top or top[0] in SYSTEM:
        raise LocalError(
            f"{name}: files are handed over in {target}, which is the image's: use /tmp, or mount a volume"
        )
