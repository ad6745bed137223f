"""What every command line of the project shares: a refusal is one line, a fault keeps its traceback."""

import sys
from collections.abc import Sequence

import typer
from rich.console import Console

from rucio_dafab.errors import DafabError


def guarded(application: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run a Typer application; a refusal becomes one line on standard error and its exit status.

    Raises:
        SystemExit: always, with the status of the command.
    """
    try:
        application(arguments)
    except DafabError as refusal:
        Console(stderr=True, soft_wrap=True).print(f"error: {refusal}", markup=False, highlight=False)
        sys.exit(refusal.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
