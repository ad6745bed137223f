"""What the commands of ``dasi`` share: the requests of their arguments, and what they print."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from dasi_backend import language, output
from dasi_backend.config import LOCAL, RUCIO, Config
from dasi_backend.errors import ConfigError, RequestError
from dasi_backend.language import Request

Requests = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[REQUEST]...", show_default=False, help="A file, - for standard input, a request, or key=value ..."
    ),
]
ConfigPath = Annotated[Path | None, typer.Option("--config", help="dasi.yml; by default DASI_CONFIG, or the site's.")]
BackendType = Annotated[
    str | None,
    typer.Option(
        "--type", metavar="TYPE", help="Who is meant, local or rucio, where dasi.yml describes both; else its type."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def chosen(config: Config, backend: str | None) -> Config:
    """Return a configuration as if its type were another one.

    Raises:
        ConfigError: if there is no such type.
    """
    if backend is None:
        return config
    if backend not in {LOCAL, RUCIO}:
        raise ConfigError(f"--type {backend}: {LOCAL} or {RUCIO}")
    return replace(config, type=backend)


def requests_of(verb: str, arguments: list[str] | None) -> list[Request]:
    """Return the requests of the arguments of a command.

    Raises:
        RequestError: if one is not understood, or says another verb: a text that was written to show something is not
            to remove it.
    """
    if not arguments:
        return []
    requests = list(language.parse(_text(verb, arguments)))
    if other := [one.verb for one in requests if one.verb != verb]:
        raise RequestError(f"the request says {other[0]}, not {verb}")
    return requests


def required(verb: str, arguments: list[str] | None) -> list[Request]:
    """Return the requests of the arguments of a command that does nothing without one.

    Raises:
        RequestError: if there is none, or as :func:`requests_of` refuses.
    """
    requests = requests_of(verb, arguments)
    if not requests:
        raise RequestError(f"{verb} needs a request: a file, - or key=value arguments")
    return requests


def _text(verb: str, arguments: Sequence[str]) -> str:
    first = arguments[0].strip()
    if len(arguments) == 1:
        if not first:
            raise RequestError("the request is empty")
        if first == "-":
            return _standard_input()
        if first.partition(",")[0].strip().lower() in {*language.VERBS, "r", "ret", "retr"}:
            return first
        if "=" not in first or os.path.lexists(first):
            return _file(Path(first))
    return language.from_arguments(verb, arguments)


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise RequestError(f"standard input holds no request: {error}") from error


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} is no file that holds a request: {error}") from error


def show(records: Any, table: Any, as_json: bool) -> None:
    """Print an answer: records for programs, a table for people."""
    if as_json:
        output.print_json(records)
    else:
        output.console().print(table)
