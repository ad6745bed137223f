"""The rolling store made known to Rucio: documents, DIDs and replicas of originals, and the end of those that left.

A note beside each product says what the catalogue was told of it. Removal turns that note into one that the catalogue
is still to be told, in the same act; whoever comes next with an account that may does so, so nothing is forgotten when
the catalogue does not answer.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from dasi_backend import finding, originals, products
from dasi_backend.addresses import address_of, parse_address
from dasi_backend.copying import Extent, sums_of
from dasi_backend.errors import ChecksumError, ConfigError, KeyRefused, NotStored, StoreError
from dasi_backend.fdb import Element
from dasi_backend.keys import ProductKey
from dasi_backend.locks import SHARED
from dasi_backend.originals import OriginalFile
from dasi_backend.products import Level3, Product, level_3
from dasi_backend.records import Note
from dasi_backend.staged import ITEM
from dasi_backend.store import Query, Store
from rucio_dafab.client import Conflict, DafabClient, PlacedFile, PublishRequest, ServerUnreachable
from rucio_dafab.errors import DafabError

COLLECTIONS: Final = (originals.OPTICAL, originals.RADAR)


class Outcome(StrEnum):
    """What became of a product."""

    CREATED = "created"
    UPDATED = "updated"
    DECLARED = "declared"
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    PLANNED = "would be published"
    LEAVING = "would be withdrawn"


@dataclass(frozen=True, slots=True)
class Published:
    """What a run did with one product.

    Attributes:
        id: Its identifier.
        outcome: ``declared`` is said of replicas that are new where the document is not.
        files: How many files of it the catalogue knows in the store, or knew.
        left_out: Paths of files that the catalogue cannot keep.
        reason: Why it was refused.
    """

    id: str
    outcome: Outcome
    files: int = 0
    left_out: tuple[str, ...] = ()
    reason: str = ""

    def record(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        return asdict(self) | {"left_out": list(self.left_out)}


@dataclass(frozen=True, slots=True)
class Publisher:
    """Tells one catalogue of one store.

    Attributes:
        store: The store.
        client: An account that may publish originals.
        scope: The scope of the DIDs.
        rse: The RSE that is the store.
    """

    store: Store
    client: DafabClient
    scope: str
    rse: str

    def check(self) -> None:
        """Hold the RSE to the store.

        Raises:
            NotFound: if there is no such RSE.
            ConfigError: if it is not volatile, or of another store.
        """
        settings = self.client.rse_settings(self.rse)
        prefixes = [Path(each["prefix"]).resolve() for each in settings["protocols"] if each["scheme"] == "file"]
        if not settings.get("volatile"):
            raise ConfigError(f"RSE {self.rse} is not volatile: it cannot be a rolling store (rucio.store_rse)")
        if self.store.root.resolve() not in prefixes:
            there = ", ".join(map(str, prefixes)) or "nowhere"
            raise ConfigError(f"RSE {self.rse} is the store at {there}, not {self.store.root} (rucio.store_rse)")

    def publish(self, chosen: Sequence[Product], again: bool = False, dry_run: bool = False) -> Iterator[Published]:
        """Publish products; those that the catalogue was told of with this content are only counted.

        Args:
            chosen: The products.
            again: Tell the catalogue of all of them.
            dry_run: Read nothing and tell nothing.

        Raises:
            ServerUnreachable: if the catalogue does not answer; what is told by then stays told.
        """
        for product in chosen:
            try:
                yield self._publish(product, again, dry_run)
            except ServerUnreachable:
                raise
            except DafabError as refusal:
                yield Published(product.key.id, Outcome.REFUSED, reason=str(refusal))

    def deliver(self, dry_run: bool = False) -> Iterator[Published]:
        """Tell the catalogue of the products that left the store since it was told last."""
        records = self.store.parts.records
        for product in sorted(records.names(Note.WITHDRAW)):
            with self.store.parts.locks.product(product):  # nobody publishes it again meanwhile
                told = records.told(Note.WITHDRAW, product)
                if told is None or not self._is_ours(told):
                    continue
                if not dry_run:
                    self.client.withdraw(self.rse, [file["name"] for file in told["files"]], scope=self.scope)
                    records.drop(Note.WITHDRAW, product)
            yield Published(told["id"], Outcome.LEAVING if dry_run else Outcome.WITHDRAWN, len(told["files"]))

    def reconcile(self, dry_run: bool = False) -> Iterator[Published]:
        """Hold what Rucio thinks in the store to what is there: for records that were lost, or edited by others.

        What is there and unknown to Rucio loses its note, so that the next :meth:`publish` tells of it.
        """
        thought: dict[str, list[str]] = {}
        for name, pfn in self.client.places(self.rse, COLLECTIONS, scope=self.scope):
            thought.setdefault(self._product_at(pfn), []).append(name)
        for product, names in sorted(thought.items()):
            with self.store.parts.locks.product(product):
                if self.store.contains_product(product):
                    continue
                if not dry_run:
                    self.client.withdraw(self.rse, names, scope=self.scope)
            yield Published(product, Outcome.LEAVING if dry_run else Outcome.WITHDRAWN, len(names))
        records = self.store.parts.records
        for product, told in records.noted(Note.PUBLISHED).items():
            known = set(thought.get(product, ()))
            if self._is_ours(told) and not known.issuperset(file["name"] for file in told["files"]) and not dry_run:
                records.note(Note.PUBLISHED, product, told | {"content": ""})

    def _product_at(self, pfn: str) -> str:
        address = urlsplit(pfn).path.removeprefix(f"{self.store.root}/")
        try:
            return parse_address(address)[0].product
        except KeyRefused:
            return "unknown"

    def _publish(self, product: Product, again: bool, dry_run: bool) -> Published:
        key, parts = product.key, self.store.parts
        with parts.locks.product(key.product), parts.locks.database(key.database_name, SHARED):
            if not self.store.contains(key.id):
                raise NotStored(f"{key.id} left the store meanwhile")
            files, left_out = originals.files_of(key.id, product.manifest.files)
            told = parts.records.told(Note.PUBLISHED, key.product)
            known = told if told and self._is_ours(told) and told["content"] == product.manifest.content else None
            if known and known["archived"] == product.manifest.archived and not again:
                return Published(key.id, Outcome.UNCHANGED, len(files), left_out)
            if dry_run:
                return Published(key.id, Outcome.PLANNED, len(files), left_out)
            with parts.listed() as hidden:
                found = finding.objects_of(parts, key, hidden)
            placed = self._placed(key, files, found)
            outcome = self._tell(product, _item(key, found), files, placed)
            parts.records.note(Note.PUBLISHED, key.product, self._note(product, placed.values()))
            parts.records.drop(Note.WITHDRAW, key.product)
        return Published(key.id, outcome, len(files), left_out)

    def _placed(
        self, key: ProductKey, files: Mapping[str, OriginalFile], found: Mapping[Level3, Element]
    ) -> dict[str, PlacedFile]:
        """Read every file once, hold it to what was archived, and say what Rucio has to know of it."""
        placed = {}
        for asset, file in files.items():
            name = f"{key.id}/{file.stored.path}"
            element = found.get(level_3(file.stored.key))
            if element is None:
                raise NotStored(f"{name}: the store lost this object")
            sums = sums_of(Extent(element.path, element.offset, element.length), name)
            if sums.blake3 != file.stored.blake3:
                raise ChecksumError(f"{name}: the data file {element.path} is damaged (its checksum does not match)")
            address = address_of(key, file.stored.key)
            placed[asset] = PlacedFile(file.name, self.rse, address, file.stored.size, sums.adler32, sums.md5)
        return placed

    def _tell(
        self,
        product: Product,
        item: Mapping[str, Any],
        files: Mapping[str, OriginalFile],
        placed: Mapping[str, PlacedFile],
    ) -> Outcome:
        """Publish what the catalogue says of the scene already, or else its item, with the files."""
        keys = product.key.database | {"product": product.key.product}
        base = originals.source_document(item, ",".join(f"{name}={value}" for name, value in keys.items()))
        by_id = {"op": "=", "args": [{"property": "id"}, base["id"]]}
        there = next(self.client.search(self.scope, by_id, collections=[base["collection"]], limit=1), None)
        if there is not None and there.document is not None:
            if not originals.same_scene(there.document, base):
                raise Conflict(f"{self.scope}:{there.name} is published with another place, time or properties")
            base = there.document
        document = originals.with_assets(base, item, files)
        report = self.client.publish(PublishRequest(self.scope, document, placed, update=True))
        declared = report.replicas and report.outcome == "unchanged"
        return Outcome.DECLARED if declared else Outcome(report.outcome)

    def _note(self, product: Product, placed: Iterable[PlacedFile]) -> dict[str, Any]:
        return {
            "id": product.key.id,
            "host": self.client.host,
            "scope": self.scope,
            "rse": self.rse,
            "content": product.manifest.content,
            "archived": product.manifest.archived,
            "told": int(time.time()),
            "files": [{"name": file.name, "path": file.path} for file in placed],
        }

    def _is_ours(self, told: Mapping[str, Any]) -> bool:
        """Say whether a note is of this catalogue."""
        return (told["host"], told["scope"], told["rse"]) == (self.client.host, self.scope, self.rse)


def select(store: Store, queries: Sequence[Query], since: float | None) -> list[Product]:
    """Return the products of any of some queries, all without one, that were archived at `since` or later.

    Raises:
        KeyRefused: if a key is none of the store's.
    """
    found = {product.key.product: product for query in queries or [{}] for product in store.products(query)}
    return [product for product in found.values() if since is None or product.manifest.archived >= since]


def _item(key: ProductKey, found: Mapping[Level3, Element]) -> dict[str, Any]:
    element = found.get(level_3({"kind": "part", "part": "item"}))
    if element is None:
        raise NotStored(f"{key.id}: the store lost its item")
    try:
        item: dict[str, Any] = json.loads(products.read(element))
    except ValueError as error:
        raise StoreError(f"{key.id}: the {ITEM} in {element.path} is damaged") from error
    return item
