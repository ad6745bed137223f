"""The site catalogue: a folder with a file of YAML for each site, read whole or refused with every fault."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from argo_templates.placement.documents import read_yaml, refuse, value_of
from argo_templates.placement.errors import SiteFault
from argo_templates.placement.values import Link, Queue, Site, Sites

FOLDER: Final = Path(__file__).parents[1] / "sites"
"""The examples that ship."""

OWN_FOLDER: Final = "DAFAB_SITES"
"""The environment variable that names the folder of one's own sites, in place of the examples."""

LOCAL: Final = "local"
_ASKED: Final = {"slurm": ("slurm", "hpk"), "kubernetes": ("kubernetes",)}
"""Of which runtimes one can be asked what is free."""

_GIB: Final = 2**30


def load_sites(folder: Path | None = None) -> Sites:
    """Return the sites of a folder; of ``DAFAB_SITES``, or the examples, where none is given.

    Raises:
        SiteFault: a line for each fault in any of the files, or if there is no site.
    """
    place = folder or Path(os.environ.get(OWN_FOLDER) or FOLDER)
    paths = sorted(place.glob("*.yaml"))
    if not paths:
        raise SiteFault(f"{place} holds no site: one file NAME.yaml a site is read")
    found: list[tuple[str, Site]] = []
    faults: list[str] = []
    for path in paths:
        try:
            found.append((path.name, value_of(Site, read_yaml(path), path.name)))
        except SiteFault as fault:
            faults += str(fault).splitlines()
    refuse([*faults, *check_sites(found)])
    return sites_of(site for _, site in found)


def sites_of(sites: Iterable[Site]) -> Sites:
    """Return checked sites with their links by (from, to), in the order of their names."""
    known = tuple(sorted(map(of_this_machine, sites), key=lambda site: site.name))
    return Sites(known, {(site.rse, to): link for site in known for to, link in site.links.items()})


def check_sites(found: Iterable[tuple[str, Site]]) -> list[str]:
    """Return a line for each fault that only shows among members and sites: (where it stands, site) each."""
    faults: list[str] = []
    names: dict[str, str] = {}
    links: dict[tuple[str, str], tuple[str, Link]] = {}
    for where, site in found:
        if site.name in names:
            faults.append(f"{where}: name: {site.name} is the name of the site in {names[site.name]}, too")
        names.setdefault(site.name, where)
        faults += [f"{where}: {fault}" for fault in _own_faults(site)]
        for to, link in site.links.items():
            first, other = links.setdefault((site.rse, to), (where, link))
            if other != link:
                faults.append(f"{where}: links.{to}: {first} says something else of the way from {site.rse} to {to}")
    return faults


def _own_faults(site: Site) -> list[str]:
    faults = [f"links.{to}: this is the site's own RSE" for to in site.links if to == site.rse]
    if site.asked and site.runtime not in _ASKED[site.asked]:
        faults.append(f"asked: {site.asked} knows nothing of the runtime {site.runtime}")
    names = [queue.name for queue in site.queues]
    faults += [f"queues: two are called {name}" for name in sorted(set(names)) if names.count(name) > 1]
    for queue in site.queues:
        for member in ("cores", "memory_gib"):
            if getattr(queue, member) is None and site.runtime != LOCAL:
                faults.append(f"queues.{queue.name}.{member} is missing: only the runtime local can measure it")
        faults += _free_faults(queue)
    return faults


def _free_faults(queue: Queue) -> list[str]:
    """Return what is said to be free beyond what there is."""
    return [
        f"queues.{queue.name}.free_{member}: {free:g} are free of {every:g}"
        for member in ("cores", "memory_gib", "gpus")
        if (every := getattr(queue, member)) is not None
        and (free := getattr(queue, f"free_{member}")) is not None
        and free > every
    ]


def of_this_machine(site: Site) -> Site:
    """Return a site of the runtime local with what this machine has and what is free of it; others as they are.

    Free cores are those that the load average of the last minute leaves; what the file states is kept.
    """
    if site.runtime != LOCAL:
        return site
    machine = _machine()
    return replace(site, queues=tuple(_measured(queue, machine) for queue in site.queues))


def _measured(queue: Queue, machine: Mapping[str, float]) -> Queue:
    cores = int(machine["cores"]) if queue.cores is None else queue.cores
    memory = machine["memory_gib"] if queue.memory_gib is None else queue.memory_gib
    free = min(float(cores), machine["free_cores"]) if queue.free_cores is None else queue.free_cores
    left = min(memory, machine["free_memory_gib"]) if queue.free_memory_gib is None else queue.free_memory_gib
    return replace(queue, cores=cores, memory_gib=memory, free_cores=free, free_memory_gib=left)


def _machine() -> dict[str, float]:
    cores = len(os.sched_getaffinity(0))
    page = os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": cores,
        "free_cores": max(0.0, round(cores - os.getloadavg()[0], 2)),
        "memory_gib": os.sysconf("SC_PHYS_PAGES") * page / _GIB,
        "free_memory_gib": os.sysconf("SC_AVPHYS_PAGES") * page / _GIB,
    }
