"""Measured seconds of models on devices: ``figures.yaml`` beside this file, each with the run that it comes from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from pydantic import ConfigDict

from argo_templates.placement.documents import load
from argo_templates.placement.values import Rate

FILE: Final = Path(__file__).with_name("figures.yaml")
_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Device:
    """What computes; an item takes one GPU of a queue whose device is one."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    gpu: bool
    title: str


@dataclass(frozen=True, slots=True)
class Figure:
    """Wall seconds a 256×256 chip, reading included, of one version of a model on one device, and who says so."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    seconds_per_chip: Rate
    version: str
    source: str
    measured: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Devices by name, and figures by model and device."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    devices: Mapping[str, Device]
    models: Mapping[str, Mapping[str, Figure]]

    def seconds_per_chip(self, model: str, device: str) -> float | None:
        """Return the measured seconds, ``None`` where nobody has measured them."""
        figure = self.models.get(model, {}).get(device)
        return None if figure is None else figure.seconds_per_chip

    def is_gpu(self, device: str) -> bool:
        """Tell whether a device is a GPU; one that is not known is none."""
        return device in self.devices and self.devices[device].gpu


def load_figures(path: Path = FILE) -> Figures:
    """Return the measured figures.

    Raises:
        SiteFault: a line for each fault.
    """
    return load(Figures, path, _faults)


def _faults(figures: Figures) -> Iterator[str]:
    for model, known in figures.models.items():
        for device in known:
            if device not in figures.devices:
                yield f"models.{model}.{device}: there is no such device"
