"""Print those pins of a lock, with their hashes, that some extras or packages need; the rest of the lock stays out.

``uv`` writes below every pin what asked for it (``# via``), so that the lock alone says what belongs to what.
Only Python's own library is used: an image is built before anything is installed in it.
"""

import argparse
import re
import tomllib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def blocks(lock: str) -> dict[str, str]:
    """Return the lines of every pin by its name."""
    starts = [*(found.start() for found in PIN.finditer(lock)), len(lock)]
    pieces = (lock[begin:end] for begin, end in pairwise(starts))
    return {_name(piece): piece for piece in pieces}


def parents(block: str) -> set[str]:
    """Return the names of what asked for a pin."""
    told = block.partition("# via")[2].replace("#", " ").replace("(pyproject.toml)", " ")
    return {_name(each) for each in told.split()}


def asked_for(pyproject: Mapping[str, object], extras: Iterable[str]) -> set[str]:
    """Return the names of what the project itself needs with these extras.

    Raises:
        SystemExit: if there is no such extra.
    """
    project: Mapping[str, object] = pyproject["project"]  # type: ignore[assignment]
    known: Mapping[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    if unknown := sorted(set(extras) - known.keys()):
        raise SystemExit(f"error: pyproject.toml has no extra {', '.join(unknown)}")
    base: list[str] = project["dependencies"]  # type: ignore[assignment]
    return {_name(each) for each in [*base, *(need for extra in extras for need in known[extra])]}


def closure(found: Mapping[str, str], wanted: set[str]) -> set[str]:
    """Return these names and those of all that they ask for.

    Raises:
        SystemExit: if one of them is not pinned.
    """
    if absent := sorted(wanted - found.keys()):
        raise SystemExit(f"error: the lock does not pin {', '.join(absent)}")
    by_pin = {name: parents(block) for name, block in found.items()}
    needed = set(wanted)
    while more := {name for name, asking in by_pin.items() if asking & needed} - needed:
        needed |= more
    return needed


def _name(text: str) -> str:
    found = NAME.match(text)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def main() -> None:
    """Print the pins."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--extra", action="append", default=[], help="of pyproject.toml beside the lock")
    parser.add_argument("--package", action="append", default=[], help="instead of what the project needs")
    parser.add_argument("--without", action="append", default=[], help="leave this one out")
    options = parser.parse_args()
    pins = blocks(options.lock.read_text(encoding="utf-8"))
    pyproject = tomllib.loads(options.lock.with_name("pyproject.toml").read_text(encoding="utf-8"))
    wanted = set(options.package) or asked_for(pyproject, options.extra)
    for name in sorted(closure(pins, wanted) - set(options.without)):
        print(pins[name], end="")  # noqa: T201 - its output is what pip reads


if __name__ == "__main__":
    main()
