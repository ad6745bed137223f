"""What every command line of the project shares: a refusal is one line, a fault keeps its traceback."""

import atexit
import errno
import gc
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import typer
from rich.console import Console

from rucio_dafab import __version__
from rucio_dafab.errors import DafabError

DEBUG: Final = "DASI_DEBUG"
"""The environment variable that shows what FDB prints."""

SELDOM: Final = 20_000
"""Objects made, less those given back, after which a command looks for cyclic garbage: by default Python looks after
700, and so a quarter of the time while it imports."""


def application(**options: Any) -> typer.Typer:
    """Return a Typer application that looks and fails like the others; the options are Typer's."""
    common: dict[str, Any] = {
        "no_args_is_help": True,
        "add_completion": False,
        "rich_markup_mode": None,
        "pretty_exceptions_enable": False,
    }
    return typer.Typer(**(common | options))


def says_version(command: str) -> Callable[[bool], None]:
    """Return what an option calls that prints the name and version of a command and ends it."""

    def say(wanted: bool) -> None:
        if wanted:
            typer.echo(f"{command} {__version__}")
            raise typer.Exit

    return say


def help_of(function: Callable[..., Any]) -> str:
    """Return what a command's help shows of its docstring: not the sections for those who call it from Python."""
    return (inspect.getdoc(function) or "").partition("\n\nRaises:")[0].partition("\n\nArgs:")[0]


def guarded(application: typer.Typer, arguments: Sequence[str] | None = None) -> None:
    """Run a Typer application; a refusal becomes one line on standard error and its exit status.

    Raises:
        SystemExit: always, with the status of the command.
    """
    _open_streams()
    _collect_seldom()
    try:
        try:
            application(arguments)
        except SystemExit:  # Typer ends so; what Python still holds back is not printed by then
            sys.stdout.flush()
            raise
    except DafabError as refusal:
        Console(stderr=True, soft_wrap=True, emoji=False).print(f"error: {refusal}", markup=False, highlight=False)
        sys.exit(refusal.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EPIPE} or error.filename is not None:
            raise
        # Of a file it would be a refusal that names it; what Python still holds back cannot be written either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.ENOSPC:  # else whoever reads has left, and wants to know nothing
            Console(stderr=True).print("error: the output cannot be written: no space is left where it goes")
        sys.exit(1)


def _collect_seldom() -> None:
    """Look for cyclic garbage seldom, and not at the end, where the memory goes anyway: half a second of a command."""
    gc.set_threshold(SELDOM)
    atexit.register(gc.freeze)


def _open_streams() -> None:
    """Give standard streams that are closed to nowhere: the next file that is opened would be taken for them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    # Python has none where they were closed when it began.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


@contextmanager
def answers_only() -> Iterator[None]:
    """Keep standard output for Python's own answers inside the block.

    FDB prints diagnostics to it from C++: with ``DASI_DEBUG=1`` they go to standard error, otherwise nowhere.
    """
    _open_streams()
    sys.stdout.flush()
    ours = os.dup(1)
    elsewhere = os.dup(2) if os.environ.get(DEBUG) else os.open(os.devnull, os.O_WRONLY)
    before = sys.stdout
    os.dup2(elsewhere, 1)
    os.close(elsewhere)
    sys.stdout = answers = open(ours, "w", encoding=before.encoding or "utf-8", closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stdout = before
        with suppress(BrokenPipeError):  # whoever reads has left
            answers.close()
        os.dup2(ours, 1)
        os.close(ours)
