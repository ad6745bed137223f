"""collect: what the pods of all batches made, as one folder with one table."""

import json
import shutil
from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Annotated, Any

from hera.workflows import Input, Output, Parameter

from argo_templates import walks
from argo_templates.batches import BatchFolder, every
from argo_templates.work import WorkError, fingerprint, finished, read_json, whole
from rucio_dafab.files import write_file

TABLE = "results.ndjson"


class CollectInput(Input):
    """Whose results go where."""

    work: Annotated[str, Parameter(description="The folder of the workflow")]
    results: Annotated[str, Parameter(description="The folder that gets them: it appears whole")]


class CollectOutput(Output):
    """What there is."""

    items: Annotated[int, Parameter(description="Items with results")]
    files: Annotated[int, Parameter(description="Files of results")]
    bytes: Annotated[int, Parameter(description="Their bytes")]


def collect(given: CollectInput) -> CollectOutput:
    """Merge the results: ``ITEM/…`` as the containers wrote it, and a line an item in ``results.ndjson``.

    A line has the item, its batch and site, its files with bytes and SHA-256, and what ``result.json`` says, if it is
    there. An item of which a container wrote nothing has a line without files. Where batches failed, what the others
    made is merged all the same: items of a failed batch have no files and ``failed``, with the reason if it is known.

    Raises:
        WorkError: if the folder cannot be made; or, once all is merged, if batches failed: their container did, or left
            something that is no file, or a ``result.json`` that is none.
    """
    folders = [BatchFolder(path) for path in sorted(every(given.work).glob("[0-9]*"))]
    failed: dict[str, str] = {}
    lines = [line for folder in folders for line in _lines_or_failure(folder, failed)]
    results = Path(given.results)
    made_from = fingerprint("collect", lines)
    if not finished(results, made_from):
        with whole(results, made_from) as new:
            for item, batch in ((line["item"], line["batch"]) for line in lines if line["files"]):
                shutil.copytree(BatchFolder.of(given.work, batch).made / item, new / item)
            write_file(new / TABLE, "".join(f"{json.dumps(line, sort_keys=True)}\n" for line in lines))
    if failed:
        why = next(filter(None, failed.values()), "")
        raise WorkError(
            f"{len(failed)} of {len(folders)} batches failed: {walks.told(failed)}{f' ({why})' if why else ''}; "
            f"what the others made is in {results}"
        )
    files = [file for line in lines for file in line["files"]]
    with_files = sum(bool(line["files"]) for line in lines)
    return CollectOutput(items=with_files, files=len(files), bytes=sum(file["bytes"] for file in files))


def _lines_or_failure(folder: BatchFolder, failed: dict[str, str]) -> list[dict[str, Any]]:
    """Return the lines of a batch; of one that failed, which is noted with the reason, what says so of each item."""
    try:
        if folder.is_done:
            return list(_lines(folder))
        reason = ""
    except WorkError as refusal:
        reason = str(refusal)
    failed[folder.root.name] = reason
    batch = folder.read()
    place = {"batch": batch.batch, "site": batch.site, "rse": batch.rse}
    return [{"item": item, **place, "files": [], "failed": reason or "see its batch"} for item in batch.items]


def _lines(folder: BatchFolder) -> Iterator[dict[str, Any]]:
    batch = folder.read()
    for item in batch.items:
        files = [_file(path, folder.made / item) for path in sorted((folder.made / item).rglob("*"))]
        line: dict[str, Any] = {"item": item, "batch": batch.batch, "site": batch.site, "rse": batch.rse}
        line["files"] = [file for file in files if file]
        said = folder.made / item / "result.json"
        yield line | ({"result": read_json(said)} if said.is_file() else {})


def _file(path: Path, root: Path) -> dict[str, Any] | None:
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        raise WorkError(f"{path} is neither a file nor a folder: only these are results")
    if path.is_dir():
        return None
    with path.open("rb") as stream:
        checksum = file_digest(stream, "sha256").hexdigest()
    return {"path": str(path.relative_to(root)), "bytes": path.stat().st_size, "sha256": checksum}
