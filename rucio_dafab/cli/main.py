"""The command ``rucio-dafab``: nouns then verbs, one module a noun, imported only when called."""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typing_extensions import override

from rucio_dafab.terminal import application, guarded, help_of, says_version

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("rucio_dafab.cli.site:up", "Start the site on this machine."),
    "down": ("rucio_dafab.cli.site:down", "Stop the site; nothing is lost."),
    "status": ("rucio_dafab.cli.site:status", "Say what runs and where."),
    "env": ("rucio_dafab.cli.site:env", "Print the shell variables that point `rucio` and `dasi` at the site."),
    "db": ("rucio_dafab.cli.db:app", "Create, upgrade and check our tables in Rucio's database."),
    "catalogue": ("rucio_dafab.cli.catalogue:app", "Load, dump, export, count and validate many items at once."),
    "area": ("rucio_dafab.cli.area:app", "Name areas of interest for every query."),
    "ontology": ("rucio_dafab.cli.ontology:app", "Check, publish and align what classes mean."),
    "scenes": ("rucio_dafab.cli.scenes:app", "Find Sentinel scenes in archives and download their bands."),
    "workflow": ("rucio_dafab.cli.workflow:app", "Submit workflows to Argo or run them here, and watch them."),
    "place": ("rucio_dafab.cli.place:app", "Say where an item would be processed, and why; simulate placement."),
    "reprocess": ("rucio_dafab.cli.reprocess:app", "List the products that a newer model would improve most."),
    "models": ("rucio_dafab.cli.models:app", "Show the nets that make the products; register them in Rucio."),
    "run": ("rucio_dafab.cli.run:run", "Process one scene: fetch, archive, infer, publish."),
    "recount": ("rucio_dafab.cli.recount:recount", "Count stored field parcels under the clouds of another scene."),
    "show": ("rucio_dafab.cli.show:show", "Draw a scene and its products as one picture."),
    "report": ("rucio_dafab.cli.report:report", "Write a page with pictures and numbers of many products."),
    "simulate": ("rucio_dafab.cli.simulate:simulate", "Make a Sentinel-2 scene with known truth."),
    "demo": ("rucio_dafab.cli.demo:demo", "Run the main job on a simulated scene and check every answer."),
}
"""Verb or noun → (where its function or Typer application is, its line of help)."""


class LazyGroup(TyperGroup):
    """A group that imports the module of a command when the command is called or its own help is asked for.

    Contexts and formatters are ``Any``: Typer carries its own Click and names its types nowhere public.
    """

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of :data:`COMMANDS`."""
        return list(COMMANDS)

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one command, or ``None`` when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        target, help_line = COMMANDS[cmd_name]
        module, attribute = target.split(":")
        found = getattr(import_module(module), attribute)
        command = typer.main.get_command(found if isinstance(found, typer.Typer) else _single(found))
        command.name, command.short_help = cmd_name, help_line
        return command

    @override
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _single(function: Callable[..., Any]) -> typer.Typer:
    """Wrap one function as a Typer application."""
    wrapped = application(no_args_is_help=False)
    wrapped.command(help=help_of(function))(function)
    return wrapped


app = application(cls=LazyGroup, add_completion=True)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=says_version("rucio-dafab"), is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Earth observation in Rucio, findable by what is in the images."""


def run() -> None:
    """Run ``rucio-dafab``."""
    guarded(app)
