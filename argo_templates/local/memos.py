"""Memoisation: what a template gave is kept under a key, and given again while it is young enough.

Argo keeps it in a config map; here it is a file a key in a folder of the config map's name.
https://argo-workflows.readthedocs.io/en/latest/memoization/
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from argo_templates.local import retries, tags
from argo_templates.local.errors import LocalError, Unsupported
from rucio_dafab.files import read_json, write_json

KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
"""Keys that Argo takes: those of its config maps."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a template gave: its output parameters, and the run in which it did."""

    run: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Memo:
    """The place of one result.

    Attributes:
        path: its file.
        max_age: seconds after which it no longer counts; ``None`` where it always does.
    """

    path: Path
    max_age: float | None

    @classmethod
    def of(cls, template: Mapping[str, Any], scope: tags.Scope, folder: Path) -> "Memo | None":
        """Return where the result of a template is kept; ``None`` for one that is not memoised.

        Raises:
            LocalError: if the key, with its tags put in, is none that Argo takes.
        """
        memoize = template.get("memoize")
        if memoize is None:
            return None
        key = tags.put_in(str(memoize["key"]), scope)
        if not KEY.fullmatch(key):
            raise LocalError(f"{template['name']}: {key[:80]!r} is no key of a memo: letters, digits and - alone")
        age = memoize.get("maxAge")
        name = str(memoize["cache"]["configMap"]["name"])
        return cls(folder / Path(name).name / f"{key}.json", retries.duration(age) if age else None)

    def recall(self) -> Remembered | None:
        """Return what is kept and young enough."""
        kept = read_json(self.path)
        if kept is None or (self.max_age is not None and time.time() - kept["created"] > self.max_age):
            return None
        return Remembered(kept["run"], kept["parameters"])

    def keep(self, run: str, parameters: Mapping[str, str]) -> None:
        """Keep what a template gave."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, {"run": run, "created": time.time(), "parameters": dict(parameters)})


def check(name: str, template: Mapping[str, Any]) -> None:
    """Refuse what cannot be memoised here, before anything runs.

    Raises:
        Unsupported: if the template leaves artifacts, of which nothing is kept.
        LocalError: if the age is none.
    """
    memoize = template.get("memoize")
    if memoize is None:
        return
    if template.get("outputs", {}).get("artifacts"):
        raise Unsupported(f"{name}: the local executor does not do memoize of a template with output artifacts")
    retries.duration(memoize.get("maxAge") or 0)
