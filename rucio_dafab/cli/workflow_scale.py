"""``rucio-dafab workflow scale``: the limits of this site's semaphores, adapted to what Slurm has free."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rucio_dafab.site.home import Home


def scale(
    settings: Annotated[
        Path | None, typer.Option(help="Limits, partitions, bounds (scale.yaml); by default the example that ships.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Adapt how many heavy pods workflow submit --slurm has in flight to what Slurm has free.

    It writes DAFAB_HOME/etc/dafab-limits; at a cluster the workflow dafab-scale does it. Nothing is cancelled. Exit
    status 75 says that Slurm does not answer.
    """
    from argo_templates.scaling.adapting import adapt  # noqa: PLC0415
    from argo_templates.scaling.limits import LimitFiles  # noqa: PLC0415
    from argo_templates.scaling.settings import SHIPPED, load_settings  # noqa: PLC0415

    found = adapt(load_settings(settings or SHIPPED), LimitFiles(Home.from_environment()), "this site", dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=1))
        return
    for each in found:
        typer.echo(str(each))
