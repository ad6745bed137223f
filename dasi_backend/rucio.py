"""The catalogue behind DASI: requests become one search, answers become verified files.

Documents, checksums and replicas of all answers come with the search; there is no call for each of them.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Final

from rucio.common.exception import RucioException

from dasi_backend import accounts, documents, plans, targets
from dasi_backend.config import Catalogue
from dasi_backend.errors import KeyRefused, StoreError, tell_removed
from dasi_backend.expressions import ASSET, COLLECTION, STORE_ONLY, expression
from dasi_backend.fetching import Wanted, fetch
from dasi_backend.fields import FIELD_KEYS
from dasi_backend.items import Item, Key, Retrieved
from dasi_backend.language import Request
from dasi_backend.nearness import Nearness
from dasi_backend.plans import Plan, Planned, Progress, Way
from dasi_backend.rucio_writing import CatalogueWriter
from rucio_dafab import vocabulary
from rucio_dafab.client import Asset, DafabClient, Found
from rucio_dafab.errors import DafabError
from rucio_dafab.query import cql2
from rucio_dafab.query.model import EVERYTHING
from rucio_dafab.stac.asset_names import every_asset

_FEATURE: Final = "Feature"


class RucioBackend:
    """The catalogue of one site, as one account sees it. The connection is made when it is first needed."""

    def __init__(self, settings: Catalogue) -> None:
        self._settings = settings
        self._nearness = Nearness(lambda: self._client, settings.rse, settings.protocol)
        self.writer = CatalogueWriter(settings)

    def knows(self, key: str) -> bool:
        """Say whether a request for the catalogue may name a key: any of the language but those of files in a store."""
        return key not in STORE_ONLY and key not in FIELD_KEYS

    def list(self, request: Request) -> Iterator[Item]:
        """Yield an item for each file that a request means; assets as for :meth:`retrieve`, all of them without one.

        Raises:
            DafabError: if the request is not understood or the catalogue cannot be reached.
        """
        wanted = request.keys.get(ASSET, ())
        for found in self._search(request):
            assets = documents.assets_of(found, wanted) if wanted else found.assets
            for key, asset in assets.items():
                yield self._item(found, key, asset)

    def read(self, request: Request) -> Iterator[Item]:
        """Yield the files that :meth:`retrieve` would write; one is fetched and verified when its bytes are read.

        Raises:
            DafabError: if the request is not understood or the catalogue cannot be reached.
        """
        for item, wanted in self._files(request):
            yield replace(item, verified=partial(self._fetched, wanted))

    def _fetched(self, wanted: Wanted) -> bytes:
        with tempfile.TemporaryDirectory(prefix="dasi-retrieve-") as scratch:
            path = Path(scratch) / "file"
            fetch(wanted, path, self._rse)
            return path.read_bytes()

    def retrieve(self, request: Request, progress: Progress | None = None) -> tuple[Retrieved, ...]:
        """Write the files that a request means to its target, each whole and verified.

        What is there already with the right checksum is kept, so that an interrupted retrieve goes on where it ended.

        Raises:
            RequestError: if there is no target, or not as many files as expected.
            TargetError: if two files would be one, or one cannot be written.
            ChecksumError: if every replica of a file is damaged.
            StoreError: if no replica of a file can be read.
        """
        return self.plan(request).carry_out(progress)

    def wipe(self, request: Request, doit: bool = False, everything: bool = False) -> Sequence[Key]:
        """Let whole items go and return their keys; without `doit` nothing is changed.

        The lifetimes of item, dataset and rules end, by the rights of the account that writes; Rucio's daemons then
        delete. What others keep by rules of their own stays on their RSEs.

        Raises:
            KeyRefused: if the request names no key and not `everything`, or assets of items.
            NotPermitted: if the account may not delete one of them; those before it are gone then.
        """
        if not request.keys and not everything:
            raise KeyRefused("a wipe names at least one key")
        if ASSET in request.keys:
            raise KeyRefused(f"{ASSET}: whole items are wiped")
        found = [(Key(documents.key_of(one.document or {})), one) for one in self._search(request)]
        removed = list[str]()
        for key, one in found if doit else ():
            try:
                self.writer.expire(one)
            except DafabError as refusal:
                tell_removed(refusal, removed)
                raise
            removed.append(key["id"])
        return [key for key, _ in found]

    def plan(self, request: Request) -> Plan:
        """Return what :meth:`retrieve` is going to write."""
        template = plans.template_of(request)
        planned = []
        for item, wanted in self._files(request):
            path = targets.fill(template, _values(item), f"{item.name}")
            write = partial(self._write, item, wanted, path)
            planned.append(Planned(path, item.name, write, way=Way.THREAD, content=item.name))
        return Plan(request, planned, "files", "the catalogue")

    def _write(self, item: Item, wanted: Wanted, path: Path) -> Retrieved:
        return Retrieved.of(path, item, kept=fetch(wanted, path, self._rse))

    def _files(self, request: Request) -> Iterator[tuple[Item, Wanted]]:
        for found in self._search(request):
            described = every_asset(found.document or {})
            for key, asset in documents.assets_of(found, request.keys.get(ASSET, ())).items():
                item = self._item(found, key, asset)
                sums = documents.checksums_of(asset, described.get(key) or {})
                yield item, Wanted(item.name, asset.bytes, sums, self._nearness.ordered(asset.replicas))

    def _search(self, request: Request) -> Iterator[Found]:
        asked = expression(request, vocabulary.load())
        rows = self._client.search(
            self._settings.scope,
            None if asked == EVERYTHING else cql2.to_json(asked),
            collections=request.keys.get(COLLECTION, ()),
        )
        for found in rows:
            if found.document and found.document.get("type") == _FEATURE:
                yield found

    def _item(self, found: Found, asset_key: str, asset: Asset) -> Item:
        document = found.document or {}
        replicas = self._nearness.ordered(asset.replicas)
        return Item(
            key=Key(documents.key_of(document) | {ASSET: asset_key}),
            name=f"{asset.scope}:{asset.name}",
            uri=replicas[0].pfn if replicas else "",
            length=asset.bytes,
            timestamp=documents.timestamp_of(document),
        )

    @cached_property
    def _client(self) -> DafabClient:
        return accounts.reader(self._settings)

    @cached_property
    def _rse(self) -> Callable[[str], Mapping[str, Any]]:
        @cache
        def settings(rse: str) -> Mapping[str, Any]:
            try:
                found: Mapping[str, Any] = self._client.get_rse(rse)
            except RucioException as error:
                raise StoreError(f"the catalogue does not say how to reach RSE {rse}: {error}") from error
            return found

        return settings


def _values(item: Item) -> dict[str, str]:
    return dict(item.key) | {"name": item.name.rsplit(":", 1)[-1].removeprefix(f"{item.key['id']}.")}
