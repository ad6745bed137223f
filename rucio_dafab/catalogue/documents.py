"""Documents by DID: whole, by key, in bulk. Every function works in the caller's transaction (``session``)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from rucio.common.types import InternalScope
from rucio.db.sqla import models
from sqlalchemy import CursorResult, bindparam, func, insert, literal, select, tuple_, update
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.catalogue.record import make_record
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.stac import pointers
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.geometry import as_geojson
from rucio_dafab.stac.validate import check_document, check_json, check_times
from rucio_dafab.vocabulary.coercion import coerce
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import Queryable, ValueType
from rucio_dafab.vocabulary.queryables import load as load_queryables

_KEY: Final = ("scope", "name")
_SCALARS: Final = frozenset(
    {ValueType.NUMBER, ValueType.INTEGER, ValueType.STRING, ValueType.BOOLEAN, ValueType.DATETIME}
)
_TIMES: Final = frozenset({"datetime", "start_datetime", "end_datetime"})


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document and the DID it hangs on; ``partial`` says that it is no valid STAC (yet)."""

    scope: InternalScope
    name: str
    document: dict[str, Any]
    partial: bool


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
    _hold_did(scope, name, session=session)
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
        DocumentInvalid: if a value does not fit its key or cannot be kept.
        DidUnknown: if there is no such DID.
    """
    document = _locked(scope, name, session=session)
    for key, value in values.items():
        queryable = _resolve(key)
        pointers.put(document, queryable.path, _fitting(queryable, key, value))
    _check_changed(document, values)
    _write(scope, name, document, session=session)


def delete_key(scope: InternalScope, name: str, key: str, *, session: Session) -> None:
    """Remove one member, named as for :func:`set_keys`, from the document of a DID.

    Raises:
        KeyUnknown: if the document has no such member.
        DidUnknown: if there is no such DID.
    """
    document = _locked(scope, name, session=session)
    pointers.remove(document, _resolve(key).path)
    _write(scope, name, document, session=session)


def _resolve(key: str) -> Queryable:
    try:
        return load_queryables().resolve(key)
    except VocabularyError as error:
        raise DocumentInvalid(str(error)) from error


def _fitting(queryable: Queryable, key: str, value: Any) -> Any:
    """Return a value as its queryable declares it; null is what it is."""
    check_json(value, key)
    if value is None:
        return None
    if queryable.type is ValueType.GEOMETRY:
        value = as_geojson(_parsed(value), key)
    elif queryable.type in {ValueType.STRINGS, ValueType.CONCEPTS}:
        value = _parsed(value)
        value = [value] if queryable.type is ValueType.STRINGS and isinstance(value, str) else value
    elif queryable.type in _SCALARS:
        try:
            coerced = coerce(queryable, value)
        except VocabularyError as error:
            raise DocumentInvalid(str(error)) from error
        value = coerced if queryable.type is not ValueType.DATETIME else _rfc3339(value, coerced)
    return value


def _rfc3339(written: Any, coerced: Any) -> str:
    text = str(written)
    return text if "T" in text and text.endswith(("Z", "z")) else coerced.isoformat().replace("+00:00", "Z")


def _parsed(value: Any) -> Any:
    """Return what a string holds as JSON, where it does: command lines send arrays and geometries so."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _check_changed(document: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Check what a change of some members can break in others."""
    properties = document.get("properties")
    changed = {_resolve(key).path[-1] for key in values} & _TIMES
    if changed and isinstance(properties, dict) and properties.get("start_datetime") and properties.get("end_datetime"):
        check_times(properties)


def _hold_did(scope: InternalScope, name: str, *, session: Session) -> None:
    """Keep a DID from being deleted, and its document from being written by others, until the transaction ends."""
    session.flush()
    did = models.DataIdentifier
    statement = select(literal(1)).where(did.scope == scope, did.name == name).with_for_update(key_share=True)
    if session.execute(statement).first() is None:
        raise DidUnknown(f"there is no DID {scope.external}:{name}")


def _locked(scope: InternalScope, name: str, *, session: Session) -> dict[str, Any]:
    """Return the document of a DID that is held from now on; an empty partial one where it has none."""
    _hold_did(scope, name, session=session)
    stored = get(scope, name, session=session)
    return {"properties": {}} if stored is None else stored.document


def _write(
    scope: InternalScope, name: str, document: dict[str, Any], *, valid: bool | None = None, session: Session
) -> None:
    """Write a document and its columns.

    Whoever writes holds the DID, so no other row can appear in between; and unlike ``ON CONFLICT``, both statements are
    compiled by SQLAlchemy once rather than each time, which takes longer than all the rest.
    """
    record = make_record(document, valid=valid)
    where = (table.c.scope == bindparam("of_scope"), table.c.name == bindparam("of_name"))
    written = session.execute(
        update(table).where(*where).values(updated_at=func.now()), record | {"of_scope": scope, "of_name": name}
    )
    if not cast("CursorResult[Any]", written).rowcount:
        session.execute(insert(table), record | {"scope": scope, "name": name})
