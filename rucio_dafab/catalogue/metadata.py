"""Documents as Rucio's metadata: one level of keys, none of which Rucio would take for something of its own."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from rucio.common.types import InternalScope
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import reads
from rucio_dafab.stac import pointers

PLUGIN: Final = "DAFAB"
"""The name by which clients ask for this metadata."""

_RSE_KEYS: Final = frozenset({"rse", "src_rse", "source_rse", "dest_rse", "destination_rse"})
_RESERVED: Final = frozenset({"scope", "name", "account", "did_type"}) | {f"{key}_id" for key in _RSE_KEYS}
"""Keys whose values Rucio's gateway takes for objects of its own, and would crash on."""


def of_many(dids: Sequence[tuple[InternalScope, str]], *, session: Session) -> Iterator[dict[str, Any]]:
    """Yield the metadata of those of the DIDs that are there, in their order, by one statement.

    Args:
        dids: the DIDs.
        session: a transaction that stays open until the last was given.
    """
    for found in reads.read_known(dids, session=session):
        yield {"scope": found.scope, "name": found.name} | flatten(found.parsed())


def flatten(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as Rucio's metadata: one level, without links and assets, no key that clashes with Rucio's."""
    properties = document.get("properties")
    flat = {
        _safe(key, "properties"): value for key, value in (properties if isinstance(properties, dict) else {}).items()
    }
    others = {key: value for key, value in document.items() if key not in {"properties", "links", "assets"}}
    return {_safe(key): value for key, value in others.items()} | flat


def _safe(key: str, *above: str) -> str:
    if key not in _RESERVED and not _is_column(key):
        return key
    return pointers.join(*above, key)


@lru_cache(maxsize=10_000)
def _is_column(key: str) -> bool:
    return bool(_columns().manages_key(key))


@cache
def _columns() -> Any:
    # To import this is to import the plugins that are configured, ours among them, which needs this module.
    from rucio.core.did_meta_plugins.did_column_meta import DidColumnMeta  # noqa: PLC0415

    return DidColumnMeta()
