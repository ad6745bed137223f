"""Publishing ontologies: a new version in one transaction, of which readers see all or nothing.

No document is touched: the classes that it names stay as they are, and questions are expanded by the version that is
current. A class that a version leaves out and documents still name is kept as deprecated, below what it was below.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
from psycopg.types.json import Jsonb
from sqlalchemy import Table, Text, any_, func, insert, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.document_rows import cursor_of
from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.ontology_snapshots import compose, current_publications, read_ontology
from rucio_dafab.catalogue.ontology_tables import ontology as publications
from rucio_dafab.catalogue.ontology_tables import ontology_alignment, ontology_class
from rucio_dafab.catalogue.tables import document
from rucio_dafab.vocabulary import ontology as vocabulary
from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_alignments import AlignmentSet
from rucio_dafab.vocabulary.ontology_compiled import rules_to_json, to_document
from rucio_dafab.vocabulary.ontology_diff import Difference, difference

_LOCK: Final = 0x_DAFA_B001


class OntologyRefused(CatalogueError):
    """A version that cannot be published, or an ontology that is not there."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What became of a version.

    Attributes:
        number: Of the publication; the highest of an IRI is current.
        iri: Of the ontology.
        version: What it calls its version.
        outcome: ``published``, or ``unchanged`` where just that is current already.
        changes: Against the version before; against nothing for the first.
        kept: Classes that it leaves out and documents still name → how many; they stay as deprecated.
    """

    number: int
    iri: str
    version: str
    outcome: str
    changes: Difference
    kept: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Version:
    """A publication as it is listed."""

    number: int
    iri: str
    version: str
    published_at: datetime
    classes: int
    current: bool
    withdrawn: bool


def publish(made: Ontology, alignments: Iterable[AlignmentSet], *, session: Session) -> Publication:
    """Publish a version; questions that are asked after the commit mean it.

    Args:
        made: the ontology, which :func:`rucio_dafab.vocabulary.ontology_checks.check` has found right.
        alignments: what it says of other vocabularies.
        session: the caller's transaction; publications follow each other.

    Raises:
        OntologyRefused: if another content was published under this version before.
    """
    said = tuple(alignments)
    _lock(session)
    checksum = _checksum(made, said)
    before = _current_row(made.iri, session)
    is_current = before is not None and not before.withdrawn
    old = read_ontology(before, session.connection()) if is_current else _unpublished(made.iri)
    if is_current and before.checksum == checksum:
        return Publication(before.number, made.iri, made.version, "unchanged", difference(old, old), {})
    _refuse_other_content(made, checksum, session)
    used = _used([each for each in old.classes if each not in made.classes], session)
    new = _with_kept(made, old, used)
    number = _insert(new, checksum, session)
    _copy(ontology_class, (_class_row(number, each) for each in new.classes.values()), session)
    _copy(ontology_alignment, _alignment_rows(number, said), session)
    return Publication(number, made.iri, made.version, "published", difference(old, new), used)


def withdraw(iri: str, *, session: Session) -> None:
    """Let an ontology be known no more; of that of the installation, the installed version is current again.

    Raises:
        OntologyRefused: if none of that IRI is current.
    """
    _lock(session)
    row = _current_row(iri, session)
    if row is None or row.withdrawn:
        raise OntologyRefused(f"no ontology {iri[:200]} was published")
    nothing = {"checksum": "", "prefixes": {}, "rules": [], "withdrawn": True}
    session.execute(insert(publications).values(iri=iri, version=row.version, **nothing))


def versions(*, session: Session) -> list[Version]:
    """Return all publications, the newest first."""
    c = publications.c
    counted = select(func.count()).where(ontology_class.c.ontology == c.number).correlate(publications)
    newest = func.max(c.number).over(partition_by=c.iri)
    columns = c.number, c.iri, c.version, c.published_at, counted.scalar_subquery(), c.number == newest, c.withdrawn
    rows = session.execute(select(*columns).order_by(c.number.desc())).tuples()
    return [
        Version(number, iri, name, published_at, classes, is_newest and not withdrawn, withdrawn)
        for number, iri, name, published_at, classes, is_newest, withdrawn in rows
    ]


def current(*, session: Session) -> Ontology:
    """Return the current ontology with the others beside it, as this transaction sees them."""
    rows = [row for row in session.execute(current_publications()) if not row.withdrawn]
    return compose(read_ontology(row, session.connection()) for row in rows) or vocabulary.shipped()


def version(iri: str, name: str, *, session: Session) -> Ontology:
    """Return the latest publication of a version.

    Raises:
        OntologyRefused: if there is none.
    """
    c = publications.c
    wanted = select(publications).where(c.iri == iri, c.version == name, ~c.withdrawn)
    row = session.execute(wanted.order_by(c.number.desc()).limit(1)).first()
    if row is None:
        raise OntologyRefused(f"no version {name[:60]} of {iri[:200]} was published")
    return read_ontology(row, session.connection())


def _lock(session: Session) -> None:
    """Let publications follow each other, so that their numbers do."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _current_row(iri: str, session: Session) -> Any:
    c = publications.c
    return session.execute(select(publications).where(c.iri == iri).order_by(c.number.desc()).limit(1)).first()


def _unpublished(iri: str) -> Ontology:
    """Return what is known of an ontology before any of its versions is published."""
    installed = vocabulary.shipped()
    return installed if installed.iri == iri else Ontology(iri, "", {})


def _refuse_other_content(made: Ontology, checksum: str, session: Session) -> None:
    c = publications.c
    same = select(c.published_at).where(c.iri == made.iri, c.version == made.version, ~c.withdrawn)
    published = session.scalar(same.where(c.checksum != checksum).order_by(c.number.desc()).limit(1))
    installed = _unpublished(made.iri)
    if published is not None:
        known = f"was published on {published:%Y-%m-%d}"
    elif installed.version == made.version and to_document(installed) != to_document(made):
        known = "is installed"
    else:
        return
    raise OntologyRefused(f"version {made.version} of {made.iri} {known} with another content: raise owl:versionInfo")


def _used(removed: list[str], session: Session) -> dict[str, int]:
    """Return how many documents name each of these classes, those that none names left out."""
    if not removed:
        return {}
    wanted = literal(removed, ARRAY(Text))
    named = func.unnest(document.c.classes).table_valued("class_id").render_derived()
    counts = (
        select(named.c.class_id, func.count())
        .select_from(document)
        .join(named, literal(True))
        .where(document.c.classes.op("&&")(wanted), named.c.class_id == any_(wanted))
        .group_by(named.c.class_id)
    )
    return dict(session.execute(counts).tuples().all())


def _with_kept(made: Ontology, old: Ontology, used: Mapping[str, int]) -> Ontology:
    """Return an ontology with classes of the version before, deprecated, and below what they were below."""
    classes = dict(made.classes)
    for each in sorted(used):
        left = old.classes[each]
        below = tuple(under for under in left.below if under in made.classes or under in used)
        classes[each] = replace(left, below=below, deprecated=True)
    for each in made.classes:
        kept = {under for under in (old.classes[each].below if each in old.classes else ()) if under in used}
        if kept:
            classes[each] = replace(classes[each], below=tuple(sorted({*classes[each].below, *kept})))
    return replace(made, classes=dict(sorted(classes.items())))


def _checksum(made: Ontology, alignments: Iterable[AlignmentSet]) -> str:
    rows = sorted((each.id, row.subject, row.predicate, row.object) for each in alignments for row in each.rows)
    return sha256(orjson.dumps([to_document(made), rows], option=orjson.OPT_SORT_KEYS)).hexdigest()


def _insert(made: Ontology, checksum: str, session: Session) -> int:
    values = {"prefixes": dict(made.prefixes), "rules": rules_to_json(made.rules), "checksum": checksum} | {
        "relations": [asdict(each) for each in made.relations],
        "places": [asdict(each) for each in made.places],
    }
    statement = insert(publications).values(iri=made.iri, version=made.version, **values)
    number: int = session.execute(statement.returning(publications.c.number)).scalar_one()
    return number


def _class_row(number: int, each: Any) -> tuple[Any, ...]:
    lists = (list(each.parents), list(each.matches), list(each.below))
    return number, each.id, each.name, Jsonb(each.labels), each.definition, *lists, each.deprecated


def _alignment_rows(number: int, alignments: Iterable[AlignmentSet]) -> Iterable[tuple[Any, ...]]:
    rows = {
        (each.id, row.subject, row.predicate, row.object): (row.justification, row.confidence)
        for each in alignments
        for row in each.rows
    }
    return ((number, *key, *values) for key, values in rows.items())


def _copy(into: Table, rows: Iterable[tuple[Any, ...]], session: Session) -> None:
    """Copy rows of all columns into a table: one statement for thousands of classes."""
    names = ", ".join(column.name for column in into.columns)
    with cursor_of(session) as cursor, cursor.copy(f"COPY {into.fullname} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
