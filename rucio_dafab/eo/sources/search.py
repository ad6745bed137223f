"""Searching an archive, whatever it speaks, and finding one product by its name."""

from collections.abc import Iterator

from rucio_dafab.eo.sources import odata, stac
from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.providers import Provider, Sources, is_address
from rucio_dafab.eo.sources.values import Found, Question
from rucio_dafab.eo.sources.web import Web


def search(provider: Provider, question: Question) -> Iterator[Found]:
    """Yield the products of an archive that answer a question, ``question.limit`` at most.

    Raises:
        SourceBusy: if the archive is busy or away: too many requests, server errors, no connection, after all tries.
        SourceError: if it refuses, or does not answer as its kind does.
    """
    yield from (odata if provider.kind == "odata" else stac).search(provider, question, Web(provider.patience))


def find(sources: Sources, provider: Provider | None, name: str) -> Found:
    """Return one product: by its id in an archive, or by the address of its STAC item.

    Args:
        sources: The table of archives.
        provider: The archive; None for an address, which says itself where it is.
        name: The id, the name of a SAFE, or the address of an item.

    Raises:
        SourceBusy: if the archive is busy or away.
        SourceError: if there is no such product.
    """
    if is_address(name):
        holder = provider or sources.of_address(name)
        return stac.read_item(name, holder.name, Web(holder.patience))
    if provider is None:
        raise SourceError(f"{name!r} is no address of a STAC item: say which source has it")
    found = next(search(provider, Question(identifier=name, limit=1)), None)
    if found is None:
        raise SourceError(f"{provider.name} has no product {name!r}")
    return found
