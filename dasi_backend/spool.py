"""Objects archived one by one, kept as staged folders until they are published as whole products."""

import json
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, Final, Protocol

from dasi_backend.errors import KeyRefused
from dasi_backend.items import Key
from dasi_backend.keys import LEVEL_1, LEVEL_2, LEVEL_3, UNKNOWN, ProductKey, canonical, check_id
from dasi_backend.rucio_writing import DESCRIBED, item_of, name_of
from dasi_backend.staged import ITEM, METADATA, is_band

_NEEDED: Final = (*LEVEL_1, "product", "kind")
_DEFAULTS: Final = {"tile": UNKNOWN, "orbit": "0", "time": "000000", "baseline": UNKNOWN}


class Archiver(Protocol):
    """Where whole products go."""

    def archive(self, folder: Path) -> ProductKey:
        """Archive a staged scene, all or nothing."""
        ...


class Spool:
    """The products that one DASI session is archiving.

    Nothing of them is in the store before :meth:`flush`; a session that ends without it leaves nothing there.

    Args:
        archiver: Where the products go.
        documented: Whether that is a catalogue: ``collection`` and ``geometry`` are keys, too, and ``product`` need
            not be one.
    """

    def __init__(self, archiver: Archiver, documented: bool = False) -> None:
        self._archiver = archiver
        self._documented = documented
        self._folder: Path | None = None
        self._items: dict[ProductKey, dict[str, Any]] = {}

    def add(self, key: Key, data: bytes) -> None:
        """Keep one object.

        Raises:
            KeyRefused: if a key is missing or unknown, or a value cannot be kept.
        """
        described = {name: key[name] for name in DESCRIBED if name in key} if self._documented else {}
        if self._documented and "product" not in key:
            key = Key({**key, "product": name_of(key)})
        product, object_key = _split(Key({name: value for name, value in key.items() if name not in described}))
        self._refuse_another(product)
        made = item_of(product, described) if self._documented else _item(product)
        folder = self._of(product)
        item = self._items.setdefault(product, made)
        if object_key["kind"] == "band":
            band = object_key["band"].upper()
            (folder / f"{band}.tif").write_bytes(data)
            item["assets"][band] = {"href": f"./{band}.tif", "gsd": int(object_key["res"]), "roles": ["data"]}
        elif object_key["part"] == "item":
            self._replace_item(product, data)
        else:
            (folder / METADATA).mkdir(exist_ok=True)
            (folder / METADATA / object_key["part"]).write_bytes(data)

    def flush(self) -> None:
        """Publish every product and forget it; one that is refused stays, with those after it."""
        for product, item in list(self._items.items()):
            folder = self._of(product)
            (folder / ITEM).write_text(json.dumps(item, indent=1), encoding="utf-8")
            self._archiver.archive(folder)
            del self._items[product]
            shutil.rmtree(folder)

    def _refuse_another(self, product: ProductKey) -> None:
        """Refuse a second key for one product: both would be written to one folder, over each other."""
        other = next((one for one in self._items if one.product == product.product and one != product), None)
        if other is not None:
            raise KeyRefused(f"{product}: objects of this product were archived under another key, {other}")

    def _replace_item(self, product: ProductKey, data: bytes) -> None:
        """Take the caller's item, with the assets that were archived so far."""
        try:
            item = json.loads(data)
            stated = ProductKey.from_item(item)
        except (ValueError, AttributeError) as error:
            raise KeyRefused(f"{product.id}: part=item is no STAC item ({error})") from error
        if stated.index != product.index:
            raise KeyRefused(f"{product.id}: part=item describes {stated}, not {product}")
        assets = self._items[product]["assets"]
        self._items[product] = item
        item["assets"] = {**(item.get("assets") or {}), **assets}

    def _of(self, product: ProductKey) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="dasi-spool-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        folder = self._folder / product.product
        folder.mkdir(exist_ok=True)
        return folder


def _split(key: Key) -> tuple[ProductKey, dict[str, str]]:
    unknown = [name for name in key if name not in {*LEVEL_1, *LEVEL_2, *LEVEL_3}]
    wanted = [*_NEEDED, *(("band", "res") if key.get("kind") == "band" else ("part",))]
    missing = [name for name in wanted if name not in key]
    if unknown or missing:
        raise KeyRefused(f"{key}: {'unknown' if unknown else 'missing'} key {(unknown or missing)[0]}")
    if key["kind"] not in {"band", "part"}:
        raise KeyRefused(f"kind={key['kind']}: band or part")
    if key["kind"] == "band" and not is_band(key["band"]):
        raise KeyRefused(f"band={key['band']}: no band of a scene is called so: archive it as kind=part")
    check_id(key["product"])
    values = {name: canonical(name, value) for name, value in (_DEFAULTS | dict(key)).items() if name != "product"}
    product = {name: values[name] for name in (*LEVEL_1, *LEVEL_2[1:])}
    made = ProductKey(id=key["product"], **(product | {"orbit": int(product["orbit"])}))  # type: ignore[arg-type]
    return made, {name: values[name] for name in LEVEL_3 if name in values}


def _item(product: ProductKey) -> dict[str, Any]:
    """Return an item that says of a product no more than its key does."""
    day, time = product.date, product.time
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": product.id,
        "geometry": None,
        "properties": {
            "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z",
            "platform": product.mission,
            "processing:level": product.level,
            "grid:code": product.tile,
            "sat:relative_orbit": product.orbit,
            "s2:processing_baseline": product.baseline,
        },
        "links": [],
        "assets": {},
    }
