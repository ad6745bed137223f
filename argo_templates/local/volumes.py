"""Volumes as folders of this machine: claims, secrets and config maps by name, the others made for a pod."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from argo_templates.local.errors import LocalError
from rucio_dafab.resources import resources
from rucio_dafab.site.home import ACCOUNTS, Home

LIMITS: Final = "dafab-limits"
"""The config map of the semaphores: a file a key with a number in it."""

KNOWN_BY_PATH: Final = ("dafab-rse",)
"""Claims whose paths on this machine others name, too: Rucio has those of its storage elements' files."""

_NAMED: Final = {"persistentVolumeClaim": "claimName", "secret": "secretName", "configMap": "name"}
"""Kinds of volumes that a mapping gives a folder, and the member that names them."""


def of_site(home: Home) -> dict[str, Path]:
    """Return the folders of a site on one machine, by the names that our templates give them."""
    folders = {
        "dafab-work": home.work,
        "dafab-store": home.store,
        "dafab-rse": home.root / "rse",
        "dafab-scenes": home.root / "scenes",
        "dafab-results": home.root / "results",
    }
    own_table = os.environ.get("DAFAB_SOURCES")
    shipped = {
        LIMITS: resources() / "etc" / "argo" / "limits",
        "dafab-policies": resources() / "etc" / "fdb",
        "dafab-seasons": resources() / "etc",
        "dafab-sources": Path(own_table).parent if own_table else resources() / "etc",
        "dafab-sites": Path(os.environ.get("DAFAB_SITES") or Path(__file__).parents[1] / "sites"),
    }
    # What an operator has set for this site goes before what ships.
    folders |= {name: own if (own := home.etc / name).is_dir() else path for name, path in shipped.items()}
    clients = {f"rucio-client-{each.replace('_', '-')}": home.client_config(each).parent for each in ACCOUNTS}
    return folders | clients


def named(volume: Mapping[str, Any]) -> str | None:
    """Return the name by which a mapping gives a volume its folder; ``None`` for one that is made for its pod."""
    return next((str(volume[kind][member]) for kind, member in _NAMED.items() if kind in volume), None)


def folder(volume: Mapping[str, Any], mapping: Mapping[str, str], made: Path) -> Path:
    """Return the folder of a volume; one that is made for its pod lies below ``made``.

    Raises:
        LocalError: if no folder is given for its name, or it is not there.
    """
    name = named(volume)
    if name is not None:
        return _given(name, mapping)
    if "hostPath" in volume:
        return Path(volume["hostPath"]["path"])
    empty = made / str(volume["name"])
    empty.mkdir(parents=True, exist_ok=True)
    return empty


def check(templates: Mapping[Any, Mapping[str, Any]], shared: list[Any], mapping: Mapping[str, str]) -> None:
    """Refuse a workflow of which a volume has no folder, before anything runs.

    Raises:
        LocalError: naming the volumes.
    """
    for name in sorted(set(_every(templates, shared))):
        _given(name, mapping)


def _every(templates: Mapping[Any, Mapping[str, Any]], shared: list[Any]) -> Iterator[str]:
    for volumes in (shared, *(template.get("volumes", []) for template in templates.values())):
        for volume in volumes:
            name = named(volume)
            if name is not None:
                yield name


def _given(name: str, mapping: Mapping[str, str]) -> Path:
    if name not in mapping:
        raise LocalError(f"the volume {name} has no folder here: name one by --volume {name}=FOLDER")
    found = Path(mapping[name])
    if not found.is_dir():
        raise LocalError(f"the volume {name}: there is no folder {found}")
    return found
