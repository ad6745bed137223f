"""outdated: scenes whose products an older model made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from hera.workflows import Input, Output, Parameter

from argo_templates import failures
from argo_templates.archives import identities
from argo_templates.source import OPTICAL, processing
from argo_templates.work import MODELS, WorkError, listed
from dasi_backend.store import Store
from rucio_dafab.client import DafabClient
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE, Home


class OutdatedInput(Input):
    """Among which scenes, for which models."""

    filter: Annotated[str, Parameter(description="Only scenes that satisfy this (CQL2 text); empty for all")] = ""
    models: Annotated[str, Parameter(description="The models, comma separated")] = ",".join(MODELS)
    most: Annotated[int, Parameter(description="Scenes at most; what is left is found by the next run")] = 50


class OutdatedOutput(Output):
    """What there is to do."""

    scenes: Annotated[str, Parameter(description="A list of scenes with their sources and models (JSON)")]
    count: Annotated[int, Parameter(description="How many scenes")]


def outdated(given: OutdatedInput) -> OutdatedOutput:
    """Find scenes of which a model of another version than the one here made the product.

    What an item says of a model is compared with the model itself: its version and its file's checksum. A model that
    never ran on a scene, or was left out because a band is absent, is not outdated. What failed of late comes last.

    Raises:
        ModelError: if one of the models is not here.
        WorkError: if no scene at all may be taken.
        ClientError: if the catalogue does not answer or refuses the question.
    """
    if given.most < 1:
        raise WorkError(f"most {given.most}: at least one scene is taken")
    current = identities(listed(given.models))
    asked = given.filter or None
    client, store = DafabClient.of_account(DERIVED_ACCOUNT), Store(Home.from_environment().store)
    failed = failures.of_late(client)
    chosen: dict[str, dict[str, str]] = {}
    for found in client.search(SCOPE, asked, filter_lang="cql2-text", collections=[OPTICAL], did_type="container"):
        old = list(_old(processing(found.document or {"properties": {}}), current))
        if old:
            source = "store" if store.contains(found.name) else "archive"
            told = {"key": found.name, "scene": found.name, "source": source, "models": _as_parameter(old)}
            chosen[found.name] = told
        # Those that failed stand aside until it is known that there are not enough others.
        if len(chosen.keys() - failed.keys()) == given.most:
            break
    now = [chosen[name] for name in failures.last(chosen, failed)[: given.most]]
    return OutdatedOutput(scenes=json.dumps(now), count=len(now))


def _old(record: Mapping[str, Mapping[str, Any]], current: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    for model, (version, checksum) in current.items():
        said = record.get(model, {})
        if said.get("outcome") == "ran" and (said.get("version"), said.get("model:sha256")) != (version, checksum):
            yield model


def _as_parameter(models: Sequence[str]) -> str:
    """Return models as the parameter of the library has them: in their order."""
    return ",".join(model for model in MODELS if model in models)
