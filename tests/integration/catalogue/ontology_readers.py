"""Readers during publications: each sees one version, whole, whatever is published meanwhile.

Runs one case by its name with the ``RUCIO_CONFIG`` of a site, in a process of its own, since Rucio reads that once.
"""

import sys
import threading
from collections.abc import Callable
from typing import Final

from rucio.db.sqla.session import get_engine
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import ontologies
from rucio_dafab.catalogue.ontology_snapshots import Snapshots
from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_classes import OntologyClass

IRI = "https://readers.example/t"
PUBLICATIONS, READERS, CLASSES = 20, 8, 200


def version(number: int) -> Ontology:
    """Return a version whose classes all carry its number: under one top, each with a label."""
    names = [f"{IRI}#c{each}_{number}" for each in range(CLASSES)]
    top = f"{IRI}#top"
    classes = {
        each: OntologyClass(
            each, each.rpartition("#")[2], {"en": (f"number {number}, {each}",)}, "", (top,), (), (each,)
        )
        for each in names
    }
    below = tuple(sorted([top, *names]))
    classes[top] = OntologyClass(top, "top", {"en": ("readers' top", f"version {number}")}, "", (), (), below)
    return Ontology(IRI, str(number), classes)


def publish(engine: Engine, number: int) -> None:
    with Session(engine) as session, session.begin():
        ontologies.publish(version(number), (), session=session)


def numbers_seen(snapshots: Snapshots) -> set[str]:
    """Return the numbers of all that one snapshot says of the ontology."""
    now = snapshots.current()
    assert now is not None
    (found,) = [each for each in now.others if each.iri == IRI]
    top = now.resolve("readers' top")
    expanded = [each for each in now.expand(top) if each != top]
    assert len(expanded) == CLASSES
    labels = {now.label(each).split(",")[0].split()[1] for each in expanded}
    known = now.get(top)
    assert known is not None
    written = {each.rpartition("_")[2] for each in expanded}
    return {found.version, known.labels["en"][1].split()[1]} | labels | written


def _readers_see_the_old_or_the_new_version(engine: Engine) -> None:
    publish(engine, 0)
    done = threading.Event()
    faults: list[Exception] = []
    seen: list[set[str]] = [set() for _ in range(READERS)]

    def read(number: int) -> None:
        # Half of them are threads of one process, half have a process's own snapshots.
        snapshots = shared if number % 2 else Snapshots(lambda: engine)
        try:
            while not done.is_set():
                found = numbers_seen(snapshots)
                assert len(found) == 1, found
                seen[number] |= found
        except Exception as fault:  # noqa: BLE001 - told below
            faults.append(fault)

    shared = Snapshots(lambda: engine)
    readers = [threading.Thread(target=read, args=(each,)) for each in range(READERS)]
    for each in readers:
        each.start()
    for number in range(1, PUBLICATIONS + 1):
        publish(engine, number)
    done.set()
    for each in readers:
        each.join(60)
    assert faults == []
    assert all(seen), seen
    assert numbers_seen(shared) == {str(PUBLICATIONS)}


def _a_publication_that_is_rolled_back_was_never_there(engine: Engine) -> None:
    publish(engine, 100)
    snapshots = Snapshots(lambda: engine)
    with Session(engine) as session:
        ontologies.publish(version(101), (), session=session)
        assert numbers_seen(snapshots) == {"100"}
        session.rollback()
    assert numbers_seen(snapshots) == numbers_seen(Snapshots(lambda: engine)) == {"100"}


def _a_lost_connection_is_made_anew(engine: Engine) -> None:
    publish(engine, 200)
    snapshots = Snapshots(lambda: engine)
    assert numbers_seen(snapshots) == {"200"}
    with engine.connect() as connection:
        ended = connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = current_user AND pid <> pg_backend_pid() AND query LIKE '%FROM dafab.ontology%'"
            )
        )
        assert ended.scalars().all()
    publish(engine, 201)
    assert numbers_seen(snapshots) == {"201"}


def _publications_at_once_follow_each_other(engine: Engine) -> None:
    publish(engine, 300)
    threads = [threading.Thread(target=publish, args=(engine, 301 + each)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    with Session(engine) as session:
        listed = [each for each in ontologies.versions(session=session) if each.iri == IRI]
    assert {each.version for each in listed} >= {"300", "301", "302", "303", "304"}
    assert [each.current for each in listed].count(True) == 1
    assert listed[0].current


CASES: Final[dict[str, Callable[[Engine], None]]] = {
    "readers see the old or the new version": _readers_see_the_old_or_the_new_version,
    "a publication that is rolled back was never there": _a_publication_that_is_rolled_back_was_never_there,
    "a lost connection is made anew": _a_lost_connection_is_made_anew,
    "publications at once follow each other": _publications_at_once_follow_each_other,
}

if __name__ == "__main__":
    of_site = get_engine()
    CASES[sys.argv[1]](of_site)
    with Session(of_site) as last, last.begin():
        ontologies.withdraw(IRI, session=last)
