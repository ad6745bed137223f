"""What every command line of the project shares: a refusal is one line, a fault keeps its traceback."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console

from rucio_dafab.errors import DafabError

DEBUG: Final = "DASI_DEBUG"
"""The environment variable that shows what FDB prints."""


def application(**options: Any) -> typer.Typer:
    """Return a Typer application that looks and fails like the others; the options are Typer's."""
    common: dict[str, Any] = {
        "no_args_is_help": True,
        "add_completion": False,
        "rich_markup_mode": None,
        "pretty_exceptions_enable": False,
    }
    return typer.Typer(**(common | options))


def help_of(function: Callable[..., Any]) -> str:
    """Return what a command's help shows of its docstring: not the sections for those who call it from Python."""
    return (inspect.getdoc(function) or "").partition("\n\nRaises:")[0].partition("\n\nArgs:")[0]


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


@contextmanager
def answers_only() -> Iterator[None]:
    """Keep standard output for Python's own answers inside the block.

    FDB prints diagnostics to it from C++: with ``DASI_DEBUG=1`` they go to standard error, otherwise nowhere.
    """
    sys.stdout.flush()
    ours = os.dup(1)
    elsewhere = os.dup(2) if os.environ.get(DEBUG) else os.open(os.devnull, os.O_WRONLY)
    before = sys.stdout
    os.dup2(elsewhere, 1)
    os.close(elsewhere)
    try:
        with open(ours, "w", encoding=before.encoding or "utf-8", closefd=False) as sys.stdout:
            yield
    finally:
        sys.stdout = before
        os.dup2(ours, 1)
        os.close(ours)
