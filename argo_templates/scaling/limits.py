"""Where the limits of the semaphores stand: a config map of Kubernetes, or the files that the local executor reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from argo_templates.local.volumes import LIMITS, of_site
from argo_templates.scaling.errors import ScaleError
from dasi_backend.appearing import appearing
from rucio_dafab.files import write_file
from rucio_dafab.site.home import Home

_LIST: Final = "Kustomization"
"""Lies beside the files that ship, for kustomize."""

Changes = Mapping[str, int]


class Limits(Protocol):
    """A place of limits."""

    def read(self) -> Mapping[str, str]:
        """Return every limit as it is written, by its key."""

    def write(self, changes: Changes) -> None:
        """Set some limits, leaving the others as they are."""


class LimitFiles:
    """The limits of a site without Kubernetes: a file a key in ``DAFAB_HOME/etc/dafab-limits``.

    Runs that have begun with the files that ship keep those; so the folder is best made before.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def read(self) -> Mapping[str, str]:
        """Return the limits of the site, those that ship where it has none of its own."""
        return {path.name: path.read_text(encoding="utf-8") for path in self._folder().glob("[!.]*") if _is_key(path)}

    def write(self, changes: Changes) -> None:
        """Set limits; the first time all of those that ship become the site's own."""
        own = self._home.etc / LIMITS
        if not own.is_dir():
            self._make(own)
        for key, value in changes.items():
            write_file(own / key, f"{value}\n")

    def _make(self, own: Path) -> None:
        """Make all limits that ship the site's own.

        The folder stands in place of all that ships: it is whole from its first moment, whoever makes it.
        """
        try:
            with appearing(own, ScaleError) as filled:
                filled.mkdir()
                for key, text in self.read().items():
                    write_file(filled / key, text)
        except ScaleError:
            if not own.is_dir():  # somebody else was quicker
                raise

    def _folder(self) -> Path:
        return of_site(self._home)[LIMITS]


def number(limits: Mapping[str, str], key: str, where: str) -> int:
    """Return a limit as a number.

    Raises:
        ScaleError: if it is absent, or no whole number above 0.
    """
    text = limits.get(key, "").strip()
    if key not in limits:
        raise ScaleError(f"{where} has no limit {key}: there are {', '.join(sorted(limits)) or 'none'}")
    if not text.isdecimal() or not int(text):
        raise ScaleError(f"{where}: {key}: a limit is a whole number above 0, not {text[:20]!r}")
    return int(text)


def _is_key(path: Path) -> bool:
    return path.is_file() and path.name != _LIST
