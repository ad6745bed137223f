"""What memory a pod has now: its processes' own pages, without those of files, which the kernel can take back.

A cluster bounds a container by a control group. Here the keeper looks, every :data:`PAUSE`: between two looks a pod may
have more.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAUSE: Final = 0.2
"""Seconds between two looks at the pods that have a bound."""

_OWN: Final = ("RssAnon:", "RssShmem:")


def used(pid: int) -> int:
    """Return the bytes that a process and all below it have; 0 of one that is gone.

    Pages that a copy of a process still shares with it count in both.
    """
    return sum(_of(each) for each in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for thread in _threads(pid):
        try:
            children = (thread / "children").read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _threads(pid: int) -> list[Path]:
    """Return the folders of a process' threads, each of which may have started others."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_OWN))
