"""publish: the source item and what was derived from it into Rucio. Bytes first, then one transaction an item."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from hera.workflows import Input, Output, Parameter

from argo_templates import curated, model_registry
from argo_templates.model_registry import Registered
from argo_templates.seasons import MEMBER as SEASON
from argo_templates.source import processing, same_scene, source_document, with_processing
from argo_templates.steps.archive import request_of
from argo_templates.steps.infer import RAN
from argo_templates.steps.make import PRODUCT
from argo_templates.steps.recount import RECOUNT, RECOUNTED
from argo_templates.work import Work, WorkError, listed, read_json, seal_of, write_json
from rucio_dafab.client import Conflict, DafabClient, Found, PublishReport, PublishRequest
from rucio_dafab.eo.curation import CURATION
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import DERIVED_ACCOUNT, ORIGINALS_ACCOUNT, SCOPE
from rucio_dafab.stac.links import leads_to_model
from rucio_dafab.storage import UploadedFile


class NothingToPublish(DafabError):
    """No model could run on the scene; the text says why, model by model."""


class PublishInput(Input):
    """Which run's products go where."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    rse: Annotated[str, Parameter(description="The storage element (RSE) that keeps the products")]
    models: Annotated[str, Parameter(description="The models that were asked for, comma separated")]


class PublishOutput(Output):
    """What was registered."""

    outcome: Annotated[str, Parameter(description="created, updated or unchanged")]
    report: Annotated[str, Parameter(description="The file that says what was registered (JSON)")]


def publish(given: PublishInput) -> PublishOutput:
    """Publish a run; what is published already stays as it is, so another run completes one that was killed.

    All bytes are stored before anything is registered. The models come first because products link to them, then the
    source item because derived items hang on it; what it says of a model is written last, once the model's product is
    registered.

    Raises:
        NothingToPublish: if no model ran; nothing is registered then.
        ClientError: if the server cannot be reached or refuses; the text is its reason.
        StorageError: if a file cannot be stored on the RSE.
    """
    work, models = Work(Path(given.work)), _names(given.models)
    records = {model: read_json(work.outcome(model)) for model in models}
    staged = _staged(work)
    ran = _ran(staged["id"], records)
    document = source_document(staged, request_of(read_json(work.archived)["keys"]))
    document["properties"] |= curated.properties(work)
    originals, derived = DafabClient.of_account(ORIGINALS_ACCOUNT), DafabClient.of_account(DERIVED_ACCOUNT)
    known = _known_source(originals, document)
    products = {model: _upload(derived, work, model, given.rse) for model in ran}
    # Of a recount no net is the maker: its parcels' item leads to one.
    made = {model: item for model, (item, _) in products.items() if records[model]["outcome"] == RAN}
    links, nets = model_registry.links(derived, made, given.rse)
    _tell(nets)
    if known is None:
        originals.publish(PublishRequest(SCOPE, document, {}))
    lines = [_register(derived, work, model, *products[model], document["id"], links.get(model)) for model in ran]
    items = {line["model"]: {"item": line["item"]} for line in lines}
    record = (known or {}) | {model: records[model] | items.get(model, {}) for model in models}
    source = originals.publish(PublishRequest(SCOPE, with_processing(document, record), {}, update=True))
    lines.insert(0, _line("", document, source, "created" if known is None else source.outcome, {}))
    write_json(work.published, {"record": record, "items": lines, "models": [asdict(net) for net in nets]})
    return PublishOutput(outcome=_overall(lines), report=str(work.published))


def _names(models: str) -> tuple[str, ...]:
    names = listed(models)
    if not names:
        raise WorkError("no model was asked for")
    return names


def _ran(scene: str, records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the models of which there is a product, one at least."""
    ran = [model for model, record in records.items() if record["outcome"] in (RAN, RECOUNTED)]
    if not ran:
        reasons = "; ".join(f"{model}: {record['reason']}" for model, record in records.items())
        raise NothingToPublish(f"{scene}: no model can run ({reasons}); nothing was published")
    return ran


def _staged(work: Work) -> dict[str, Any]:
    seal_of(work.staged)
    item: dict[str, Any] = read_json(work.staged / "item.json")
    return item


def _known_source(client: DafabClient, document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the published source item says of each model, ``None`` when there is no such item.

    Raises:
        Conflict: if another scene is published under this id.
    """
    found = _published(client, document)
    if found is None or found.document is None:
        return None
    if not same_scene(found.document, document):
        raise Conflict(f"{SCOPE}:{found.name} is published with another place, time or properties: not overwritten")
    return processing(found.document)


def _published(client: DafabClient, item: Mapping[str, Any]) -> Found | None:
    """Return what is published under the id of an item, ``None`` where nothing is."""
    by_id = {"op": "=", "args": [{"property": "id"}, item["id"]]}
    return next(client.search(SCOPE, by_id, collections=[item["collection"]], limit=1), None)


def _upload(client: DafabClient, work: Work, model: str, rse: str) -> tuple[dict[str, Any], dict[str, UploadedFile]]:
    """Store the files of a model's product; return its item and them by asset key. Nothing is registered yet."""
    folder = work.product(model)
    seal_of(folder)
    product = read_json(folder / PRODUCT)
    item: dict[str, Any] = product["item"]
    return item, {
        asset: client.upload(folder / path, rse, f"{item['id']}.{Path(path).name}")
        for asset, path in sorted(product["files"].items())
    }


def _register(
    client: DafabClient,
    work: Work,
    model: str,
    item: Mapping[str, Any],
    files: Mapping[str, UploadedFile],
    source: str,
    link: Mapping[str, Any] | None,
) -> dict[str, Any]:
    marked, predecessor = _as_registered(client, work, item, link), _predecessor(client, item, source)
    report = client.publish(PublishRequest(SCOPE, marked, files, parent=source, predecessor=predecessor))
    return _line(model, marked, report, report.outcome, files)


def _predecessor(client: DafabClient, item: Mapping[str, Any], source: str) -> str | None:
    """Return the latest item that an older version of the model made of the scene, ``None`` where there is none.

    An item that is published already is the latest itself: what it says of its predecessor stays.
    """
    of_scene = {"op": "related", "args": ["link", "derived_from", {"op": "=", "args": [{"property": "id"}, source]}]}
    derived = client.search(SCOPE, of_scene, collections=[item["collection"]], did_type="container")
    if RECOUNT in item["properties"]:
        return _earlier_recount(client, item, derived)
    stem, _, number = str(item["id"]).rpartition("_")
    older = [
        (int(version), found.name)
        for found in derived
        for name, _, version in [found.name.rpartition("_")]
        if name == stem and version.isdigit() and int(version) < int(number)
    ]
    return max(older)[1] if older else None


def _earlier_recount(client: DafabClient, item: Mapping[str, Any], derived: Iterable[Found]) -> str | None:
    """Return the latest recount of the scene from other parcels, ``None`` where there is none.

    A recount succeeds recounts alone, never a delineation, which keeps being found.
    """
    if _published(client, item) is not None:
        return None
    recounts = {found.name for found in derived if found.document and RECOUNT in found.document["properties"]}
    return max(recounts - {str(item["id"])}, default=None)


def _as_registered(
    client: DafabClient, work: Work, item: Mapping[str, Any], link: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Return an item with the link to its model and how its scene was judged, or with what a published one has of that.

    A published product is never changed: it keeps its season (``mark``), and the link and the judgement as they were
    then; an older one may have neither, or lead to an earlier item of the same net.
    """
    found = _published(client, item)
    if found is None or found.document is None:
        beside = {**item["properties"], **curated.properties(work)}
        return {**item, "properties": beside, "links": [*item["links"], *([link] if link else [])]}
    links = [each for each in found.document["links"] if leads_to_model(each)]
    before = found.document["properties"]
    beside = {key: before[key] for key in (SEASON, CURATION) if key in before}
    return {**item, "properties": {**item["properties"], **beside}, "links": [*item["links"], *links]}


def _line(
    model: str,
    item: Mapping[str, Any],
    report: PublishReport,
    outcome: str,
    files: Mapping[str, UploadedFile],
) -> dict[str, Any]:
    return {
        "model": model,
        "collection": item["collection"],
        "item": report.item,
        "did": f"{SCOPE}:{report.item}",
        "outcome": outcome,
        "properties": item["properties"],
        "files": [
            {"asset": asset, "did": f"{SCOPE}:{file.name}", "rse": file.rse, "bytes": file.bytes, "sha256": file.sha256}
            for asset, file in files.items()
        ],
    }


def _tell(nets: Sequence[Registered]) -> None:
    """Say of which net there will be no link, and why: nothing else of the run does."""
    for net in nets:
        if net.reason:
            sys.stderr.write(f"note: no link to the model {net.model}, which is not registered: {net.reason}\n")


def _overall(lines: Sequence[Mapping[str, Any]]) -> str:
    outcomes = [line["outcome"] for line in lines]
    if set(outcomes) == {"unchanged"}:
        return "unchanged"
    return "created" if "created" in outcomes else "updated"
