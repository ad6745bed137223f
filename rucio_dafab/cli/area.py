"""``rucio-dafab area``: areas of interest that every query may name as ``@name``.

They are written into the database, as the tables of ``rucio-dafab db`` are: a name means the same to every user of a
catalogue, so to give it is the operator's, who has the server's configuration.
"""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import orjson
import shapely
import typer
from rich.console import Console
from rich.table import Table

from rucio_dafab.cli.server import use_server_configuration
from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import application

app = application()

# Neither GeoJSON nor WKT nor a box looks so: a folder, or a name that ends in letters after a dot.
_PATH: Final = re.compile(r"[^{(]*(/[^{(]*|\.[A-Za-z]\w*)")

Name = Annotated[str, typer.Argument(help="What queries call it, without @.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def add(
    name: Name,
    geometry: Annotated[str, typer.Argument(help="GeoJSON, WKT, a box W_S_E_N, a file of one of these, or - .")],
) -> None:
    """Name a polygon (EPSG:4326, longitude before latitude)."""
    outline = given_geometry(geometry)
    use_server_configuration()
    from rucio_dafab.catalogue import areas, sessions  # noqa: PLC0415 - reads the server's configuration

    with sessions.writing() as session:
        made = areas.add(name, outline, session=session)
    typer.echo(f"@{made.key}")


@app.command("list")
def list_areas(as_json: Json = False) -> None:
    """List the areas that were added; country outlines are there besides."""
    use_server_configuration()
    from rucio_dafab.catalogue import areas, sessions  # noqa: PLC0415

    with sessions.reading() as session:
        found = areas.list_all(session=session)
    rows = [
        {"name": each.key, "title": each.name, "bbox": [round(edge, 4) for edge in each.geometry.bounds]}
        for each in found
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("name", "title", "west south east north")
    for row in rows:
        table.add_row(f"@{row['name']}", str(row["title"]), " ".join(map(str, row["bbox"])))
    Console().print(table if rows else "no areas were added")


@app.command()
def show(name: Name) -> None:
    """Print an area as a GeoJSON feature, a shipped one too."""
    use_server_configuration()
    from rucio_dafab.catalogue import areas, sessions  # noqa: PLC0415

    areas.install(sessions.engine)
    found = areas.show(name)
    geometry = orjson.loads(shapely.to_geojson(found.geometry))
    typer.echo(json.dumps({"type": "Feature", "properties": {"name": found.key}, "geometry": geometry}))


@app.command()
def remove(name: Name) -> None:
    """Forget an area that was added."""
    use_server_configuration()
    from rucio_dafab.catalogue import areas, sessions  # noqa: PLC0415

    with sessions.writing() as session:
        areas.remove(name, session=session)


def given_geometry(argument: str) -> Any:
    """Return what was given: the text, or that of a file; of a collection of one feature, that feature."""
    text = sys.stdin.read() if argument == "-" else argument
    if argument != "-" and _is_file(argument):
        try:
            text = Path(argument).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DafabError(f"{argument} cannot be read: {error}") from error
    elif _PATH.fullmatch(argument):
        raise DafabError(f"there is no file {argument[:200]}")
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DafabError(f"the geometry is no JSON: {error}") from error
    features = value.get("features") if value.get("type") == "FeatureCollection" else None
    if features is None:
        return value
    if not isinstance(features, list) or len(features) != 1:
        raise DafabError("an area is one feature: the FeatureCollection must have exactly one")
    return features[0]


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except (OSError, ValueError):
        # A long WKT is no name of a file.
        return False
