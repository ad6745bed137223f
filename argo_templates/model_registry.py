"""The shipped nets in the catalogue: an item of the collection ``models`` each, with their files as DIDs.

A product links to the net that made it, so ``publish`` asks for the nets of a run first and registers those that are
not there; ``rucio-dafab models register`` does the same on demand.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rucio_dafab.client import Conflict, DafabClient, Found, PublishRequest, ServerUnreachable
from rucio_dafab.eo.errors import ModelError
from rucio_dafab.eo.model_items import MODELS_COLLECTION, SHIPPED, ShippedModel, describe
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import SCOPE
from rucio_dafab.stac.links import MODEL_NAME, model_link
from rucio_dafab.storage import StorageError, StorageFull

UNKNOWN: Final = "unknown"
"""Of a net that made a product: it is none of those that ship with this version."""

FAILED: Final = "failed"

_PAUSES: Final = (0, 1, 4)
"""Seconds before each try to register a net."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of registering a net.

    Attributes:
        model: The name of the net.
        item: Its item; empty where the net is unknown.
        outcome: ``created``, ``unchanged``, ``failed`` or ``unknown``.
        predecessor: The item that it succeeds, when it was created now.
        reason: Why it is not there, one line.
    """

    model: str
    item: str
    outcome: str
    predecessor: str | None = None
    reason: str = ""


def register(client: DafabClient, model: ShippedModel, rse: str) -> Registered:
    """Store the files of a net and register it; one that is registered already stays as it is.

    The latest item of the net that is not of a newer version becomes its predecessor.

    Args:
        client: of an account that may publish in the collection ``models``.
        model: the net.
        rse: the storage element that keeps the files.

    Raises:
        ClientError: if the server cannot be reached or refuses; the text is its reason.
        StorageError: if a file cannot be stored.
    """
    item = model.item
    files = {key: client.upload(path, rse, f"{item['id']}.{path.name}") for key, path in sorted(model.files.items())}
    before = _predecessor(client, item) if not published(client, [item["id"]]) else None
    report = client.publish(PublishRequest(SCOPE, item, files, predecessor=before))
    return Registered(item["properties"][MODEL_NAME], report.item, report.outcome, before)


def published(client: DafabClient, names: Iterable[str]) -> dict[str, Found]:
    """Return which of these items the catalogue has as models, by name: one question."""
    of_names = {"op": "in", "args": [{"property": "id"}, sorted(names)]}
    found = client.search(SCOPE, of_names, collections=[MODELS_COLLECTION], did_type="container", versions="all")
    return {each.name: each for each in found if each.document is not None}


def ensure(
    client: DafabClient, nets: Mapping[str, ShippedModel], rse: str
) -> tuple[dict[str, Found], list[Registered]]:
    """Return the items of nets that are in the catalogue by now, and what came of those that were not.

    Args:
        client: of an account that may publish in the collection ``models``.
        nets: by the id of their items.
        rse: the storage element that keeps the files of a net that is not registered yet.

    Raises:
        ServerUnreachable: if nothing answers.
        StorageFull: if the storage element has no room for a file of one.
    """
    try:
        found = published(client, nets) if nets else {}
        told = [_tried(client, net, rse) for name, net in nets.items() if name not in found]
        if told:
            found = published(client, nets)
    except (ServerUnreachable, StorageFull):
        raise
    except DafabError as refusal:
        return {}, [_failed(net, refusal) for net in nets.values()]
    return found, told


def links(
    client: DafabClient, products: Mapping[str, Mapping[str, Any]], rse: str
) -> tuple[dict[str, dict[str, Any]], list[Registered]]:
    """Return the link of each product to the net that made it, and what came of each net.

    Nets that the catalogue does not have are registered. One that cannot be keeps no product back: that product has no
    link then. A server that does not answer or a full storage element is no such case: another try mends that for both.

    Args:
        client: of an account that may publish in the collection ``models``.
        products: items of products, by any key.
        rse: the storage element that keeps the files of a net that is not registered yet.

    Raises:
        ServerUnreachable: if nothing answers.
        StorageFull: if the storage element has no room for a file of a net.
    """
    made_by = {key: _net_of(item["properties"]) for key, item in products.items()}
    nets = {net.item["id"]: net for net in made_by.values() if net is not None}
    unknown = [
        Registered(str(item["properties"].get("dafab:model")), "", UNKNOWN, reason="it does not ship with this version")
        for key, item in products.items()
        if made_by[key] is None
    ]
    found, told = ensure(client, nets, rse)
    linked = {
        key: model_link(found[net.item["id"]].document or {})
        for key, net in made_by.items()
        if net is not None and net.item["id"] in found
    }
    return linked, [*told, *unknown]


def _tried(client: DafabClient, net: ShippedModel, rse: str) -> Registered:
    """Register a net, more than once where runs beside this one may be at it: they write to the same places."""
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            return register(client, net, rse)
        except (ServerUnreachable, StorageFull):
            raise
        except (StorageError, Conflict) as refusal:
            failed = _failed(net, refusal)
        except DafabError as refusal:
            return _failed(net, refusal)
    return failed


def _failed(net: ShippedModel, refusal: DafabError) -> Registered:
    return Registered(net.item["properties"][MODEL_NAME], net.item["id"], FAILED, reason=str(refusal))


def _net_of(properties: Mapping[str, Any]) -> ShippedModel | None:
    """Return the shipped net that made a product; ``None`` for one of other bytes, or that cannot be described."""
    name = properties.get("dafab:model")
    if name not in SHIPPED:
        return None
    try:
        net = describe(name)
    except ModelError:
        return None
    checksum = str(properties.get("dafab:model_checksum"))
    return net if checksum.removeprefix("1220") in net.checksums else None


def _predecessor(client: DafabClient, item: Mapping[str, Any]) -> str | None:
    """Return the latest item of the same net that has no successor and is not of a newer version."""
    same = {"op": "=", "args": [{"property": f"/properties/{MODEL_NAME}"}, item["properties"][MODEL_NAME]]}
    own = _number(item)
    older = [
        (_number(found.document), found.name)
        for found in client.search(SCOPE, same, collections=[MODELS_COLLECTION], did_type="container")
        if found.document is not None and found.name != item["id"] and _number(found.document) <= own
    ]
    return max(older)[1] if older else None


def _number(item: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(item["properties"]["version"]).split(".") if part.isdigit())
