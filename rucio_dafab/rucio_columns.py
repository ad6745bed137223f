"""Rucio's own metadata plugin, which keeps the columns of DIDs, with listings that refuse what they cannot read.

Rucio asks it before ours for every key that it knows. As it is, ``name.like`` and ``name.lt`` end as an internal error,
a date such as ``created_after=2026-01-01`` or a number that is none as an error of the database, an empty list of
filters with ``recursive`` as another; and to set the key ``name`` renames a DID. What our language can say of a DID is
answered by it; what is left is checked before the database sees it. So are values that are set: a text that is too long
for its column, or ``lifetime=abc``, names its key instead of ending in the database.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from rucio.common import exception
from rucio.common.types import InternalScope
from rucio.core.did_meta_plugins.did_column_meta import DidColumnMeta
from rucio.db.sqla import models
from rucio.db.sqla.session import transactional_session
from rucio.db.sqla.types import GUID
from sqlalchemy import BigInteger, Boolean, DateTime, Integer, String
from sqlalchemy.orm import Session
from typing_extensions import override

from rucio_dafab.vocabulary.coercion import coerce, show
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import Queryable, ValueType
from rucio_dafab.vocabulary.times import parse_extent

LEFT_TO_US: Final = frozenset({"name"})
"""Keys that Rucio's plugin manages, and is not asked for here: they may stand beside any key of ours in a filter."""

_OPERATORS: Final = frozenset({"", "ne", "lt", "lte", "gt", "gte"})
_ANYTHING: Final = ("*", "%")
_OUR_WORDS: Final = {
    "created_after": "did_created_at.gte",
    "created_before": "did_created_at.lte",
    "created_at": "did_created_at",
    "length": "did_length",
    "bytes": "did_bytes",
}
_COLUMNS: Final = models.DataIdentifier.__table__.c
_LARGEST: Final = 2**31 - 1
"""Of a column of PostgreSQL's type integer."""

Group = dict[str, Any]


class RucioColumns(DidColumnMeta):  # type: ignore[misc]  # Rucio ships no types
    """The columns of DIDs.

    Args:
        listing: lists the DIDs of filters in our language, with the arguments of a plugin's ``list_dids``.
    """

    def __init__(self, listing: Callable[..., Iterator[Any]]) -> None:
        super().__init__()
        self._listing = listing

    @override
    def manages_key(self, key: str, *, session: Session | None = None) -> bool:
        """Return whether Rucio keeps a key in a column that may be set."""
        return key not in LEFT_TO_US and bool(super().manages_key(key, session=session))

    @override
    @transactional_session  # type: ignore[untyped-decorator]
    def set_metadata_bulk(
        self,
        scope: InternalScope,
        name: str,
        metadata: Mapping[str, Any],
        recursive: bool = False,
        *,
        session: Session,
    ) -> None:
        """Set columns of a DID.

        Raises:
            InvalidMetadata: naming the key, if its column cannot hold the value.
        """
        fitting = {key: _fitting(key, value) for key, value in metadata.items()}
        super().set_metadata_bulk(scope, name, metadata=fitting, recursive=recursive, session=session)

    @override
    def list_dids(self, scope: InternalScope, filters: Any, *arguments: Any, session: Session, **options: Any) -> Any:
        """Return the DIDs that satisfy filters; what is wrong with these is raised by the call.

        Raises:
            DIDFilterSyntaxError: if a value does not fit its column, or there is no such operator.
        """
        groups = [dict(each) for each in ([filters] if isinstance(filters, Mapping) else filters)] or [{}]
        ours = [_in_our_words(group) for group in groups]
        # Rucio's own recursion asks for every collection anew: half a minute for two thousand, and names come twice.
        if None not in ours and (options.get("recursive") or any(group.keys() - LEFT_TO_US for group in groups)):
            return self._listing(scope, ours, *arguments, session=session, **options)
        checked = [_checked(group) for group in groups]
        return super().list_dids(scope, checked, *arguments, session=session, **options)


def _in_our_words(group: Group) -> Group | None:
    """Return tests that must all hold in our language, ``None`` where it lacks a word."""
    found: Group = {}
    for key, value in group.items():
        base, dot, operator = key.partition(".")
        word = base if base == "name" else _OUR_WORDS.get(base)
        if word is None or (dot and "." in word):
            return None
        # Rucio has two wildcards, and no names with either of them.
        found[f"{word}.{operator}" if dot else word] = _text(key, value).replace("%", "*") if key == "name" else value
    return found if len(found) == len(group) else None


def _checked(group: Group) -> Group:
    return {key: _text(key, value) if key == "type" else _value(key, value) for key, value in group.items()}


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise exception.DIDFilterSyntaxError(f"{key} takes a text, not {show(value)}")
    return value


def _value(key: str, value: Any) -> Any:
    """Return a value as Rucio's engine reads it, after checking that the database can compare it with its column."""
    base, _, operator = key.partition(".")
    column = _COLUMNS.get("created_at" if base in {"created_after", "created_before"} else base)
    if operator not in _OPERATORS:
        raise exception.DIDFilterSyntaxError(f"{key}: unknown operator, they are {' '.join(sorted(_OPERATORS))}")
    if column is None or value is None or value in _ANYTHING:
        return value
    try:
        if isinstance(column.type, Integer):
            _as(base, ValueType.INTEGER, value)
        elif isinstance(column.type, DateTime) and isinstance(value, str):
            return _moment(base, operator, value)
        elif isinstance(column.type, GUID | Boolean):
            _read(base, column.type, value)
    except VocabularyError as error:
        raise exception.DIDFilterSyntaxError(f"{key}: {error}") from error
    return value


def _moment(base: str, operator: str, value: str) -> str:
    """Return a date or a time in the one form that Rucio's engine knows; a date covers its whole day."""
    extent = parse_extent(value)
    late = operator in {"lte", "gt"} or base == "created_before"
    moment = extent.end if late else extent.start
    if moment is None:
        raise VocabularyError(f"'{value[:60]}' is no time")
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _fitting(key: str, value: Any) -> Any:
    """Return a value as the column of its key holds it; a command line sends texts for everything.

    Raises:
        InvalidMetadata: naming the key, if it cannot hold the value.
    """
    if value is None:
        return None
    try:
        if key == "lifetime":
            return _lifetime(value)
        column = _COLUMNS.get(key)
        return value if column is None else _read(key, column.type, value)
    except VocabularyError as error:
        raise exception.InvalidMetadata(str(error)) from error


def _read(key: str, kind: Any, value: Any) -> Any:
    """Return a value as a column of a type holds it."""
    if isinstance(kind, GUID):
        return _guid(key, value)
    if isinstance(kind, Boolean):
        return _as(key, ValueType.BOOLEAN, str(value) if value in (0, 1) else value)
    if isinstance(kind, Integer):
        return _integer(key, kind, value)
    if isinstance(kind, DateTime):
        return _utc(_as(key, ValueType.DATETIME, value))
    # An enumeration is a String, too.
    return _short(key, kind, value) if type(kind) is String else value


def _lifetime(value: Any) -> float:
    """Return seconds after which there still is a year to write."""
    seconds = float(_as("lifetime", ValueType.NUMBER, value))
    try:
        datetime.now() + timedelta(seconds=seconds)
    except OverflowError:
        raise VocabularyError(f"lifetime takes seconds, and {show(value)} end in no year") from None
    return seconds


def _guid(key: str, value: Any) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise VocabularyError(f"{key} takes a UUID, not {show(value)}") from None


def _integer(key: str, kind: Integer, value: Any) -> int:
    number = int(_as(key, ValueType.INTEGER, value))
    if not isinstance(kind, BigInteger) and abs(number) > _LARGEST:
        raise VocabularyError(f"{key} takes a number up to {_LARGEST}, not {show(value)}")
    return number


def _short(key: str, kind: String, value: Any) -> str:
    text = str(_as(key, ValueType.STRING, value if isinstance(value, str) else str(value)))
    if isinstance(value, dict | list) or (kind.length is not None and len(text) > kind.length):
        raise VocabularyError(f"{key} takes a text of {kind.length} characters at most, not {show(value)}")
    return text


def _as(key: str, kind: ValueType, value: Any) -> Any:
    """Return a value of a key as one of a type."""
    return coerce(Queryable(key, "/", kind), value)


def _utc(moment: Any) -> datetime:
    """Return a moment as Rucio keeps it: in UTC, without saying so."""
    found: datetime = moment.replace(tzinfo=None)
    return found
