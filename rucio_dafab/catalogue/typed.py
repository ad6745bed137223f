"""Which queryables have a column of their own."""

from collections.abc import Iterator
from typing import Final

from rucio_dafab.vocabulary.queryables import Queryable, Queryables

FIXED_COLUMNS: Final = frozenset({"id", "collection", "geometry", "classes", "datetime", "latest"})
"""Columns of queryables that need none of their own: the migrations make them, for ``datetime`` the extent."""
_FIXED_VALUES: Final = ("id", "collection", "latest")


def typed_queryables(queryables: Queryables) -> Iterator[tuple[Queryable, str]]:
    """Yield the queryables that have a column of their own, with its name."""
    for queryable in queryables:
        if queryable.column is not None and queryable.column not in FIXED_COLUMNS:
            yield queryable, queryable.column


def value_columns(queryables: Queryables) -> dict[str, str]:
    """Return the columns, by name of the queryable, that hold its value as it is: typed ones, and some fixed ones."""
    return {name: name for name in _FIXED_VALUES} | {each.name: column for each, column in typed_queryables(queryables)}
