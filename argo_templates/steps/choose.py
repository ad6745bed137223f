"""choose: the items of a question to the catalogue, split by the site that is predicted for each."""

import json
from typing import Annotated, Final, cast

from hera.workflows import Input, Output, Parameter

from argo_templates.batches import BatchFolder, split
from argo_templates.placement.errors import PlacementError
from argo_templates.placement.figures import load_figures
from argo_templates.placement.formula import Formula
from argo_templates.placement.replicas import task_of
from argo_templates.placement.sites import load_sites
from argo_templates.placement.values import Policy
from argo_templates.scaling import sites as room
from argo_templates.work import listed
from rucio_dafab.client import DafabClient, Found
from rucio_dafab.client_values import FilterLanguage
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE

MOST_BRANCHES: Final = 500
"""Batches of one workflow: Argo keeps a node of each in an object of at most 1 MiB."""


class ChooseInput(Input):
    """Which items, and what counts."""

    work: Annotated[str, Parameter(description="The folder of the workflow")]
    filter: Annotated[str, Parameter(description="The question to the catalogue")]
    filter_lang: Annotated[str, Parameter(description="Its language: cql2-text, cql2-json, dafab-json or rucio")]
    collections: Annotated[str, Parameter(description="Collections, comma separated; empty for all")] = ""
    most: Annotated[int, Parameter(description="How many items at most; one more is refused")] = 1000
    batch: Annotated[int, Parameter(description="Items of one pod")] = 20
    like: Annotated[str, Parameter(description="Models whose measured seconds stand in for the container's")] = "water"
    site: Annotated[str, Parameter(description="At this site, whatever it costs; auto for the cheapest")] = "auto"
    policy: Annotated[Policy, Parameter(description="Where no slot is free: queue or refuse")] = "queue"
    seconds_per_euro: Annotated[float, Parameter(description="How long a euro is waited for")] = 0.0


class ChooseOutput(Output):
    """What there is to do."""

    branches: Annotated[str, Parameter(description="A list of batches with their places (JSON)")]
    items: Annotated[int, Parameter(description="How many items")]


def choose(given: ChooseInput) -> ChooseOutput:
    """Ask for the items, place each by what Rucio says of its replicas now, and write a batch for each pod.

    Items without files are left out: there is nothing to hand to a container.

    Raises:
        PlacementError: if there are more items or batches than allowed, or a number is none.
        NoPlace, NoReplica, SiteFault: as the step ``place`` has it.
        ClientError: if the catalogue does not answer or refuses the question.
    """
    if given.most < 1 or given.batch < 1:
        raise PlacementError(f"most {given.most}, batch {given.batch}: both are at least 1")
    found = [each for each in _found(given) if each.assets]
    formula = Formula(room.now(load_sites()), load_figures(), given.seconds_per_euro, given.policy)
    only = None if given.site == "auto" else given.site
    placements = [formula.place(task_of(each, listed(given.like), step="apply"), only=only) for each in found]
    batches = split(placements, given.batch)
    if len(batches) > MOST_BRANCHES:
        raise PlacementError(f"{len(batches)} batches are more than {MOST_BRANCHES}: take more items a batch")
    for batch in batches:
        BatchFolder.of(given.work, batch.batch).write(batch)
    return ChooseOutput(branches=json.dumps([batch.branch() for batch in batches]), items=len(found))


def _found(given: ChooseInput) -> list[Found]:
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    question = json.loads(given.filter) if given.filter_lang.endswith("json") else given.filter
    found = list(
        client.search(
            SCOPE,
            question or None,
            filter_lang=cast("FilterLanguage", given.filter_lang),
            collections=listed(given.collections),
            did_type="container",
            limit=given.most + 1,
        )
    )
    if len(found) > given.most:
        raise PlacementError(f"there are more than {given.most} items: ask for fewer, or raise most")
    return found
