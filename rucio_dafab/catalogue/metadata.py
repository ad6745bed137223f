"""Documents as Rucio's metadata: one level of keys, none of which Rucio would take for something of its own."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Final

from rucio.common.types import InternalScope
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import inherited, reads
from rucio_dafab.stac import pointers

PLUGIN: Final = "DAFAB"
"""The name by which clients ask for this metadata."""

_RSE_KEYS: Final = frozenset({"rse", "src_rse", "source_rse", "dest_rse", "destination_rse"})
_RESERVED: Final = frozenset({"scope", "name", "account", "did_type"}) | {f"{key}_id" for key in _RSE_KEYS}
"""Keys whose values Rucio's gateway takes for objects of its own, and would crash on."""


def of_many(
    dids: Sequence[tuple[InternalScope, str]], *, inherit: bool = False, session: Session
) -> Iterator[dict[str, Any]]:
    """Yield the metadata of those of the DIDs that are there, in their order, by a few statements a batch.

    A file or a dataset without a document answers through the nearest one above it.

    Args:
        dids: the DIDs.
        inherit: whether what a document lacks is read from those above it, the nearest first.
        session: a transaction that stays open until the last was given.
    """
    found = reads.read_known(dids, session=session)
    while batch := list(islice(found, reads.ROWS)):
        above = _above(batch, inherit=inherit, session=session)
        for each in batch:
            did = (each.scope, each.name)
            texts = [each, *above.get(did, ())]
            yield {"scope": each.scope, "name": each.name} | inherited.merged(flatten(read.parsed()) for read in texts)


def _above(
    batch: Sequence[reads.ReadDocument], *, inherit: bool, session: Session
) -> dict[tuple[InternalScope, str], list[reads.ReadDocument]]:
    """Return the documents whose keys are read too, for each DID in their order."""
    if inherit:
        every = inherited.ancestors([(each.scope, each.name) for each in batch], session=session)
        return {did: [each.read for each in found] for did, found in every.items()}
    without = [(each.scope, each.name) for each in batch if each.text is None]
    return {did: [read] for did, read in inherited.nearest(without, session=session).items()}


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
