"""Publishing: an item with its files and document into Rucio, in one transaction that is harmless to repeat.

The bytes are on their RSEs before; this looks whether they are, registers containers, dataset, files and replicas,
attaches them, and writes the document last. Whatever is raised on the way leaves nothing behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rucio.common.types import InternalAccount, InternalScope
from rucio.core import permission
from rucio.db.sqla import models
from rucio.db.sqla.constants import DIDType
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents, successors
from rucio_dafab.catalogue.documents import StoredDocument
from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.permission import PUBLISH_ACTION
from rucio_dafab.publishing import registration
from rucio_dafab.publishing.errors import PublishConflict, PublishDenied
from rucio_dafab.publishing.published import (
    PublishedFile,
    check_files,
    dataset_of,
    published_document,
    same_document,
    with_files_of,
)
from rucio_dafab.publishing.versions import leave, version_links
from rucio_dafab.stac.asset_names import asset_names, every_asset
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.links import DERIVED
from rucio_dafab.stac.names import checked_name
from rucio_dafab.stac.validate import check_document, check_types


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """What shall be published.

    Attributes:
        scope: scope of the item, which holds its collection too.
        item: the STAC item; its id becomes the name of a container below the container of its collection.
        files: the files of its assets, each already on its RSE.
        parent: name of the item that it was derived from; the new item is attached to that one too.
        update: whether the document may replace a different one (of an original; a derived product is never replaced).
        predecessor: name of the item of the same collection that it is a new version of; else what its own link
            ``predecessor-version`` names, if that is here.
        keep: how many older versions stay; all of them where it is ``None``.
    """

    scope: str
    item: Mapping[str, Any]
    files: tuple[PublishedFile, ...]
    parent: str | None = None
    update: bool = False
    predecessor: str | None = None
    keep: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What was done: names of container, dataset and files; ``created``, ``unchanged`` or ``updated``; what leaves.

    ``replicas`` counts those that became known on volatile RSEs.
    """

    item: str
    dataset: str
    files: tuple[str, ...]
    outcome: str
    leaving: tuple[str, ...] = ()
    replicas: int = 0


def publish(request: PublishRequest, *, issuer: str, vo: str, root: str, session: Session) -> Report:
    """Publish an item within the caller's transaction.

    Args:
        request: what shall be published.
        issuer: the account that asks.
        vo: its virtual organisation.
        root: address of the site, without a slash at its end: stable links begin with it.
        session: the transaction; the caller commits it, or rolls it back when anything is raised.

    Raises:
        DocumentInvalid: if the document, or a file's name or size, is not valid.
        PublishDenied: if the account may not publish in the collection, or not delete what shall leave.
        DidUnknown: if the collection, the parent or the predecessor is not there.
        PublishConflict: if something else is published under one of the names, or succeeds the predecessor.
    """
    item = _checked_item(request)
    name = item["id"]
    scope, account = InternalScope(request.scope, vo=vo), InternalAccount(issuer, vo=vo)
    _check_may_publish(account, scope, request, session)
    before = documents.get(scope, name, session=session)
    parent = _parent(request, scope, session)
    published = before.document if before else None
    if published is not None and _keeps_files(request, published):
        item = with_files_of(item, published)
    versions = version_links(item, published, request.predecessor, scope=scope, session=session)
    document = published_document(item, request.files, scope=request.scope, parent=parent, root=root, versions=versions)
    outcome, replicas = _register(request, scope, account, document, before, session=session)
    if outcome != "unchanged":
        successors.tell_predecessors(scope, name, session=session)
    leaving: tuple[str, ...] = ()
    if request.keep is not None:
        leaving = leave(scope, name, request.keep, issuer=account, session=session)
    files = tuple(sorted({file.name for file in request.files}))
    return Report(name, dataset_of(name), files, outcome, leaving, replicas)


def _checked_item(request: PublishRequest) -> dict[str, Any]:
    """Return the item, after checking what can be checked without a database."""
    item = dict(request.item)
    check_document(item)
    check_types(item)
    if item["type"] != "Feature":
        raise DocumentInvalid("/type must be Feature: only items are published so")
    check_files(checked_name(item["id"], "/id"), item, request.files)
    return item


def _check_may_publish(
    account: InternalAccount, scope: InternalScope, request: PublishRequest, session: Session
) -> None:
    """Check the right to publish, and what the item shall hang below; nobody else publishes the same one meanwhile."""
    collection = request.item["collection"]
    _check_permission(account, scope, collection, session)
    _wait_turn(scope, request.item["id"], session)
    _check_container(scope, collection, "collection", session)
    if request.parent is not None:
        _check_container(scope, request.parent, "parent item", session)
    _check_places(account, scope, request, session)


def _register(
    request: PublishRequest,
    scope: InternalScope,
    account: InternalAccount,
    document: dict[str, Any],
    before: StoredDocument | None,
    *,
    session: Session,
) -> tuple[str, int]:
    """Register what is missing and write the document; return the outcome and how many volatile replicas are new."""
    name = document["id"]
    parents = [document["collection"], *([request.parent] if request.parent else [])]
    if before is None or before.partial:
        registration.register(scope, name, dataset_of(name), parents, request.files, account=account, session=session)
        documents.put(scope, name, document, session=session)
        return "created", sum(file.path is not None for file in request.files)
    replicas = _complete(request, scope, account, parents, before.document, session)
    if same_document(before.document, document):
        return "unchanged", replicas
    _check_may_replace(request, scope, document, before)
    documents.put(scope, name, document, session=session)
    return "updated", replicas


def _complete(
    request: PublishRequest,
    scope: InternalScope,
    account: InternalAccount,
    parents: Sequence[str],
    published: Mapping[str, Any],
    session: Session,
) -> int:
    """Hold the files of a published item to what is registered of them; return how many volatile replicas are new."""
    name = request.item["id"]
    if _keeps_files(request, published):
        return 0
    if _brings_files(request, scope, published, session):
        registration.register(scope, name, dataset_of(name), parents, request.files, account=account, session=session)
        return sum(file.path is not None for file in request.files)
    registration.check_registered(scope, dataset_of(name), request.files, session=session)
    return registration.declare_again(scope, request.files, account=account, session=session)


def _keeps_files(request: PublishRequest, published: Mapping[str, Any]) -> bool:
    """Tell whether nothing is said of files: those of an original are published apart from what is made of it."""
    said = bool(request.files) or not asset_names(published).keys().isdisjoint(every_asset(request.item))
    return not said and not _is_derived(published)


def _brings_files(
    request: PublishRequest, scope: InternalScope, published: Mapping[str, Any], session: Session
) -> bool:
    """Tell whether an original that was published without files gets its own now."""
    bare = bool(request.files) and request.update and not _is_derived(published)
    return bare and not registration.has_files(scope, dataset_of(request.item["id"]), session=session)


def _check_may_replace(
    request: PublishRequest, scope: InternalScope, document: Mapping[str, Any], before: StoredDocument
) -> None:
    name = document["id"]
    if not request.update:
        raise PublishConflict(f"another document is published as {scope.external}:{name}: say update to replace it")
    if _is_derived(before.document) or _is_derived(document):
        raise PublishConflict(
            f"{scope.external}:{name} is a derived product and published: another one needs an id of its own"
        )
    if before.document.get("collection") != document["collection"]:
        raise PublishConflict(f"{scope.external}:{name} is published in {before.document.get('collection')}")


def _check_permission(account: InternalAccount, scope: InternalScope, collection: str, session: Session) -> None:
    arguments = {"scope": scope, "collection": collection}
    allowed = permission.has_permission(issuer=account, action=PUBLISH_ACTION, kwargs=arguments, session=session)
    if not allowed:
        raise PublishDenied(f"account {account.external} may not publish in {scope.external}:{collection}")


def _check_places(account: InternalAccount, scope: InternalScope, request: PublishRequest, session: Session) -> None:
    """Refuse to publish over what others registered under the names, and below what is not to be linked to."""
    item = request.item
    names = {item["id"], dataset_of(item["id"]), *(file.name for file in request.files)}
    known = {"scope": scope, "collection": item["collection"], "names": sorted(names), "parent": request.parent}
    if not permission.has_permission(issuer=account, action=PUBLISH_ACTION, kwargs=known, session=session):
        below = f", or nothing may be attached to {request.parent}" if request.parent else ""
        raise PublishDenied(
            f"account {account.external} may not publish as {scope.external}:{item['id']}: it or one of its files"
            f" is registered by others{below}"
        )


def _wait_turn(scope: InternalScope, name: str, session: Session) -> None:
    """Let whoever publishes the same item at the same time finish first."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:item, 0))"), {"item": f"dafab:{scope.internal}:{name}"}
    )


def _check_container(scope: InternalScope, name: str, what: str, session: Session) -> None:
    did = models.DataIdentifier
    found = session.execute(select(did.did_type).where(did.scope == scope, did.name == name)).scalar()
    if found is None:
        raise DidUnknown(f"there is no {what} {scope.external}:{name}")
    if found is not DIDType.CONTAINER:
        raise PublishConflict(f"{scope.external}:{name} is a {found.name} and cannot be the {what}")


def _is_derived(document: Mapping[str, Any]) -> bool:
    return any(link.get("rel") == DERIVED for link in document.get("links", []))


def _parent(request: PublishRequest, scope: InternalScope, session: Session) -> Mapping[str, Any] | None:
    if request.parent is None:
        return None
    parent = documents.get(scope, request.parent, session=session)
    if parent is None:
        raise DidUnknown(f"the parent item {scope.external}:{request.parent} has no document")
    if parent.partial or parent.document["type"] != "Feature":
        raise PublishConflict(f"{scope.external}:{request.parent} is no item and cannot be the parent")
    return parent.document
