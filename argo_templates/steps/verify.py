"""verify: the documents of the catalogue against the replicas that Rucio knows, and those against their bytes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from hera.workflows import Input, Output, Parameter

from argo_templates.work import listed, write_json
from rucio_dafab.client import Asset, DafabClient, Found
from rucio_dafab.errors import DafabError
from rucio_dafab.pfn import local_file
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE
from rucio_dafab.stac.asset_names import every_asset
from rucio_dafab.storage import checksums

MOST_NAMED: Final = 10


class Damaged(DafabError):
    """Documents and bytes do not agree; the text counts what is wrong and names the report."""


class VerifyInput(Input):
    """What is looked at, and how closely."""

    report: Annotated[str, Parameter(description="The file that gets the report (JSON)")]
    collections: Annotated[str, Parameter(description="Collections, comma separated; empty for all")] = ""
    filter: Annotated[str, Parameter(description="Only items that satisfy this (CQL2 text); empty for all")] = ""
    depth: Annotated[Literal["sizes", "checksums"], Parameter(description="Compare sizes, or read every byte, too")] = (
        "sizes"
    )


class VerifyOutput(Output):
    """What was looked at."""

    items: Annotated[int, Parameter(description="Items")]
    files: Annotated[int, Parameter(description="Files")]
    replicas: Annotated[int, Parameter(description="Replicas whose bytes were looked at")]
    elsewhere: Annotated[int, Parameter(description="Replicas that no mounted storage shows; not looked at")]


def verify(given: VerifyInput) -> VerifyOutput:
    """Compare every asset of every document with its replicas; nothing is changed.

    An asset is lost when Rucio knows no replica of its file; a replica is damaged when its file has other bytes than
    the document says, and missing when its RSE is mounted here and has no such file.

    Raises:
        Damaged: if anything does not agree, once the report is written.
        ClientError: if the catalogue does not answer.
    """
    counts = {"items": 0, "files": 0, "replicas": 0, "elsewhere": 0}
    faults: list[dict[str, str]] = []
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    roots = _Roots(client)
    collections = listed(given.collections)
    for found in client.search(
        SCOPE, given.filter or None, filter_lang="cql2-text", collections=collections, versions="all"
    ):
        counts["items"] += bool(found.assets)
        for key, asset in sorted(found.assets.items()):
            counts["files"] += 1
            faults += _of_asset(found, key, asset, given.depth, roots, counts)
    write_json(Path(given.report), {**counts, "depth": given.depth, "faults": faults})
    if faults:
        names = ", ".join(f"{each['file']} ({each['fault']})" for each in faults[:MOST_NAMED])
        raise Damaged(f"{len(faults)} of {counts['files']} files do not agree with their documents: {names}")
    return VerifyOutput(**counts)


class _Roots:
    """The folders of RSEs: whether this machine sees one."""

    def __init__(self, client: DafabClient) -> None:
        self._client = client
        self._known: dict[str, bool] = {}

    def sees(self, rse: str) -> bool:
        if rse not in self._known:
            protocols = self._client.rse_settings(rse).get("protocols", [])
            self._known[rse] = any(each["scheme"] == "file" and Path(each["prefix"]).is_dir() for each in protocols)
        return self._known[rse]


def _of_asset(
    item: Found, key: str, asset: Asset, depth: str, roots: _Roots, counts: dict[str, int]
) -> Iterator[dict[str, str]]:
    said = {"item": item.name, "asset": key, "file": asset.name}
    stated = every_asset(item.document or {}).get(key, {}).get("file:size", asset.bytes)
    if stated != asset.bytes:
        yield {**said, "rse": "", "fault": f"the document says {stated} bytes, Rucio {asset.bytes}"}
    if not asset.replicas:
        yield {**said, "rse": "", "fault": "no replica"}
    for replica in asset.replicas:
        path = local_file(replica.pfn)
        if path is None and not roots.sees(replica.rse):
            counts["elsewhere"] += 1
            continue
        counts["replicas"] += 1
        fault = "its file is not there" if path is None else _fault(path, asset, depth)
        if fault:
            yield {**said, "rse": replica.rse, "fault": fault}


def _fault(path: Path, asset: Asset, depth: str) -> str:
    """Return what is wrong with the bytes of a replica; nothing where they are as registered."""
    if path.stat().st_size != asset.bytes:
        return f"it has {path.stat().st_size} bytes in place of {asset.bytes}"
    if depth == "sizes":
        return ""
    sums = checksums(path)
    known: Mapping[str, Any] = {"adler32": (asset.adler32, sums.adler32), "md5": (asset.md5, sums.md5)}
    wrong = [name for name, (registered, here) in known.items() if registered and registered != here]
    return f"its {wrong[0]} is another" if wrong else ""
