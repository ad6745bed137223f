"""``rucio-dafab catalogue export``: items and collections for other catalogues, as JSON-LD of DCAT or PROV-O."""

import json
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer

from rucio_dafab.cli.server import use_server_configuration
from rucio_dafab.errors import DafabError
from rucio_dafab.site import record
from rucio_dafab.site.home import SCOPE, Home

if TYPE_CHECKING:
    from rucio_dafab.catalogue.export import Export, Exported
    from rucio_dafab.query.model import Expression

_STANDARD_OUTPUT: Final = "-"


class Terms(StrEnum):
    """In whose terms."""

    dcat = "dcat"
    prov = "prov"


def export(
    file: Annotated[
        str, typer.Argument(help="Where to, - for standard output: .ndjson is an object a line; .gz is packed.")
    ],
    terms: Annotated[Terms, typer.Option("--as", help="DCAT 3 / GeoDCAT-AP, or PROV-O.")],
    filter_: Annotated[str, typer.Option("--filter", help="Which items, as `rucio did list --filter` takes it.")] = "",
    cql2: Annotated[str, typer.Option(help="Which items, in CQL2 text.")] = "",
    collection: Annotated[list[str] | None, typer.Option(help="Only items of this collection; several may be.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="An object a line, each with its context.")] = False,
    root: Annotated[
        str | None,
        typer.Option(envvar="DAFAB_ROOT_URL", help="What IRIs begin with; by default the address of the site."),
    ] = None,
    scope: Annotated[str, typer.Option(help="Scope of the items.")] = SCOPE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Write items, all versions, and their collections as JSON-LD; the report of - goes to standard error."""
    check_one(filter_, cql2)
    address = _root(root)
    use_server_configuration()
    from rucio.common.types import InternalScope  # noqa: PLC0415 - reads the server's configuration

    from rucio_dafab.catalogue import export as exporting  # noqa: PLC0415
    from rucio_dafab.catalogue.search import Search  # noqa: PLC0415

    asked = question(filter_, cql2, collection)
    wanted = exporting.Export(
        exporting.TERMS[terms.value],
        Search(InternalScope(scope), asked, did_type="all", all_versions=True),
        address,
        collections=frozenset(collection or ()) if filter_ or cql2 or collection else None,
        lines=lines or exporting.is_lines(Path(file)),
    )
    written = _write(file, wanted)
    told = {"items": written.items, "collections": written.collections}
    text = f"{written.items} items, {written.collections} collections in {file}"
    typer.echo(json.dumps(told) if as_json else text, err=file == _STANDARD_OUTPUT)


def check_one(rucio: str, cql2: str) -> None:
    """Check that a question is asked in one language.

    Raises:
        DafabError: if it is in two.
    """
    if rucio and cql2:
        raise DafabError("--filter and --cql2: only one of them can be the question")


def question(rucio: str, cql2: str, collections: Sequence[str] | None = None) -> "Expression":
    """Return a question in one of two languages, with the areas that users named, in some collections."""
    from rucio_dafab import vocabulary  # noqa: PLC0415
    from rucio_dafab.catalogue import areas, sessions  # noqa: PLC0415
    from rucio_dafab.query import languages  # noqa: PLC0415
    from rucio_dafab.query.model import EVERYTHING  # noqa: PLC0415

    areas.install(sessions.engine)
    known = vocabulary.load()
    asked: Expression = EVERYTHING
    if cql2 or rucio:
        asked = languages.read(cql2 or rucio, "cql2-text" if cql2 else "rucio", known)
    return languages.in_collections(asked, collections, known) if collections else asked


def _write(file: str, wanted: "Export") -> "Exported":
    from rucio_dafab.catalogue import export as exporting  # noqa: PLC0415
    from rucio_dafab.catalogue import sessions  # noqa: PLC0415

    with sessions.reading() as session:
        if file != _STANDARD_OUTPUT:
            return exporting.export_file(Path(file), wanted, session=session)
        try:
            written = exporting.export(sys.stdout.buffer, wanted, session=session)
            sys.stdout.flush()
        except BrokenPipeError as error:
            # Python would try once more to flush when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise DafabError("standard output was closed before everything was written") from error
        return written


def _root(given: str | None) -> str:
    """Return the address with which IRIs begin.

    Raises:
        DafabError: if it is none, or there is none.
    """
    site = record.load(Home.from_environment()) if given is None else None
    address = (given or (site.url if site else "")).rstrip("/")
    if not address:
        raise DafabError("IRIs begin with the address of the site: set DAFAB_ROOT_URL, or give --root")
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment or " " in address:
        raise DafabError(f"--root {address[:100]!r} is no address that IRIs can begin with: write https://host/path")
    return address
