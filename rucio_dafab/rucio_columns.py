"""Rucio's own metadata plugin, which keeps the columns of DIDs, with listings that refuse what they cannot read.

Rucio asks it before ours for every key that it knows. As it is, ``name.like`` and ``name.lt`` end as an internal error,
a date such as ``created_after=2026-01-01`` or a number that is none as an error of the database, an empty list of
filters with ``recursive`` as another; and to set the key ``name`` renames a DID. What our language can say of a DID is
answered by it; what is left is checked before the database sees it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from rucio.common import exception
from rucio.common.types import InternalScope
from rucio.core.did_meta_plugins.did_column_meta import DidColumnMeta
from rucio.db.sqla import models
from sqlalchemy import DateTime, Integer
from sqlalchemy.orm import Session
from typing_extensions import override

from rucio_dafab.vocabulary.coercion import coerce
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
    def list_dids(self, scope: InternalScope, filters: Any, *arguments: Any, session: Session, **options: Any) -> Any:
        """Return the DIDs that satisfy filters; what is wrong with these is raised by the call.

        Raises:
            DIDFilterSyntaxError: if a value does not fit its column, or there is no such operator.
        """
        groups = [dict(each) for each in ([filters] if isinstance(filters, Mapping) else filters)] or [{}]
        ours = [_in_our_words(group) for group in groups]
        if None not in ours and any(group.keys() - LEFT_TO_US for group in groups):
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
        found[f"{word}.{operator}" if dot else word] = value.replace("%", "*") if key == "name" else value
    return found if len(found) == len(group) else None


def _checked(group: Group) -> Group:
    return {key: _value(key, value) for key, value in group.items()}


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
            coerce(Queryable(base, "/", ValueType.INTEGER), value)
        elif isinstance(column.type, DateTime) and isinstance(value, str):
            return _moment(base, operator, value)
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
