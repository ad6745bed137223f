"""Documents by DID: whole, by key, in bulk. Every function works in the caller's transaction (``session``)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import delete, literal, select, tuple_
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import document_rows, links
from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.catalogue.record import make_record
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.stac import members, pointers
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.links import versions_of
from rucio_dafab.stac.validate import check_document, check_size, check_times

_TIMES: Final = frozenset({"datetime", "start_datetime", "end_datetime"})


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document and the DID it hangs on.

    ``partial`` says that it is no valid STAC (yet), ``exists`` is false for the empty one of a DID without any.
    """

    scope: InternalScope
    name: str
    document: dict[str, Any]
    partial: bool
    exists: bool = True


def get(scope: InternalScope, name: str, *, session: Session) -> StoredDocument | None:
    """Return the document of a DID, or ``None`` where it has none."""
    return next(get_bulk([(scope, name)], session=session), None)


def get_bulk(dids: Iterable[tuple[InternalScope, str]], *, session: Session) -> Iterator[StoredDocument]:
    """Yield the documents of those of the DIDs that have one, in no particular order, by one statement."""
    wanted = list(dids)
    if not wanted:
        return
    statement = select(table.c.scope, table.c.name, table.c.document, table.c.partial).where(
        tuple_(table.c.scope, table.c.name).in_(wanted)
    )
    for scope, name, document, partial in session.execute(statement):
        yield StoredDocument(scope, name, orjson.loads(document), partial)


def put(scope: InternalScope, name: str, document: Mapping[str, Any], *, session: Session) -> None:
    """Store a whole document on a DID, in place of any it had.

    Raises:
        DocumentInvalid: if it is no valid STAC item or collection.
        DidUnknown: if there is no such DID.
    """
    whole = dict(document)
    check_document(whole)
    _write(scope, name, whole, valid=True, session=session)


def set_keys(scope: InternalScope, name: str, values: Mapping[str, Any], *, session: Session) -> None:
    """Set members of the document of a DID; a DID without one gets a partial document.

    Concurrent calls on one DID follow each other: none is lost.

    Args:
        scope: scope of the DID.
        name: name of the DID.
        values: by key: a queryable's name or alias, a JSON pointer, or else a property. Strings become what the
            queryable declares, as command lines can send nothing else.
        session: the caller's transaction.

    Raises:
        DocumentInvalid: if a value does not fit its key or cannot be kept, or breaks a complete document.
        DidUnknown: if there is no such DID.
    """
    stored = hold(scope, name, session=session)
    document = dict(stored.document)
    for key, value in values.items():
        queryable = members.resolve(key)
        pointers.put(document, queryable.path, members.fitting(queryable, key, value))
    _check_changed(document, values)
    rewrite(stored, document, session=session)


def delete_key(scope: InternalScope, name: str, key: str, *, session: Session) -> None:
    """Remove one member, named as for :func:`set_keys`, from the document of a DID.

    Raises:
        KeyUnknown: if the document has no such member.
        DocumentInvalid: if a complete document needs it.
        DidUnknown: if there is no such DID.
    """
    stored = hold(scope, name, session=session)
    document = dict(stored.document)
    pointers.remove(document, members.resolve(key).path)
    rewrite(stored, document, session=session)


def rewrite(stored: StoredDocument, document: dict[str, Any], *, session: Session) -> None:
    """Write what became of a document that is held (see :func:`hold`); a complete one must stay so.

    Raises:
        DocumentInvalid: as :func:`check_rewrite`.
    """
    check_rewrite(stored, document)
    write_held(stored, document, session=session)


def check_rewrite(stored: StoredDocument, document: dict[str, Any]) -> None:
    """Check that a document that was complete is so still, with the same id, type and links to versions.

    Raises:
        DocumentInvalid: if it is not.
    """
    if stored.partial:
        return
    check_document(document)
    for member in ("id", "type"):
        if document[member] != stored.document.get(member):
            raise DocumentInvalid(f"/{member} cannot become {document[member][:80]!r}: a published document keeps it")
    if versions_of(document, stored.name) != versions_of(stored.document, stored.name):
        raise DocumentInvalid("/links cannot say anew which versions there are: publish the item with its predecessor")


def write_held(stored: StoredDocument, document: dict[str, Any], *, session: Session) -> None:
    """Write what became of a document that is held, and passed :func:`check_rewrite`.

    Raises:
        DocumentTooLarge: if it has more bytes than a document may have.
    """
    _write(stored.scope, stored.name, document, valid=None if stored.partial else True, session=session)


def write_all_held(
    scope: InternalScope, changed: Iterable[tuple[StoredDocument, dict[str, Any]]], *, session: Session
) -> None:
    """Write what became of documents of one scope that are held, and passed :func:`check_rewrite`, together.

    Raises:
        DocumentTooLarge: as :func:`write_held`.
    """
    rows, written = [], {}
    for stored, document in changed:
        record = make_record(document, valid=None if stored.partial else True)
        check_size(len(record["document"]))
        rows.append(document_rows.row_of(scope, stored.name, record))
        written[stored.name] = document
    document_rows.replace_all(rows, session=session)
    links.write_all(scope, written, session=session)


def remove(stored: StoredDocument, *, session: Session) -> None:
    """Remove a document that is held; its DID stays."""
    session.execute(delete(table).where(table.c.scope == stored.scope, table.c.name == stored.name))


def hold(scope: InternalScope, name: str, *, session: Session) -> StoredDocument:
    """Return the document of a DID, and keep others from writing it until the transaction ends.

    Where the DID has none, it is an empty partial one.

    Raises:
        DidUnknown: if there is no such DID.
    """
    _hold_did(scope, name, session=session)
    none = StoredDocument(scope, name, {"properties": {}}, partial=True, exists=False)
    return get(scope, name, session=session) or none


def _check_changed(document: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Check what a change of some members can break in others."""
    properties = document.get("properties")
    changed = {members.resolve(key).path[-1] for key in values} & _TIMES
    if changed and isinstance(properties, dict) and properties.get("start_datetime") and properties.get("end_datetime"):
        check_times(properties)


def _hold_did(scope: InternalScope, name: str, *, session: Session) -> None:
    """Keep a DID from being deleted, and its document from being written by others, until the transaction ends."""
    session.flush()
    did = models.DataIdentifier
    statement = select(literal(1)).where(did.scope == scope, did.name == name).with_for_update(key_share=True)
    if session.execute(statement).first() is None:
        raise DidUnknown(f"there is no DID {scope.external}:{name}")


def _write(
    scope: InternalScope, name: str, document: dict[str, Any], *, valid: bool | None = None, session: Session
) -> None:
    """Write a document and its columns."""
    record = make_record(document, valid=valid)
    check_size(len(record["document"]))
    is_new = document_rows.put(document_rows.row_of(scope, name, record), session=session)
    if is_new is None:
        raise DidUnknown(f"there is no DID {scope.external}:{name}")
    links.write(scope, name, document, is_new=is_new, session=session)
