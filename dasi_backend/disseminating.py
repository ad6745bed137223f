"""``disseminate``: what answers a request, cut to an area, brought to a grid, and delivered to a site.

    disseminate, collection=water_analysis, date=-1, area=50.2/5.7/49.4/6.6, grid=20, target="PARTNER:water/[id].tif"

A site is a folder that ``dasi.yml`` names; without one the target is a path here. Scenes of the rolling store become
folders of the bands that are asked for.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from dasi_backend import plans, staged, targets
from dasi_backend.appearing import appearing
from dasi_backend.backends import backend_for
from dasi_backend.config import SITE_NAME, Config
from dasi_backend.cropping import Cut, cut
from dasi_backend.errors import RequestError, TargetError
from dasi_backend.items import Retrieved
from dasi_backend.language import Request
from dasi_backend.plans import Plan, Planned, Progress

VERB: Final = "disseminate"
_SITE: Final = re.compile(rf"({SITE_NAME}):(.*)", re.DOTALL)
_GEOTIFF: Final = frozenset({".tif", ".tiff"})
_RASTERS: Final = _GEOTIFF | {".jp2"}
_NO_DATA_OF_JPEG_2000: Final = 0
"""JPEG 2000 has no word for no data; in every raster of a Sentinel-2 product, which come so, it is 0 (ESA's PSD)."""


def disseminate(config: Config, requests: Sequence[Request], progress: Progress | None = None) -> tuple[Retrieved, ...]:
    """Deliver what requests mean; each file appears whole. What is there already is delivered anew.

    All of them are planned before the first answer is fetched.

    Raises:
        RequestError: if a request is not understood, an answer is no raster, or lies outside of the area.
        TargetError: if there is no such site, two answers would be one file, or one cannot be written.
        DafabError: as who answers refuses.
    """
    with tempfile.TemporaryDirectory(prefix="dasi-disseminate-") as scratch:
        planned = [_planned(config, one, f"{scratch}/{number}") for number, one in enumerate(requests)]
        return plans.carry_out(planned, progress)


def _planned(config: Config, request: Request, scratch: str) -> Plan:
    """Return what one request delivers; what answers it is fetched to a folder of its own before it is cut."""
    template = plans.template_of(request)
    root, template = _place(config.sites, template)
    wanted = Cut.parse(request.area, request.grid, request.interpolation)
    asked = replace(request, verb="retrieve", target=f"{scratch}/{template}", area=(), grid=(), interpolation=())
    planned = [
        replace(
            one,
            path=root / one.path.relative_to(scratch),
            write=partial(_deliver, one, root, scratch, wanted),
            content=one.content and (one.content, wanted),
        )
        for one in backend_for(config, asked).plan(asked).files
    ]
    return Plan(replace(request, target=str(template)), planned, "answers", "what was asked")


def _place(sites: Mapping[str, Path], template: str) -> tuple[Path, str]:
    """Return the folder of a site and the template in it.

    Raises:
        TargetError: if there is no such site, or the template would leave it.
    """
    found = _SITE.fullmatch(template)
    if found is None:
        whole = os.path.abspath(template)  # noqa: PTH100  # without the links that resolve() would follow
        return Path("/"), whole[1:]
    if found[1] not in sites:
        known = ", ".join(sorted(sites)) or "dasi.yml names none"
        raise TargetError(f"target={template}: unknown site {found[1]} ({known})")
    inside = found[2].lstrip("/")
    if ".." in Path(inside).parts:
        raise TargetError(f"target={template}: it leaves the folder of {found[1]}")
    targets.check(inside)
    return sites[found[1]], inside


def _deliver(planned: Planned, root: Path, scratch: str, wanted: Cut) -> Retrieved:
    """Fetch one answer, cut it beside its place, and put it there by one rename."""
    fetched = planned.write()
    target = root / planned.path.relative_to(scratch)
    try:
        with appearing(target, TargetError) as made:
            size = _make(fetched, made, wanted)
            if target.is_dir():
                _replace(target, made)
    finally:
        _remove(fetched.path)
    return Retrieved(target, fetched.name, size)


def _replace(folder: Path, made: Path) -> None:
    """Put a new folder of bands where one was delivered before, which stands beside the new one's old place then.

    Raises:
        TargetError: if the one that is there holds anything else.
    """
    for path in folder.iterdir():
        if path.suffix not in _GEOTIFF or path.is_dir():
            raise TargetError(f"{folder} is there and holds {path.name}: remove it or choose another target")
    before = folder.rename(made.with_name(".before"))
    try:
        made.rename(folder)
    except OSError:
        before.rename(folder)
        raise


def _make(fetched: Retrieved, made: Path, wanted: Cut) -> int:
    if not fetched.path.is_dir():
        return _cut_one(fetched.path, made, wanted, fetched.name)
    made.mkdir()
    bands = [file.source for file in staged.read(fetched.path).files if file.band]
    if not bands:
        raise RequestError(f"{fetched.name} has no band that is a raster")
    return sum(_cut_one(band, made / f"{band.stem}.tif", wanted, f"{fetched.name}/{band.name}") for band in bands)


def _cut_one(source: Path, made: Path, wanted: Cut, name: str) -> int:
    if source.suffix.lower() not in _RASTERS and made.suffix.lower() not in _RASTERS:
        raise RequestError(f"{name} is no raster: only rasters are cut and brought to a grid")
    if made.suffix.lower() in _RASTERS - _GEOTIFF:
        raise RequestError(f"{made.name}: what is cut becomes a GeoTIFF: write a target that ends in .tif")
    cut(source, made, wanted, name, _NO_DATA_OF_JPEG_2000 if source.suffix.lower() == ".jp2" else None)
    return made.stat().st_size


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
