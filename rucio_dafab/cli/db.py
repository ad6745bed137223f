"""``rucio-dafab db``: our tables in the database that the server's ``rucio.cfg`` (``RUCIO_CONFIG``) names."""

from typing import Annotated

import typer

from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import application

app = application()


@app.command()
def upgrade(revision: Annotated[str, typer.Argument(help="Where to.")] = "head") -> None:
    """Create or upgrade our tables; harmless when all is up to date."""
    from rucio.db.sqla.session import get_engine  # noqa: PLC0415 - reads the server's configuration

    from rucio_dafab.catalogue import migrations  # noqa: PLC0415

    _tell(migrations.upgrade(get_engine(), revision))


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to; base removes our tables.")] = "base",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take our tables back to a revision: what it did not have is lost."""
    from rucio.db.sqla.session import get_engine  # noqa: PLC0415

    from rucio_dafab.catalogue import migrations  # noqa: PLC0415

    if not yes:
        typer.confirm(f"Go back to {revision}? Documents that it cannot hold are lost", abort=True)
    _tell(migrations.downgrade(get_engine(), revision))


@app.command()
def check() -> None:
    """Say what differs from the newest revision and the declared queryables; exit status 1 if anything does."""
    from rucio.db.sqla.session import get_engine  # noqa: PLC0415

    from rucio_dafab.catalogue import migrations  # noqa: PLC0415

    found = migrations.check(get_engine())
    if found:
        raise DafabError("; ".join(found))
    typer.echo("up to date")


def _tell(steps: tuple[str, ...]) -> None:
    typer.echo("\n".join(steps) if steps else "up to date")
