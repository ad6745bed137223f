"""``rucio-dafab db``: our tables in the database that the server's ``rucio.cfg`` names."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Engine

from rucio_dafab.cli.server import use_server_configuration
from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import application

app = application()


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Where to.")] = "head",
    import_json: Annotated[
        bool, typer.Option("--import-json", help="Make documents of what Rucio's JSON plugin holds; that stays too.")
    ] = False,
) -> None:
    """Create or upgrade our tables; harmless when all is up to date."""
    if import_json and revision != "head":
        raise DafabError("--import-json needs the newest tables: leave the revision out")
    use_server_configuration()
    from rucio.db.sqla.session import get_engine  # noqa: PLC0415 - reads the server's configuration

    from rucio_dafab.catalogue import migrations  # noqa: PLC0415

    _tell(migrations.upgrade(get_engine(), revision))
    if import_json:
        _import_json(get_engine())


def _import_json(engine: Engine) -> None:
    from rucio_dafab.catalogue import stock  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("metadata of the JSON plugin", total=None)
        done = stock.import_json(engine, lambda read, total: bar.update(task, completed=read, total=total))
    counted = {"documents made": done.documents, "completed": done.completed, "unchanged": done.unchanged}
    typer.echo(", ".join(f"{number} {name}" for name, number in counted.items() if number) or "no metadata to import")
    for what, keys in (("does not fit its key, kept as it is", done.odd), ("cannot be held, left out", done.refused)):
        for key in keys:
            console.print(f"{key}: {what}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def reindex() -> None:
    """Compute the search columns of all documents anew; only what differs is written, and nobody has to wait.

    Needed when documents were written while servers still knew the queryables of before an upgrade.
    """
    use_server_configuration()
    from rucio.db.sqla.session import get_engine  # noqa: PLC0415

    from rucio_dafab.catalogue import reindex as columns  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("documents", total=None)
        done = columns.reindex(get_engine(), lambda read, total: bar.update(task, completed=read, total=total))
    typer.echo(f"{done.documents} documents, {done.changed} changed")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to; base removes our tables.")] = "base",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take our tables back to a revision: what it did not have is lost."""
    use_server_configuration()
    from rucio.db.sqla.session import get_engine  # noqa: PLC0415

    from rucio_dafab.catalogue import migrations  # noqa: PLC0415

    if not yes:
        typer.confirm(f"Go back to {revision}? Documents that it cannot hold are lost", abort=True)
    _tell(migrations.downgrade(get_engine(), revision))


@app.command()
def check() -> None:
    """Say what differs from the newest revision and the declared queryables; exit status 1 if anything does."""
    use_server_configuration()
    from rucio.db.sqla.session import get_engine  # noqa: PLC0415

    from rucio_dafab.catalogue import migrations  # noqa: PLC0415

    found = migrations.check(get_engine())
    if found:
        raise DafabError("; ".join(found))
    typer.echo("up to date")


def _tell(steps: tuple[str, ...]) -> None:
    typer.echo("\n".join(steps) if steps else "up to date")
