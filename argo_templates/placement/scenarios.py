"""Scenarios of the simulator: sites, items and where their data are, read from YAML with a line for each fault."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final

from pydantic import ConfigDict, Field

from argo_templates.placement.documents import read_yaml, refuse, value_of
from argo_templates.placement.errors import SiteFault
from argo_templates.placement.figures import Figures
from argo_templates.placement.sites import FOLDER as SITES
from argo_templates.placement.sites import LOCAL, check_sites
from argo_templates.placement.values import Amount, Rate, Rse, Site

FOLDER: Final = SITES / "scenarios"
_STRICT: Final = ConfigDict(extra="forbid")
_Positive = Annotated[int, Field(ge=1, strict=True)]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Recorded sizes of real products, in bytes by name, and where they were read."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: str
    source: str
    bytes: Annotated[Mapping[str, _Positive], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated.

    Attributes:
        name: Of the scenario.
        title: What it shows.
        assumptions: What in it is assumed and not measured.
        items: How many there are; each is one file of one of the sizes.
        seed: Of the only source of chance; the same seed gives the same run.
        sizes: Name of a file below ``scenarios/sizes``.
        models: The models that run over every item.
        chips: How many each of them runs on, of one item.
        replicas: The share of items whose only replica is on each RSE.
        arrive_seconds: The items come evenly within this time; 0 for all at once.
        spread: The seconds that an item really computes are the predicted ones times a number within 1 ± spread.
        sites: The sites, as in the site catalogue.
        seconds_per_euro: How long a euro is waited for.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: str
    title: str
    assumptions: str
    items: _Positive
    seed: int
    sizes: str
    models: tuple[str, ...]
    chips: _Positive
    replicas: Annotated[Mapping[Rse, Rate], Field(min_length=1)]
    sites: Annotated[tuple[Site, ...], Field(min_length=1)]
    arrive_seconds: Amount = 0.0
    spread: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seconds_per_euro: Amount = 0.0


def committed() -> dict[str, Path]:
    """Return the files of the scenarios that ship, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def load_scenario(name: str, figures: Figures) -> tuple[Scenario, Sizes]:
    """Return a scenario that ships, or one in a file, with the sizes of its items.

    Raises:
        SiteFault: if there is none, or a line for each fault.
    """
    known = committed()
    path = known.get(name, Path(name))
    if not path.is_file():
        raise SiteFault(f"there is no scenario {name}: known are {', '.join(known)}, or name a file of YAML")
    scenario = value_of(Scenario, read_yaml(path), path.name)
    refuse([*check_sites((f"{path.name}: sites.{site.name}", site) for site in scenario.sites)])
    refuse([f"{path.name}: {fault}" for fault in _faults(scenario, figures)])
    return scenario, load_sizes(scenario.sizes)


def load_sizes(name: str) -> Sizes:
    """Return recorded sizes of products.

    Raises:
        SiteFault: if there are none of that name, or a line for each fault.
    """
    known = {path.stem: path for path in sorted((FOLDER / "sizes").glob("*.yaml"))}
    if name not in known:
        raise SiteFault(f"there are no sizes {name}: known are {', '.join(known)}")
    return value_of(Sizes, read_yaml(known[name]), known[name].name)


def _faults(scenario: Scenario, figures: Figures) -> list[str]:
    """Return what would leave an item without any place, or a run different on every machine."""
    computing = {site.rse for site in scenario.sites if site.queues}
    faults = [f"replicas.{rse}: no site computes there" for rse in scenario.replicas if rse not in computing]
    faults += [f"sites.{site.name}: a simulation has no machine" for site in scenario.sites if site.runtime == LOCAL]
    devices = {queue.device for site in scenario.sites for queue in site.queues}
    faults += [
        f"{model} was not measured on {device}"
        for model in scenario.models
        for device in sorted(devices)
        if figures.seconds_per_chip(model, device) is None
    ]
    links = {(site.rse, to) for site in scenario.sites for to in site.links}
    faults += [
        f"sites: nothing leads from {source} to {target}"
        for source in scenario.replicas
        for target in sorted(computing)
        if source != target and (source, target) not in links
    ]
    return faults
