"""``rucio-dafab workflow lint | render``: files of workflows, ours and others'."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rucio_dafab.errors import DafabError


def lint(
    file: Annotated[list[Path], typer.Argument(help="Files of YAML with workflows or workflow templates.")],
    schema: Annotated[Path | None, typer.Option(help="Argo's JSON schema; its members are checked with it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Find what a cluster would trip over, a line a finding; exit status 1 if there is an error, warnings aside."""
    from argo_templates import lint_files  # noqa: PLC0415

    findings = lint_files.lint_files(file, schema)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings]))
    else:
        for each in findings:
            typer.echo(str(each))
    if any(each.level == lint_files.ERROR for each in findings):
        raise typer.Exit(1)


def render(
    check: Annotated[bool, typer.Option("--check", help="Only say which committed files have drifted.")] = False,
) -> None:
    """Write the committed YAML of our templates again, from their code."""
    from argo_templates import render as rendering  # noqa: PLC0415

    if rendering.main(["--check"] if check else []):
        raise DafabError("the committed templates have drifted: rucio-dafab workflow render writes them again")
