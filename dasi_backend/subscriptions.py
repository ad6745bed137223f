"""Areas that somebody has subscribed: the clocks that submit workflows for an area, and the crop seasons.

A clock is a CronWorkflow with a parameter ``area``, as ``dafab-update`` and ``dafab-window`` have one: a file of it, or
what ``kubectl get cronworkflows -o yaml`` says of those in force. Crop seasons are ``etc/seasons.toml``.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from dasi_backend.errors import PolicyError

_CLOCK: Final = "CronWorkflow"
_LIST: Final = "List"
_AREA: Final = "area"


def read(path: Path) -> tuple[tuple[str, str], ...]:
    """Return name and area of every subscription in a file; a clock that is suspended is none.

    Raises:
        PolicyError: naming the file, if it cannot be read or holds neither clocks nor seasons. Nobody may take a
            damaged file for one without subscriptions.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = list(_seasons(tomllib.loads(text)) if path.suffix == ".toml" else _clocks(text))
    except (OSError, ValueError, RecursionError, yaml.YAMLError, AttributeError, TypeError, KeyError) as error:
        raise PolicyError(f"{path} cannot be read as subscriptions: {' '.join(str(error).split())}") from error
    return tuple(each for each in found if each is not None)


def _seasons(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for season in document["season"]:
        yield str(season["name"]), _text(season[_AREA])


def _clocks(text: str) -> Iterator[tuple[str, str] | None]:
    """Yield a subscription for each clock, ``None`` for one that is suspended or asks for no area."""
    documents = [each for each in yaml.safe_load_all(text) if each is not None]
    found = [one for each in documents for one in (each["items"] if each["kind"].endswith(_LIST) else [each])]
    clocks = [each for each in found if each["kind"] == _CLOCK]
    if not clocks and (found or not documents):  # a list of none is one
        raise ValueError(f"it holds no {_CLOCK}")
    for clock in clocks:
        said = (clock["spec"]["workflowSpec"].get("arguments") or {}).get("parameters") or []
        areas = [each.get("value") for each in said if each["name"] == _AREA]
        suspended = clock["spec"].get("suspend") or not areas
        yield None if suspended else (str(clock["metadata"]["name"]), _text(areas[0]))


def _text(area: object) -> str:
    if not isinstance(area, str) or not area.strip():
        raise ValueError(f"area is {area!r}, not a text")
    return area
