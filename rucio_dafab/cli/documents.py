"""``rucio-dafab catalogue validate`` and ``schema``: documents judged by the profiles of their collections."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer
from rich.console import Console
from rich.table import Table

from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import application

if TYPE_CHECKING:
    from rucio_dafab.catalogue.lines import Line
    from rucio_dafab.stac.schemas import Schema, Violation

schema = application()
"""``rucio-dafab catalogue schema``."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Collections = Annotated[
    list[str] | None,
    typer.Option("--collection", metavar="THEIRS=OURS", help="What a collection of the file is called here."),
]
_WHOLE: Final = frozenset({".json", ".geojson"})
"""Endings of files that hold one document, or one FeatureCollection, over many lines."""


def validate(
    file: Annotated[
        str,
        typer.Argument(help="STAC items, one a line (also packed by gzip), or - ; or one document (.json)."),
    ],
    collection: Collections = None,
    name: Annotated[
        str | None, typer.Option("--schema", help="Hold every item to this schema: COLLECTION or COLLECTION/VERSION.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with documents: line, id, JSON pointer, reason. Exit status 1 if anything is.

    With --json a violation is a JSON object a line, and the last line counts the documents.
    """
    from rucio_dafab.stac import report, schemas  # noqa: PLC0415 - loads the validator

    wanted = None if name is None else schemas.load().named(name)
    names = pairs(collection or ())
    read = invalid = 0
    for number, document in _documents(file):
        read += 1
        _rename(document, names)
        found = _unreadable(document) or report.violations(document, wanted)
        invalid += bool(found)
        for violation in found:
            _tell(number, document, violation, as_json=as_json)
    if as_json:
        typer.echo(json.dumps({"documents": read, "invalid": invalid}))
    else:
        typer.echo(f"{read - invalid} of {read} documents are valid", err=bool(invalid))
    if invalid:
        raise DafabError(f"{invalid} of {read} documents are not valid")


@schema.command("list")
def list_schemas(as_json: Json = False) -> None:
    """List the schemas of the collections, all versions; the last one of a collection counts."""
    from rucio_dafab.stac.schemas import load  # noqa: PLC0415

    rows = [_row(each) for each in load()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    columns = ("collection", "version", "title")
    table = Table(*columns)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    Console().print(table)


@schema.command()
def show(name: Annotated[str, typer.Argument(help="COLLECTION, or COLLECTION/VERSION.")]) -> None:
    """Print a schema as it is: JSON Schema 2020-12."""
    from rucio_dafab.stac.schemas import load  # noqa: PLC0415

    typer.echo(json.dumps(load().named(name).content, indent=2, ensure_ascii=False))


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return what ``--collection THEIRS=OURS`` says, several times maybe.

    Raises:
        DafabError: if one is no such pair.
    """
    return dict(_pair(text) for text in texts)


def _pair(text: str) -> tuple[str, str]:
    theirs, equals, ours = text.partition("=")
    if not (theirs and equals and ours):
        raise DafabError(f"--collection {text!r}: write THEIRS=OURS")
    return theirs, ours


def _row(each: "Schema") -> dict[str, str]:
    title = str(each.content.get("title", ""))
    return {"collection": each.collection, "version": each.version, "title": title, "uri": each.uri}


def _documents(file: str) -> Iterator[tuple[int, Any]]:
    """Yield the documents of a file with the numbers of their lines; an error in place of one that is no JSON."""
    from rucio_dafab.catalogue.lines import FileUnreadable, lines_of, read_lines  # noqa: PLC0415

    path = Path(file)
    if path.suffix in _WHOLE:
        try:
            whole = _parsed(path.read_bytes())
        except OSError as error:
            raise FileUnreadable(f"{path} cannot be read: {error}") from error
        yield from enumerate(_members(whole), 1)
        return
    for line in lines_of(sys.stdin.buffer) if file == "-" else read_lines(path):
        yield line.number, _line(line)


def _members(whole: Any) -> list[Any]:
    """Return the items of a FeatureCollection, or the one document."""
    several = whole.get("features") if isinstance(whole, dict) and whole.get("type") == "FeatureCollection" else None
    return several if isinstance(several, list) else [whole]


def _line(line: "Line") -> Any:
    return _parsed(line.text) if line.whole else DafabError("the line is too long to be read")


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return DafabError(f"no JSON: {error}")


def _unreadable(document: Any) -> "tuple[Violation, ...]":
    from rucio_dafab.stac.schemas import Violation  # noqa: PLC0415

    return (Violation("", str(document)),) if isinstance(document, DafabError) else ()


def _rename(document: Any, names: dict[str, str]) -> None:
    collection = document.get("collection") if isinstance(document, dict) else None
    if isinstance(collection, str) and collection in names:
        document["collection"] = names[collection]


def _tell(number: int, document: Any, violation: "Violation", *, as_json: bool) -> None:
    item = document.get("id") if isinstance(document, dict) else None
    if as_json:
        typer.echo(json.dumps({"line": number, "id": item} | asdict(violation)))
    else:
        typer.echo(f"{number}\t{item}\t{violation.pointer or '-'}\t{violation.message}")
