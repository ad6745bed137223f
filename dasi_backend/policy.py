"""The retention policy (``etc/fdb/retention.toml``): what leaves the rolling store, and when."""

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from dasi_backend import subscriptions
from dasi_backend.addresses import parse_text
from dasi_backend.errors import PolicyError
from dasi_backend.records import ProductRecord
from rucio_dafab.errors import DafabError
from rucio_dafab.query.geometry import parse_geometry
from rucio_dafab.resources import resources
from rucio_dafab.vocabulary import areas

DEFAULT: Final = resources() / "etc" / "fdb" / "retention.toml"

_LAG_SECONDS: Final = 86_400.0
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_BYTES: Final = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15} | {
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50
}  # fmt: skip
_MEASURE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z%]+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the products of a collection.

    Attributes:
        min_age: Seconds since they were archived for which they stay whatever else is said.
        max_age: Seconds after which they go; ``None`` for never.
        keep_until_processed: Whether they stay until a workflow has made of them what it makes.
    """

    min_age: float = 86_400.0
    max_age: float | None = None
    keep_until_processed: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Products that somebody has asked for.

    Attributes:
        name: Who or what for.
        collections: Of these collections; of all where there are none.
        areas: Whose footprint meets one of these (EPSG:4326); anywhere where there are none.
        max_age: And archived no longer ago than this, in seconds; ``None`` for ever.
    """

    name: str
    collections: frozenset[str] = frozenset()
    areas: tuple[BaseGeometry, ...] = ()
    max_age: float | None = None

    def wants(self, record: ProductRecord, age: float) -> bool:
        """Say whether a product is one of these; one that says no footprint may be anywhere."""
        if self.max_age is not None and age > self.max_age:
            return False
        if self.collections and not collections_of(record) & {canonical(name) for name in self.collections}:
            return False
        if not self.areas or record.footprint is None:
            return True
        try:
            footprint = shapely.make_valid(shapely.geometry.shape(record.footprint))
        except (GEOSException, ValueError, TypeError, KeyError, AttributeError):
            return True
        return any(footprint.intersects(area) for area in self.areas)


@dataclass(frozen=True, slots=True)
class Policy:
    """A retention policy.

    Attributes:
        min_free: Bytes of the disk that are to be free, or the part of it (0…1) when ``min_free_part``.
        min_free_part: Whether ``min_free`` is a part of the disk.
        max_size: Bytes that all products may take; ``None`` for any number.
        lag: Seconds between the run that marks a product and the run that removes it.
        rule: For every product.
        collections: For the products of a collection, by its name.
        wanted: What somebody has asked for.
    """

    min_free: float = 0.0
    min_free_part: bool = False
    max_size: float | None = None
    lag: float = _LAG_SECONDS
    rule: Rule = field(default_factory=Rule)
    collections: Mapping[str, Rule] = field(default_factory=dict)
    wanted: tuple[Wanted, ...] = ()

    def rule_of(self, record: ProductRecord) -> Rule:
        """Return the rule for a product: that of its collection, where there is one."""
        if not self.collections:
            return self.rule
        rules = {canonical(name): rule for name, rule in self.collections.items()}
        return next((rules[name] for name in sorted(collections_of(record)) if name in rules), self.rule)

    def unmatched(self, records: Iterable[ProductRecord]) -> tuple[str, ...]:
        """Return the collections that the policy names and that none of these products is of, as it writes them."""
        named = {*self.collections, *(name for wanted in self.wanted for name in wanted.collections)}
        there = {name for record in records for name in collections_of(record)} if named else set()
        return tuple(sorted(name for name in named if canonical(name) not in there))

    def bytes_to_free(self, used: int, disk: int, free: int) -> float:
        """Return how many of the `used` bytes have to go, on a disk of so many bytes, of which some are free."""
        wanted = self.min_free * disk if self.min_free_part else self.min_free
        over = used - self.max_size if self.max_size is not None else 0.0
        return max(wanted - free, over, 0.0)


def canonical(collection: str) -> str:
    """Return the name of a collection as the catalogue has it: ``sentinel_2_l2a`` for ``sentinel-2-l2a``."""
    return collection.strip().lower().replace("-", "_")


def collections_of(record: ProductRecord) -> frozenset[str]:
    """Return the collections that a product is of: the one that its item names, and the catalogue's, by its bands."""
    from dasi_backend.originals import collection_of  # noqa: PLC0415  # rasterio, for policies that name collections

    keys = (parse_text(key) for key in record.objects)
    bands = {key["band"].upper(): dict[str, str]() for key in keys if key.get("band")}
    own = {canonical(record.collection)} if record.collection else set()
    return frozenset(own | ({collection_of(bands)} if bands else set()))


def read(path: Path = DEFAULT) -> Policy:
    """Read a policy.

    Raises:
        PolicyError: naming the file, and the key or the line that is wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # no UTF-8, no TOML, no end of brackets
        raise PolicyError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return _Reader(path).policy(document)


@dataclass(frozen=True, slots=True)
class _Reader:
    path: Path

    def policy(self, document: Mapping[str, Any]) -> Policy:
        self._check(document, {"store", "rule", "collection", "wanted", "subscribed"}, "")
        store = self._table(document.get("store", {}), "store")
        self._check(store, {"min_free", "max_size", "lag"}, "store.")
        free, is_part = self._free(store.get("min_free"))
        rule = self._rule(document.get("rule", {}), "rule", Rule())
        collections = self._table(document.get("collection", {}), "collection")
        if twice := [name for name, count in Counter(map(canonical, collections)).items() if count > 1]:
            raise self._refuse(f"collection.{twice[0]}", "is there twice, in two spellings")
        wanted = document.get("wanted", [])
        if not isinstance(wanted, list):
            raise self._refuse("wanted", "is no list: write [[wanted]]")
        return Policy(
            min_free=free,
            min_free_part=is_part,
            max_size=self._measure(store, "max_size", "store.", _BYTES, None),
            lag=self._measure(store, "lag", "store.", _SECONDS, _LAG_SECONDS) or 0.0,
            rule=rule,
            collections={name: self._rule(said, f"collection.{name}", rule) for name, said in collections.items()},
            wanted=(
                *(self._wanted(said, f"wanted {number}") for number, said in enumerate(wanted, start=1)),
                *self._subscribed(document.get("subscribed", {})),
            ),
        )

    def _rule(self, said: Any, name: str, other: Rule) -> Rule:
        table = self._table(said, name)
        self._check(table, {each.name for each in fields(Rule)}, f"{name}.")
        processed = table.get("keep_until_processed", other.keep_until_processed)
        if not isinstance(processed, bool):
            raise self._refuse(f"{name}.keep_until_processed", f"is {processed!r}, not true or false")
        rule = Rule(
            min_age=self._measure(table, "min_age", f"{name}.", _SECONDS, other.min_age) or 0.0,
            max_age=self._measure(table, "max_age", f"{name}.", _SECONDS, other.max_age),
            keep_until_processed=processed,
        )
        if rule.max_age is not None and rule.max_age < rule.min_age:
            raise self._refuse(f"{name}.max_age", "is less than min_age")
        return rule

    def _subscribed(self, said: Any) -> Iterator[Wanted]:
        """Yield what subscriptions want that stand elsewhere; a file is looked for from the folder of the policy."""
        table = self._table(said, "subscribed")
        self._check(table, {"files", "collections", "max_age"}, "subscribed.")
        texts = self._texts(table, "subscribed", ("files", "collections"))
        if table and not texts["files"]:
            raise self._refuse("subscribed.files", "names no file of subscriptions")
        for place in texts["files"]:
            for name, area in subscriptions.read(self.path.parent / place):
                yield Wanted(
                    name=name,
                    collections=frozenset(texts["collections"]),
                    areas=(self._area(area, f"subscribed: {name} in {place}"),),
                    max_age=self._measure(table, "max_age", "subscribed.", _SECONDS, None),
                )

    def _texts(self, table: Mapping[str, Any], name: str, keys: Iterable[str]) -> dict[str, list[str]]:
        texts: dict[str, list[str]] = {}
        for key in keys:
            texts[key] = table.get(key, [])
            if not isinstance(texts[key], list) or not all(isinstance(each, str) for each in texts[key]):
                raise self._refuse(f"{name}.{key}", "is no list of texts")
        return texts

    def _wanted(self, said: Any, name: str) -> Wanted:
        table = self._table(said, name)
        self._check(table, {"name", "collections", "areas", "max_age"}, f"{name}.")
        texts = self._texts(table, name, ("collections", "areas"))
        if not texts["collections"] and not texts["areas"]:
            raise self._refuse(name, "names neither collections nor areas: nothing would ever leave")
        return Wanted(
            name=str(table.get("name", name)),
            collections=frozenset(texts["collections"]),
            areas=tuple(self._area(text, f"{name}.areas") for text in texts["areas"]),
            max_age=self._measure(table, "max_age", f"{name}.", _SECONDS, None),
        )

    def _area(self, text: str, name: str) -> BaseGeometry:
        try:
            return parse_geometry(text, areas.load())
        except DafabError as error:
            raise self._refuse(name, str(error)) from error

    def _free(self, said: Any) -> tuple[float, bool]:
        if isinstance(said, str) and (found := _MEASURE.fullmatch(said.strip())) and found[2] == "%":
            if float(found[1]) >= 100:
                raise self._refuse("store.min_free", f"is {said!r}: nothing could stay")
            return float(found[1]) / 100, True
        return self._measure({"min_free": said}, "min_free", "store.", _BYTES, 0.0) or 0.0, False

    def _measure(
        self, table: Mapping[str, Any], key: str, prefix: str, units: Mapping[str, int], default: float | None
    ) -> float | None:
        said = table.get(key)
        if said is None:
            return default
        found = _MEASURE.fullmatch(said.strip()) if isinstance(said, str) else None
        if found is None or found[2] not in units:
            raise self._refuse(f"{prefix}{key}", f"is {said!r}: write a number and one of {', '.join(units)}")
        return float(found[1]) * units[found[2]]

    def _table(self, said: Any, name: str) -> Mapping[str, Any]:
        if not isinstance(said, dict):
            raise self._refuse(name, "is no section")
        return said

    def _check(self, table: Mapping[str, Any], known: Collection[str], prefix: str) -> None:
        if unknown := sorted(set(table) - set(known)):
            raise self._refuse(f"{prefix}{unknown[0]}", f"is unknown (known are {', '.join(sorted(known))})")

    def _refuse(self, key: str, why: str) -> PolicyError:
        return PolicyError(f"{self.path}: {key} {why}")
