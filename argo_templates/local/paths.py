"""Paths of a pod as paths of this machine: nothing is mounted, so the texts that name them are rewritten.

A pod sees ``/dafab/work`` and ``/tmp``; here these are a folder of the site and one of the pod's own. In every text of
the pod (command, arguments, environment, script, parameters) a path at or below a mount becomes the path of its folder,
once; one above a mount (``/dafab``) becomes a folder that holds links to what is mounted below it.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from typing_extensions import override

SYSTEM: Final = frozenset(
    (
        "bin",
        "dev",
        "etc",
        "home",
        "lib",
        "lib64",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "srv",
        "sys",
        "usr",
        "var",
    )
)
"""Folders at the top that stay the machine's own, whatever is mounted below them."""

_END: Final = r"(?=[/\s\"'`:,;=)\]}]|$)"


class Paths:
    """Rewrites texts of one pod, there and back."""

    def __init__(self, root: Path, mounts: Mapping[str, Path]) -> None:
        """Make the folders above the mounts below ``root``; ``mounts`` are folders by their path in the pod."""
        self._mounts = {str(PurePosixPath(path)): folder for path, folder in mounts.items()}
        self._known = self._mounts | {path: root / path.lstrip("/") for path in _above(self._mounts)}
        self._there = _pattern(self._known)
        self._pod = {str(folder): path for path, folder in self._known.items()}
        self._back = _pattern(self._pod)
        for path, folder in self._mounts.items():
            # Texts are rewritten by the longest mount; a link inside the folder of another would stay in that.
            if not any(str(parent) in self._mounts for parent in PurePosixPath(path).parents):
                _link(root / path.lstrip("/"), folder)

    contained = False
    """Whether a pod sees its paths as they are, so that no text is rewritten."""

    def place(self, path: str) -> Path:
        """Return where a file or folder of the pod is on this machine."""
        return Path(self._there.sub(lambda found: str(self._known[found[1]]), path))

    def here(self, text: str) -> str:
        """Return a text of the pod with the paths of this machine."""
        return self._there.sub(lambda found: str(self._known[found[1]]), text)

    def in_pod(self, text: str) -> str:
        """Return a text that a pod wrote with the paths that it would have seen."""
        return self._back.sub(lambda found: self._pod[found[1]], text)


class Mounted(Paths):
    """The paths of a container, where folders are mounted."""

    contained = True

    @override
    def here(self, text: str) -> str:
        """Return the text as it is."""
        return text

    @override
    def in_pod(self, text: str) -> str:
        """Return the text as it is."""
        return text


def _above(mounts: Iterable[str]) -> set[str]:
    """Return the folders above mounts that no mount and no folder of the machine is."""
    every = {str(parent) for path in mounts for parent in PurePosixPath(path).parents}
    return {path for path in every if path != "/" and path not in mounts and path.split("/")[1] not in SYSTEM}


def _pattern(paths: Iterable[str]) -> "re.Pattern[str]":
    longest_first = sorted(paths, key=len, reverse=True)
    return re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, longest_first))}){_END}")


def _link(place: Path, folder: Path) -> None:
    if place != folder and not place.is_symlink() and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(folder, target_is_directory=True)
