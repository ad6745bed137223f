"""``rucio-dafab ontology``: what classes mean, checked, published and aligned.

Checking and aligning need no site. A published version is one for every user of a catalogue, so to publish is the
operator's, who has the server's configuration.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from rucio_dafab.cli.server import use_server_configuration
from rucio_dafab.errors import DafabError
from rucio_dafab.terminal import application

if TYPE_CHECKING:
    from rucio_dafab.catalogue.ontologies import Publication
    from rucio_dafab.vocabulary.ontology import Ontology
    from rucio_dafab.vocabulary.ontology_checks import Finding
    from rucio_dafab.vocabulary.ontology_reader import Reading

app = application()

_INSTALLED: Final = "that of the installation"
File = Annotated[
    Path | None, typer.Argument(help=f"Turtle, N-Triples, RDF/XML, OWL/XML or JSON-LD; {_INSTALLED} if left out.")
]
Foreign = Annotated[
    bool,
    typer.Option("--foreign", help="Others keep it: what it lacks by our rules is a warning, cycles are accepted."),
]
Iri = Annotated[str | None, typer.Option("--iri", help="The one that is meant, of a file that declares several.")]
Reason = Annotated[bool, typer.Option("--reason", help="Ask HermiT too (needs Java).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def check(
    file: File = None, foreign: Foreign = False, iri: Iri = None, reason: Reason = False, as_json: Json = False
) -> None:
    """Say what is wrong with an ontology and the alignments beside it (FILE's name, then -*.sssom.tsv).

    Exit status 1 if anything keeps it from being published.
    """
    reading = _read(file, iri=iri, reason=reason)
    found = _findings(reading, foreign=foreign)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
    else:
        for each in found:
            Console(soft_wrap=True).print(str(each), markup=False, highlight=False)
    if errors := sum(each.severe for each in found):
        raise DafabError(f"{errors} error{'s' * (errors > 1)} in {_name(file)}: it cannot be published")
    if not as_json:
        typer.echo(f"{reading.ontology.iri} {reading.ontology.version}: {len(reading.ontology.classes)} classes")


@app.command()
def publish(
    file: File = None,
    foreign: Foreign = False,
    iri: Iri = None,
    reason: Reason = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version of an ontology the current one; questions mean it from then on, and no item is rewritten.

    Nothing is changed if anything is wrong with it. Other ontologies stay beside it: each IRI has its own versions.
    """
    reading = _read(file, iri=iri, reason=reason)
    use_server_configuration()
    from rucio_dafab.catalogue import ontologies, sessions  # noqa: PLC0415 - reads the server's configuration

    with sessions.reading() as session:
        now = ontologies.current(session=session)
    beside = [each for each in (now.beside([]), *now.others) if each.iri != reading.ontology.iri]
    _refuse(_findings(reading, foreign=foreign, others=beside), _name(file))
    with sessions.writing() as session:
        done = ontologies.publish(reading.ontology, reading.alignments, session=session)
        if dry_run:
            session.rollback()
    _tell(done, dry_run=dry_run, as_json=as_json)


@app.command()
def diff(
    old: Annotated[
        str | None, typer.Argument(help="A file, or a published version; the current one if left out.")
    ] = None,
    new: Annotated[str | None, typer.Argument(help=f"The same; {_INSTALLED} if left out.")] = None,
    iri: Iri = None,
    as_json: Json = False,
) -> None:
    """Say which classes differ between two versions of an ontology.

    One argument is compared with the current version, as the newer of the two.
    """
    from rucio_dafab.vocabulary.ontology_diff import difference  # noqa: PLC0415

    older, newer = (None, old) if new is None else (old, new)
    after = _version(newer, iri) if newer else _read(None).ontology
    before = _version(older, iri or after.iri)
    found = difference(before, after)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        typer.echo("\n".join(found.lines()) or "no class differs")


@app.command()
def versions(as_json: Json = False) -> None:
    """List what was published, the newest first, and what is installed."""
    use_server_configuration()
    from rucio_dafab.catalogue import ontologies, sessions  # noqa: PLC0415
    from rucio_dafab.vocabulary import ontology  # noqa: PLC0415

    with sessions.reading() as session:
        found = ontologies.versions(session=session)
    installed = ontology.shipped()
    if as_json:
        rows: list[dict[str, Any]] = [asdict(each) | {"published_at": each.published_at.isoformat()} for each in found]
        typer.echo(json.dumps({"installed": {"iri": installed.iri, "version": installed.version}, "published": rows}))
        return
    table = Table("number", "ontology", "version", "published", "classes", "")
    for each in found:
        state = "withdrawn" if each.withdrawn else "current" if each.current else ""
        when = f"{each.published_at:%Y-%m-%d %H:%M}"
        table.add_row(str(each.number), each.iri, each.version, when, str(each.classes), state)
    is_current = not any(each.current and each.iri == installed.iri for each in found)
    state = "installed, current" if is_current else "installed"
    table.add_row("", installed.iri, installed.version, "", str(len(installed.classes)), state)
    Console().print(table)


@app.command()
def withdraw(iri: Annotated[str, typer.Argument(help="IRI of the ontology.")]) -> None:
    """Let an ontology be known no more; of that of the installation, the installed version is current again."""
    use_server_configuration()
    from rucio_dafab.catalogue import ontologies, sessions  # noqa: PLC0415

    with sessions.writing() as session:
        ontologies.withdraw(iri, session=session)


@app.command()
def align(
    file: Annotated[Path, typer.Argument(help="The other vocabulary, in any of the formats.")],
    iri: Iri = None,
    to: Annotated[Path | None, typer.Option("--to", help=f"Ontology to align to; {_INSTALLED} if left out.")] = None,
    least: Annotated[float, typer.Option(min=0.0, max=1.0, help="Confidence below which nothing is proposed.")] = 0.6,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File of SSSOM; standard output if left out.")
    ] = None,
) -> None:
    """Propose which classes of another vocabulary mean the same as ours, as SSSOM, for a person to decide.

    Keep the rows that are right, in a file whose name is that of the ontology's followed by -*.sssom.tsv: `check` tests
    them for contradictions and `publish` makes them known.
    """
    from rucio_dafab.vocabulary.ontology_alignments import write_alignments  # noqa: PLC0415
    from rucio_dafab.vocabulary.ontology_proposals import propose  # noqa: PLC0415

    proposals = propose(_read(to).ontology, _read(file, iri=iri).ontology, least)
    text = write_alignments(proposals)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DafabError(f"{output} cannot be written: {error.strerror}") from error
    typer.echo(f"{len(proposals.rows)} proposals in {output}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A class by label, local name, CURIE or IRI.")], as_json: Json = False
) -> None:
    """Show what a class is, and everything that a question for it finds."""
    words = _current_or_installed()
    class_id = words.resolve(name)
    found = words.get(class_id)
    if found is None:
        raise DafabError(f"no class is called {name[:60]}")
    members = {
        "id": found.id,
        "labels": {language: list(texts) for language, texts in sorted(found.labels.items())},
        "definition": found.definition,
        "above": [words.curie(each) for each in found.parents],
        "matches": [words.curie(each) for each in found.matches],
        "finds": [words.curie(each) for each in words.expand(class_id)],
        "deprecated": found.deprecated,
    }
    if as_json:
        typer.echo(json.dumps(members, ensure_ascii=False))
        return
    for member, value in members.items():
        Console(soft_wrap=True).print(f"{member}: {_line(value)}", markup=False, highlight=False)


@app.command()
def reindex() -> None:
    """Find the classes of all items anew: after a change of rules, or of names that items wrote."""
    from rucio_dafab.cli import db  # noqa: PLC0415

    db.reindex()


def _read(file: Path | None, *, iri: str | None = None, reason: bool = False) -> "Reading":
    from rucio_dafab.vocabulary import ontology_compiled, ontology_reader  # noqa: PLC0415 - slow to import

    return ontology_reader.read(file or ontology_compiled.source(), iri=iri, reason=reason)


def _findings(reading: "Reading", *, foreign: bool, others: Any = ()) -> "tuple[Finding, ...]":
    from rucio_dafab.vocabulary import ontology_checks  # noqa: PLC0415

    return ontology_checks.check(reading, foreign=foreign, others=others)


def _refuse(found: "tuple[Finding, ...]", name: str) -> None:
    errors = [each for each in found if each.severe]
    if errors:
        more = f" ({len(errors) - 1} more: `rucio-dafab ontology check` lists them)" if len(errors) > 1 else ""
        raise DafabError(f"{name} is not published: {errors[0].about}: {errors[0].text}{more}")


def _tell(done: "Publication", *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(done) | {"dry_run": dry_run}))
        return
    counts = ", ".join(_counts(done))
    outcome = "would be published" if dry_run and done.outcome == "published" else done.outcome
    typer.echo(f"{done.iri} {done.version} {outcome}{': ' if counts else ''}{counts}")
    for class_id, number in sorted(done.kept.items()):
        typer.echo(f"kept as deprecated, {number} item{'s' * (number > 1)}: {class_id}")


def _counts(done: "Publication") -> Iterator[str]:
    for what, ids in asdict(done.changes).items():
        if ids:
            yield f"{len(ids)} {what}"


def _version(text: str | None, iri: str | None) -> "Ontology":
    """Return the ontology of a file, a published version, or the current one."""
    if text and Path(text).suffix and Path(text).is_file():
        return _read(Path(text), iri=iri).ontology
    use_server_configuration()
    from rucio_dafab.catalogue import ontologies, sessions  # noqa: PLC0415
    from rucio_dafab.vocabulary import ontology  # noqa: PLC0415

    wanted = iri or ontology.shipped().iri
    with sessions.reading() as session:
        if text:
            return ontologies.version(wanted, text, session=session)
        now = ontologies.current(session=session)
    found = next((each for each in (now, *now.others) if each.iri == wanted), None)
    if found is None:
        raise DafabError(f"no ontology {wanted[:200]} was published")
    return found.beside([])


def _current_or_installed() -> "Ontology":
    """Return what the catalogue says where there is one, else what is installed."""
    from rucio_dafab.cli.server import ServerUnknown  # noqa: PLC0415
    from rucio_dafab.vocabulary import ontology  # noqa: PLC0415

    try:
        use_server_configuration()
    except ServerUnknown:
        return ontology.shipped()
    return ontology.load()


def _name(file: Path | None) -> str:
    return "the installed ontology" if file is None else file.name


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {', '.join(texts)}" for key, texts in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)
