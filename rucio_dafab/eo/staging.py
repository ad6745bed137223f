"""Staging: any scene becomes a STAC folder (``item.json`` and a file a band), the form in which the store keeps it."""

import os
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson

from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.readers.stac_folder import ITEM_NAME

# Where the metadata files of a SAFE go, beside the bands.
METADATA_FOLDER = "safe"


def stage(scene: Scene, folder: Path | str) -> Path:
    """Write the scene as a STAC folder, its files untouched, and return that folder.

    Files are hard-linked where the file system allows it, else copied. The folder appears whole or not at all; staging
    the same scene again leaves it as it is.

    Args:
        scene: From :func:`rucio_dafab.eo.scene.open_scene`.
        folder: Where to write; it must not exist, be empty, or hold this very scene.

    Raises:
        SceneError: if the folder holds anything else, or cannot be written.
    """
    target = Path(folder)
    files = _files(scene)
    document = orjson.dumps(_item(scene, files), option=orjson.OPT_INDENT_2)
    if _is_staged(target, document, files):
        return target
    if target.is_dir() and any(target.iterdir()):
        raise SceneError(f"{target}: holds something else than scene {scene.id}: not overwritten")
    try:
        _write(target, document, files)
    except OSError as error:
        raise SceneError(f"scene {scene.id} cannot be staged in {target}: {error.strerror}") from error
    return target


def _files(scene: Scene) -> dict[str, tuple[str, Path]]:
    """Return by asset key the name in the staged folder and the source of every file."""
    bands = {band.asset: (f"{band.name}{band.path.suffix}", band.path) for band in scene.bands.values()}
    taken = {ITEM_NAME, *(name for name, _ in bands.values())}
    others: dict[str, tuple[str, Path]] = {}
    for number, (key, path) in enumerate(sorted(scene.metadata.items())):
        name = f"{METADATA_FOLDER}/{path.name}" if path.suffix in (".xml", ".safe") else path.name
        others[key] = (name if name not in taken else f"{number}_{path.name}", path)
        taken.add(others[key][0])
    return bands | others


def _item(scene: Scene, files: dict[str, tuple[str, Path]]) -> dict[str, Any]:
    """Return the item with the staged files' hrefs; assets whose files are not staged are left out."""
    item = deepcopy(scene.item)
    item["assets"] = {
        key: {**asset, "href": f"./{files[key][0]}"} for key, asset in item["assets"].items() if key in files
    }
    return item


def _is_staged(target: Path, document: bytes, files: dict[str, tuple[str, Path]]) -> bool:
    item = target / ITEM_NAME
    if not item.is_file() or item.read_bytes() != document:
        return False
    return all(
        (target / name).is_file() and (target / name).stat().st_size == source.stat().st_size
        for name, source in files.values()
    )


def _write(target: Path, document: bytes, files: dict[str, tuple[str, Path]]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that the last step is one rename within a file system.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as temporary:
        whole = Path(temporary) / "staged"
        for name, source in files.values():
            path = whole / name
            path.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source, path)
        (whole / ITEM_NAME).write_bytes(document)
        whole.replace(target)


def link_or_copy(source: Path, path: Path) -> None:
    """Give a file another name, or a copy where the file system has no hard links.

    Raises:
        OSError: if neither can be done.
    """
    try:
        os.link(source.resolve(), path)
    except OSError:
        # Another file system, or one without hard links: the copy says what else is wrong.
        shutil.copyfile(source, path)
