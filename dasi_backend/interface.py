"""DASI as its users know it: one class a backend, keys and queries as dictionaries or as ``k=v1/v2,k2=v``.

with dasi_backend.interface.open("dasi.yml") as dasi:
    for item in dasi.list("mission=s2a,date=20260601/20260602"):
        print(item.key, item.uri, item.offset, item.length)
    dasi.retrieve({"collection": "water_analysis", "cloud_cover": "<20"}, target="out/[id].tif")
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Protocol, Self, overload

from typing_extensions import override

from dasi_backend import backends, language, plans, staged
from dasi_backend import config as configuration
from dasi_backend.config import Config
from dasi_backend.errors import ConfigError, KeyRefused, StoreError
from dasi_backend.grib import GribBackend
from dasi_backend.items import Item, Key, Query, Retrieved, Values
from dasi_backend.keys import ProductKey
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.rucio import RucioBackend
from dasi_backend.select import Backend, Member, SelectBackend, home_of
from dasi_backend.spool import Spool

__all__ = ["Dasi", "Grib", "Item", "Key", "Query", "Retrieved", "Rucio", "Select", "open"]

ConfigLike = Config | Path | str | None
QueryLike = Mapping[str, Values] | str


class _Backend(Backend, Protocol):
    def retrieve(self, request: Request, /) -> tuple[Retrieved, ...]: ...


class _Interface:
    """What all of them have."""

    _backend: _Backend
    _spool: Spool

    def list(self, query: QueryLike = "") -> Iterator[Item]:
        """Yield what a query finds. A question in CQL2 (``where``) is given in a dictionary, for the commas in it.

        Raises:
            DafabError: if a key is unknown or a value does not fit.
        """
        return self._backend.list(_request("list", query))

    @overload
    def retrieve(self, query: QueryLike, target: None = None, expect: int | str | None = None) -> Iterator[Item]: ...

    @overload
    def retrieve(
        self, query: QueryLike, target: str | Path, expect: int | str | None = None
    ) -> tuple[Retrieved, ...]: ...

    def retrieve(
        self, query: QueryLike, target: str | Path | None = None, expect: int | str | None = None
    ) -> Iterator[Item] | tuple[Retrieved, ...]:
        """Return what a query finds as items with their data, as DASI does, or write it whole to a template of paths.

        Items are what would be written, object by object or file by file. The bytes of one are brought and verified
        when its ``data`` are asked for, and are nobody's afterwards: so much memory is taken as the largest has bytes.

        Args:
            query: What to retrieve.
            target: A template of paths; without one nothing is written.
            expect: How many answers there must be, or ``any``; at least one where it is not said.

        Raises:
            DafabError: if the query is not understood, not as much as expected is found, or bytes are damaged.
        """
        request = _request("retrieve", query, None if target is None else str(target), expect)
        if target is not None:
            return self._backend.retrieve(request)
        items = list(self._backend.read(request))
        plans.refuse_count(request, len(items), "items")
        plans.refuse_none(request, len(items), "what was asked")
        return iter(items)

    def archive(self, key: Mapping[str, str | int] | str, data: bytes | bytearray | memoryview) -> None:
        """Keep an object until :meth:`flush` publishes its product, all objects in one act.

        Args:
            key: The keys of the product, and ``kind=band,band=…,res=…`` or ``kind=part,part=…``; ``part=item`` is the
                product's STAC item, which is made of the keys where it is not archived. In a catalogue ``collection``
                and ``geometry`` are keys, too, and a key without ``product`` gets a name of its own.
            data: The bytes.

        Raises:
            KeyRefused: if a key is missing or unknown, or a value cannot be kept.
            StoreError: if the data are no bytes.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise StoreError(f"data are bytes, not {type(data).__name__}")
        self._spool.add(Key(key), bytes(data))

    def flush(self) -> None:
        """Publish every product that objects were archived for.

        Raises:
            ContentDiffers: if another content is stored under an id.
            StoreError: if a product could not be stored; nothing of it is visible then.
            ClientError: if the catalogue does not answer, or refuses.
        """
        self._spool.flush()

    def wipe(self, query: QueryLike, doit: bool = False, all: bool = False) -> Sequence[Key]:
        """Remove whole products, and return their keys, ``id`` among them; without `doit` nothing is removed.

        A rolling store removes at once. In a catalogue lifetimes end, and Rucio's daemons delete.

        Args:
            query: Keys of products.
            doit: Do it.
            all: Allow a query without any key.

        Raises:
            KeyRefused: if the query names no key and `all` is not set, or names parts of products.
            StoreError: if a database is in use, or a product leased or pinned.
            NotPermitted: if the account may not delete in the catalogue.
        """
        return self._backend.wipe(_request("wipe", query), doit=doit, everything=all)

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

    def archive_scene(self, folder: Path) -> ProductKey:
        """Archive a staged scene, durably and all or nothing, and return its key."""
        return self.store.archive(folder)


class Rucio(_Interface):
    """The catalogue.

    Args:
        config: A ``dasi.yml`` with a section ``rucio``, or what was read from one.
    """

    def __init__(self, config: ConfigLike = None) -> None:
        self._backend: RucioBackend = backends.catalogue_of(_config(config))
        self._spool = Spool(self._backend.writer, documented=True)

    def archive_scene(self, folder: Path) -> ProductKey:
        """Upload a staged scene and publish its item with the files, in one idempotent act, and return its key."""
        return self._backend.writer.archive(folder)


class Grib(_Interface):
    """An ordinary FDB of GRIB messages, which is read and not written to.

    Args:
        config: A ``dasi.yml`` of ``type: grib``, or what was read from one.
    """

    def __init__(self, config: ConfigLike = None) -> None:
        read = _config(config)
        if read.type != configuration.GRIB:
            raise ConfigError(f"type is {read.type}, not {configuration.GRIB}")
        self._backend: GribBackend = GribBackend(read.schema, read.roots)

    @override
    def archive(self, key: Mapping[str, str | int] | str, data: bytes | bytearray | memoryview) -> NoReturn:
        """Refuse: whoever keeps the fields archives them.

        Raises:
            KeyRefused: always.
        """
        raise KeyRefused(f"{Key(key)}: nothing is archived in an FDB of fields by dasi: whoever keeps it does")

    def archive_scene(self, folder: Path) -> NoReturn:
        """Refuse as :meth:`archive` does."""
        raise KeyRefused(f"{folder}: a scene is no field")

    @override
    def flush(self) -> None:
        """Do nothing: nothing was archived."""


class Select(_Interface):
    """Several stores as one.

    Args:
        config: A ``dasi.yml`` of ``type: select``, or what was read from one.
    """

    def __init__(self, config: ConfigLike = None) -> None:
        read = _config(config)
        if read.type != configuration.SELECT:
            raise ConfigError(f"type is {read.type}, not {configuration.SELECT}")
        self._members = [
            Member[Dasi | Rucio | Grib](each.name, each.rule, _opened(each.store)) for each in read.members
        ]
        self._backend = SelectBackend([Member(each.name, each.rule, each.store._backend) for each in self._members])

    @override
    def archive(self, key: Mapping[str, str | int] | str, data: bytes | bytearray | memoryview) -> None:
        """Keep an object for the first member whose rule takes its key.

        Raises:
            KeyRefused: if it belongs to nobody, or as the member refuses it.
        """
        self._home(Key(key)).archive(key, data)

    def archive_scene(self, folder: Path) -> ProductKey:
        """Archive a staged scene in the first member whose rule takes its key, and return the key.

        Raises:
            KeyRefused: if it belongs to nobody.
        """
        return self._home(Key(staged.read(folder).key.index)).archive_scene(folder)

    @override
    def flush(self) -> None:
        """Publish what was archived, member by member."""
        for member in self._members:
            member.store.flush()

    def _home(self, key: Key) -> Dasi | Rucio | Grib:
        return home_of(key, self._members).store


def open(config: ConfigLike = None) -> Dasi | Rucio | Grib | Select:
    """Return what a ``dasi.yml`` says: ``type: local``, ``rucio``, ``grib`` or ``select``."""
    read = _config(config)
    return Select(read) if read.type == configuration.SELECT else _opened(read)


def _opened(config: Config) -> Dasi | Rucio | Grib:
    if config.type == configuration.GRIB:
        return Grib(config)
    return Rucio(config) if config.type == configuration.RUCIO else Dasi(config)


def _config(config: ConfigLike) -> Config:
    return config if isinstance(config, Config) else configuration.find(Path(config) if config is not None else None)


def _request(verb: str, query: QueryLike, target: str | None = None, expect: int | str | None = None) -> Request:
    return Request(verb, language.expanded(Query(query)), target, language.expected(expect))
