"""``rucio-dafab demo``: the main job on a simulated scene, checked answer by answer with the commands a user types."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rucio_dafab.cli.questions import Answer, Question, Retrieved, ask, retrieve
from rucio_dafab.cli.run import key_numbers, show, watched
from rucio_dafab.cli.site import Phases
from rucio_dafab.errors import DafabError
from rucio_dafab.site import lifecycle
from rucio_dafab.site.home import RSES, SCOPE, Home
from rucio_dafab.site.lock import exclusive

if TYPE_CHECKING:
    from argo_templates.pipeline import Report

SEED: Final = 20260614
"""The scene of the demo is always the same, so a second demo finds everything published and unchanged."""

FLOOD: Final = 0.55
"""Metres of water above the season's usual: a flood of about the size of the usual water of the scene."""


class DemoError(DafabError):
    """An answer is not the expected one."""


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the file that `dasi retrieve` writes.")] = Path("out"),
) -> None:
    """Run the main job on a simulated scene and check every answer; the site stays up.

    Raises:
        SiteBusy: if another demo runs in this home.
        DemoError: if an answer is not the expected one.
    """
    home, console = Home.from_environment(), _console()
    with exclusive(home, "rucio-dafab demo", "demo"):
        url = _site(home, console)
        console.rule("[bold]1[/]  a scene becomes products", align="left")
        report = _process(_scene(home, console), console)
        console.rule("[bold]2[/]  the rucio command finds them", align="left")
        answers = [_asked(home, question, console) for question in questions(report)]
        console.rule("[bold]3[/]  dasi fetches one", align="left")
        retrieved = retrieve(home, _product(report, "water_analysis"), out)
        console.print(Text(f"dasi retrieve '{retrieved.request}'"), soft_wrap=True)
    _summary(report, answers, retrieved, url, console)
    wrong = [answer.question.title for answer in answers if not answer.right]
    if wrong:
        raise DemoError(f"not the expected answer: {', '.join(wrong)}")
    console.print(f"every answer is the expected one; the site stays up at {url}", style="bold green", highlight=False)


def questions(report: "Report") -> tuple[Question, ...]:
    """Return the questions of the demo, each with the items of this run that must be in the answer."""
    every = frozenset(str(item["item"]) for item in report.items)
    water = frozenset({_product(report, "water_analysis")})
    fields = frozenset({_product(report, "smart_agriculture")})
    where, what, meaning = "geometry.within=@luxembourg", "eo:cloud_cover.lt=60", "theme.isa=WaterAnomaly"
    return (
        Question("spatial", where, every, every),
        Question("spatial, elsewhere", "geometry.intersects=@portugal", frozenset(), every),
        Question("attribute", "number_of_fields.gte=10", fields, every),
        Question("semantic", meaning, water, every),
        Question("all three", f"{where},{meaning},{what}", water, every),
    )


def _product(report: "Report", collection: str) -> str:
    """Return the name of the one item of this run in a collection."""
    for item in report.items:
        if item["collection"] == collection:
            return str(item["item"])
    reasons = "; ".join(f"{model}: {record.get('reason', '')}" for model, record in report.record.items())
    raise DemoError(f"the run made no {collection} ({reasons})")


def _site(home: Home, console: Console) -> str:
    console.rule("[bold]0[/]  a site on this machine", align="left")
    with Phases(console) as phases:
        started = lifecycle.up(home, None, phases.begin)
    word = "runs already" if started.already else f"is up after {phases.seconds():.1f} s"
    console.print(f"the site {word}: {started.record.url}", highlight=False)
    return started.record.url


def _scene(home: Home, console: Console) -> Path:
    # Here and below: seconds of GDAL, Hera and ONNX Runtime, while the demo says already what it does.
    from rucio_dafab.eo import simulate as simulator  # noqa: PLC0415

    made = simulator.simulate(SEED, simulator.Options(flood=FLOOD))
    scene = simulator.write_safe(made, home.work / "scenes", overwrite=True)
    console.print(f"simulated: {scene.name}", highlight=False)
    return scene


def _process(scene: Path, console: Console) -> "Report":
    from argo_templates import pipeline  # noqa: PLC0415

    with watched() as watch:
        report = pipeline.process(scene, RSES[0], watch=watch)
    show(report, console)
    return report


def _console() -> Console:
    """Return the console; where there is no terminal, one wide enough for the longest DID."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def _asked(home: Home, question: Question, console: Console) -> Answer:
    """Ask and print the command as a user types it, with its answer below."""
    answer = ask(home, question)
    mark = ("✓", "green") if answer.right else ("✗", "bold red")
    command = f" rucio did list '{SCOPE}:*' --filter '{question.filter}'"
    console.print(Text.assemble(mark, command, (f"  {answer.seconds:.1f} s", "dim")), soft_wrap=True)
    for name in sorted(answer.found) or ["nothing"]:
        console.print(Text(f"    {name}", "cyan"), soft_wrap=True)
    return answer


def _summary(report: "Report", answers: list[Answer], retrieved: Retrieved, url: str, console: Console) -> None:
    """Print the table that the demo ends with."""
    table = Table(box=box.SIMPLE_HEAD, show_header=False, title="the main job", title_justify="left")
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    table.add_row("scene", report.scene)
    for item in report.items:
        table.add_row(item["collection"], Text.assemble((item["did"], "cyan"), "\n", ", ".join(key_numbers(item))))
    for answer in answers:
        judged = len(answer.found & answer.question.among)
        verdict = Text("as expected", "green") if answer.right else Text("NOT the expected answer", "bold red")
        found = Text.assemble(
            answer.question.filter, "\n", f"{judged} of {len(report.items)} items of this scene, ", verdict
        )
        table.add_row(answer.question.title, found)
    size = retrieved.path.stat().st_size
    checksum = f"{size} bytes, sha256 {retrieved.sha256}, as in the catalogue"
    table.add_row("dasi retrieve", Text(f"{retrieved.path}\n{checksum}"))
    table.add_row("site", url)
    console.print(table)
