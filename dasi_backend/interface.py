"""DASI as its users know it: one class a backend, keys and queries as dictionaries or as ``k=v1/v2,k2=v``.

with dasi_backend.interface.open("dasi.yml") as dasi:
    for item in dasi.list("mission=s2a,date=20260601/20260602"):
        print(item.key, item.uri, item.offset, item.length)
    dasi.retrieve({"collection": "water_analysis", "cloud_cover": "<20"}, target="out/[id].tif")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from typing_extensions import override

from dasi_backend import backends, language, staged
from dasi_backend import config as configuration
from dasi_backend.config import Config
from dasi_backend.errors import ConfigError, KeyRefused
from dasi_backend.items import Item, Key, Query, Retrieved, Values
from dasi_backend.keys import ProductKey
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.rucio import RucioBackend
from dasi_backend.select import Backend, Member, SelectBackend, home_of, not_archived
from dasi_backend.spool import Spool

__all__ = ["Dasi", "Item", "Key", "Query", "Retrieved", "Rucio", "Select", "open"]

ConfigLike = Config | Path | str | None
QueryLike = Mapping[str, Values] | str


class _Backend(Backend, Protocol):
    def retrieve(self, request: Request, /) -> tuple[Retrieved, ...]: ...


class _Interface:
    """What all of them have."""

    _backend: _Backend

    def list(self, query: QueryLike = "") -> Iterator[Item]:
        """Yield what a query finds. A question in CQL2 (``where``) is given in a dictionary, for the commas in it.

        Raises:
            DafabError: if a key is unknown or a value does not fit.
        """
        return self._backend.list(_request("list", query))

    def retrieve(self, query: QueryLike, target: str | Path, expect: int | str | None = None) -> tuple[Retrieved, ...]:
        """Write what a query finds to a template of paths, whole and verified.

        Raises:
            DafabError: if the query is not understood, not as much as expected is found, or bytes are damaged.
        """
        return self._backend.retrieve(_request("retrieve", query, str(target), expect))

    def flush(self) -> None:
        """Make what was archived visible."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush after success; after an error nothing more becomes visible."""
        if error is None:
            self.flush()


class Dasi(_Interface):
    """The rolling store.

    Args:
        config: A ``dasi.yml``, or what was read from one; by default the one that ``DASI_CONFIG`` names.
    """

    def __init__(self, config: ConfigLike = None) -> None:
        self.store = backends.store_of(_config(config))
        self._backend: LocalBackend = LocalBackend(self.store)
        self._spool = Spool(self.store)

    def archive(self, key: Mapping[str, str | int] | str, data: bytes | bytearray | memoryview) -> None:
        """Keep an object until :meth:`flush` publishes its product, all objects in one act.

        Args:
            key: The keys of the product, and ``kind=band,band=…,res=…`` or ``kind=part,part=…``; ``part=item`` is the
                product's STAC item, which is made of the keys where it is not archived.
            data: The bytes.

        Raises:
            KeyRefused: if a key is missing or unknown, or a value cannot be kept.
        """
        self._spool.add(Key(key), bytes(data))

    def archive_scene(self, folder: Path) -> ProductKey:
        """Archive a staged scene, durably and all or nothing, and return its key."""
        return self.store.archive(folder)

    @override
    def flush(self) -> None:
        """Publish every product that objects were archived for.

        Raises:
            ContentDiffers: if another content is stored under an id.
            StoreError: if a product could not be stored; nothing of it is visible then.
        """
        self._spool.flush()

    def wipe(self, query: QueryLike, doit: bool = False, all: bool = False) -> list[ProductKey]:
        """Remove whole products, and return which; without `doit` nothing is removed.

        Args:
            query: Keys of products.
            doit: Do it.
            all: Allow a query without any key.

        Raises:
            KeyRefused: if the query names no key and `all` is not set, or names parts of products.
            StoreError: if a database is in use.
        """
        return self.store.wipe(dict(Query(query)), doit=doit, everything=all)


class Rucio(_Interface):
    """The catalogue.

    Args:
        config: A ``dasi.yml`` with a section ``rucio``, or what was read from one.
    """

    def __init__(self, config: ConfigLike = None) -> None:
        self._backend: RucioBackend = backends.catalogue_of(_config(config))


class Select(_Interface):
    """Several stores as one.

    Args:
        config: A ``dasi.yml`` of ``type: select``, or what was read from one.
    """

    def __init__(self, config: ConfigLike = None) -> None:
        read = _config(config)
        if read.type != configuration.SELECT:
            raise ConfigError(f"type is {read.type}, not {configuration.SELECT}")
        self._members = [Member[Dasi | Rucio](each.name, each.rule, _opened(each.store)) for each in read.members]
        self._backend = SelectBackend([Member(each.name, each.rule, each.store._backend) for each in self._members])

    def archive(self, key: Mapping[str, str | int] | str, data: bytes | bytearray | memoryview) -> None:
        """Keep an object for the first member whose rule takes its key, as :meth:`Dasi.archive` does.

        Raises:
            KeyRefused: if it belongs to a catalogue or to nobody, or as :meth:`Dasi.archive`.
        """
        self._home(Key(key)).archive(key, data)

    def archive_scene(self, folder: Path) -> ProductKey:
        """Archive a staged scene in the first member whose rule takes its key, and return the key.

        Raises:
            KeyRefused: if it belongs to a catalogue or to nobody.
        """
        return self._home(Key(staged.read(folder).key.index)).archive_scene(folder)

    @override
    def flush(self) -> None:
        """Publish what was archived, member by member."""
        for member in self._members:
            member.store.flush()

    def _home(self, key: Key) -> Dasi:
        member = home_of(key, self._members)
        if not isinstance(member.store, Dasi):
            raise KeyRefused(not_archived(key, member))
        return member.store


def open(config: ConfigLike = None) -> Dasi | Rucio | Select:
    """Return what a ``dasi.yml`` says: ``type: local``, ``rucio`` or ``select``."""
    read = _config(config)
    return Select(read) if read.type == configuration.SELECT else _opened(read)


def _opened(config: Config) -> Dasi | Rucio:
    return Rucio(config) if config.type == configuration.RUCIO else Dasi(config)


def _config(config: ConfigLike) -> Config:
    return config if isinstance(config, Config) else configuration.find(Path(config) if config is not None else None)


def _request(verb: str, query: QueryLike, target: str | None = None, expect: int | str | None = None) -> Request:
    return Request(verb, language.expanded(Query(query)), target, language.expected(expect))
