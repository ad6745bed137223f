"""A product called by its name: which archive has it, and how it is brought from there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from rucio_dafab.eo.ids import is_product_name, raw_radar, why_not_raw
from rucio_dafab.eo.sources.download import Downloads, Fetched
from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.plan import Plan
from rucio_dafab.eo.sources.providers import is_address, load_sources
from rucio_dafab.eo.sources.search import find
from rucio_dafab.eo.sources.transfer import Progress
from rucio_dafab.eo.sources.values import Found

OF_PRODUCTS: Final = "cdse_odata"
"""The archive that is asked for the name of a Sentinel-2 product when none is named."""


def is_reference(text: str) -> bool:
    """Tell whether a text names a product in an archive: an address, ``<source>:<id>``, or a product's own name."""
    if is_address(text):
        return True
    source, colon, identifier = text.partition(":")
    if colon and identifier and "/" not in text:
        return source in load_sources().providers
    return is_product_name(text)


@dataclass(frozen=True)
class Remote:
    """A product that an archive has, and the downloads from there."""

    found: Found
    downloads: Downloads

    @classmethod
    def of(cls, name: str, source: str | None = None) -> Self:
        """Find a product by its name.

        Args:
            name: The address of a STAC item, ``<source>:<id>``, or an id.
            source: The archive, by name or address; without it a name of a Sentinel-2 product is asked of CDSE.

        Raises:
            SourceBusy: if the archive is busy or away.
            SourceError: if no archive is named, or it has no such product.
        """
        sources = load_sources()
        if source is None and not is_address(name):
            before, colon, after = name.partition(":")
            source, name = (before, after) if colon else (OF_PRODUCTS if is_product_name(name) else None, name)
            if source is None and (kind := raw_radar(name)):
                raise SourceError(why_not_raw(name, kind))
            if source is None:
                raise SourceError(f"{name!r} is neither an address nor a Sentinel-2 product: say which source has it")
        provider = sources.provider(source) if source else sources.of_address(name)
        return cls(find(sources, provider, name), Downloads(sources, provider))

    def plan(self, bands: Sequence[str], to: Path, *, strict: bool = False) -> Plan:
        """Return what would be fetched; see :meth:`Downloads.plan`.

        Args:
            bands: The bands.
            to: The folder for products.
            strict: Refuse a product that lacks one of them.

        Raises:
            SourceBusy: if the archive is busy or away.
            SourceError: if the product cannot be used or had, or lacks bands.
        """
        plan = self.downloads.plan(self.found, bands, to)
        lacking = [band for band in bands if band not in {file.band for file in plan.files}]
        if strict and lacking:
            raise SourceError(f"{self.found.id} at {self.found.provider} has no {', '.join(lacking)}")
        return plan

    def fetch(self, plan: Plan, to: Path, progress: Progress | None = None) -> Fetched:
        """Bring the product into ``to``; see :meth:`Downloads.fetch`."""
        return self.downloads.fetch(plan, to, progress)
