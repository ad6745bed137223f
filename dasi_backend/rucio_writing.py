"""Writing to the catalogue: products archived as upload and document in one idempotent act, and wiped by lifetimes.

A product is named by its id, a file by ``<id>.<file name>``: names that two products or two files would share are
refused, never written over. A product whose key says no id is named by its whole key.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from blake3 import blake3
from rucio.common.exception import RucioException

from dasi_backend import accounts, originals, staged
from dasi_backend.config import Catalogue
from dasi_backend.errors import ConfigError, ContentDiffers, KeyRefused, StoreError
from dasi_backend.keys import LEVEL_1, LEVEL_2, UNKNOWN, ProductKey
from dasi_backend.manifest import StoredFile
from dasi_backend.store import Archived
from dasi_backend.writer import STORED, UNCHANGED
from rucio_dafab import vocabulary
from rucio_dafab.client import Conflict, DafabClient, Found, NotPermitted, PublishRequest
from rucio_dafab.eo.bands import BACKSCATTER_BANDS, REFLECTANCE_BANDS
from rucio_dafab.errors import first_line
from rucio_dafab.query.geometry import parse_geometry
from rucio_dafab.storage import OtherBytes

DESCRIBED: Final = ("collection", "geometry")
"""Keys that a product of the catalogue may have beside those of the store: a document says them."""


class CatalogueWriter:
    """Writes to one catalogue as one account; the connection is made when it is first needed."""

    def __init__(self, settings: Catalogue) -> None:
        self._settings = settings

    def archive(self, folder: Path) -> ProductKey:
        """Archive a staged scene and return its key; again is harmless."""
        return self.put(folder).key

    def put(self, folder: Path) -> Archived:
        """Upload the files of a staged scene and publish its item with them, which comes last.

        What a killed one left on the RSE is used or replaced by the next.

        Raises:
            StagedError: if the folder is no staged scene.
            KeyRefused: if no collection can be told, or a file's name can be none of a DID.
            ConfigError: if ``dasi.yml`` names no RSE.
            ContentDiffers: if another content is registered under its id.
            ClientError: if the catalogue does not answer, or refuses.
        """
        scene = staged.read(folder)
        if self._settings.rse is None:
            raise ConfigError("rucio.rse in dasi.yml names no RSE: where are the files to be uploaded?")
        found = [StoredFile(file.path, file.source.stat().st_size, "", {}, file.asset) for file in scene.files]
        files, left_out = originals.files_of(scene.key.id, found)
        if unfit := [path for path in left_out if (folder / path).stat().st_size]:
            raise KeyRefused(f"{scene.key.id}: {unfit[0]} makes no name of a DID, or one that another file has")
        described = {"geometry": None, "links": [], **scene.item, "collection": _collection(scene.item)}
        document = originals.with_assets(described, scene.item, files)
        try:
            uploaded = {
                asset: self._client.upload(
                    folder / file.stored.path, self._settings.rse, file.name, scope=self._settings.scope
                )
                for asset, file in files.items()
            }
            report = self._client.publish(PublishRequest(self._settings.scope, document, uploaded))
        except (Conflict, OtherBytes) as error:
            raise ContentDiffers(
                f"the catalogue has another content under '{scene.key.id}' already: {error}"
            ) from error
        return Archived(scene.key, UNCHANGED if report.outcome == "unchanged" else STORED)

    def expire(self, found: Found) -> None:
        """Let an item and its files go: their lifetimes end now, and Rucio's daemons delete what no other rule keeps.

        Raises:
            NotPermitted: if the account may not delete in its collection.
            StoreError: if Rucio refuses for another reason.
        """
        scope, dataset = found.scope, f"{found.name}_assets"
        try:
            if not list(self._client.list_did_rules(scope, dataset)):  # spread over RSEs: each file has its own
                self._expire_rules(scope, [asset.name for asset in found.assets.values()])
            for name in (dataset, found.name):
                self._client.set_metadata(scope, name, "lifetime", 0)
        except RucioException as error:
            text = f"{scope}:{found.name} is not wiped: {first_line(error)}"
            raise (NotPermitted if "AccessDenied" in type(error).__name__ else StoreError)(text) from error

    def _expire_rules(self, scope: str, names: Iterable[str]) -> None:
        for name in names:
            for rule in self._client.list_did_rules(scope, name):
                if rule["account"] == self._client.account:
                    self._client.update_replication_rule(rule["id"], {"lifetime": 0})

    @cached_property
    def _client(self) -> DafabClient:
        return accounts.writer(self._settings)


def item_of(key: ProductKey, described: Mapping[str, str]) -> dict[str, Any]:
    """Return an item that says in the catalogue's words what the key of a product says.

    Args:
        key: The key.
        described: Its values for :data:`DESCRIBED`.

    Raises:
        QueryError: if the geometry is none.
    """
    properties: dict[str, Any] = {
        "datetime": f"{key.date[:4]}-{key.date[4:6]}-{key.date[6:]}T{key.time[:2]}:{key.time[2:4]}:{key.time[4:]}Z"
    }
    sentinel = len(key.mission) in {2, 3} and key.mission[0] == "s" and key.mission[1].isdigit()
    name = f"sentinel-{key.mission[1:]}" if sentinel else key.mission
    properties["constellation" if sentinel and len(key.mission) == 2 else "platform"] = name
    said: tuple[tuple[str, str, Callable[[str], Any]], ...] = (
        ("processing:level", key.level, str.upper),
        ("grid:code", key.tile, lambda tile: f"MGRS-{tile.upper()}"),
        ("s2:processing_baseline", key.baseline, str),
    )
    properties |= {member: made(value) for member, value, made in said if value != UNKNOWN}
    properties |= {"sat:relative_orbit": key.orbit} if key.orbit else {}
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": key.id,
        "geometry": None,
        "properties": properties,
    }
    if "geometry" in described:
        shape = parse_geometry(described["geometry"].replace("/", "_"), vocabulary.load(), "geometry")
        item |= {"geometry": shape.__geo_interface__, "bbox": list(shape.bounds)}
    collection = {"collection": described["collection"]} if "collection" in described else {}
    return item | collection | {"links": [], "assets": {}}


def name_of(key: Mapping[str, str]) -> str:
    """Return a name for a product whose key says no id: no two keys share one, whatever their values are made of."""
    whole = "".join(f"{name}={key[name]}\0" for name in (*LEVEL_1, *LEVEL_2, *DESCRIBED) if name in key)
    readable = "_".join(key[name] for name in (*LEVEL_1, "tile") if key.get(name, UNKNOWN) != UNKNOWN)
    return f"{readable}_{blake3(whole.encode()).hexdigest()[:32]}"


def _collection(item: Mapping[str, Any]) -> str:
    """Return the collection that an item names, or that its bands are of.

    Raises:
        KeyRefused: if neither says one.
    """
    named = item.get("collection")
    if isinstance(named, str) and named:
        return named
    bands = {key.upper() for key in item.get("assets", {})}
    if not bands & {*REFLECTANCE_BANDS, *BACKSCATTER_BANDS}:
        raise KeyRefused(f"{item.get('id')}: no collection is named, and none can be told by bands")
    return originals.collection_of(item["assets"])
