"""Links between items by rule: computed, written where they differ, taken away where they no longer hold.

A link stands in the document of the item on the rule's side `from`; the link table answers from either end. Of a
document nothing but the rule's own links changes, and it is written as by any other change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Final

import orjson
import psycopg
from rucio.common.exception import DatabaseException
from rucio.common.types import InternalScope
from sqlalchemy import Select, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents, interlinking_sql, successors
from rucio_dafab.catalogue.documents import StoredDocument
from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.interlinking_rules import Rule, RulesInvalid
from rucio_dafab.catalogue.interlinking_sql import Task
from rucio_dafab.errors import DafabError, first_line
from rucio_dafab.stac.links import MEDIA_TYPE, RULE, item_address, named_by, rule_of
from rucio_dafab.stac.validate import check_size
from rucio_dafab.vocabulary import ontology
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.ontology import Ontology

BATCH: Final = 500
"""Documents of one transaction: their rows are locked for a few tenths of a second."""

NO_RULE: Final = "(rules that are gone)"
"""What the report calls the links by rules that the file no longer has."""

Transactions = Callable[[], AbstractContextManager[Session]]
"""Gives the session of a transaction that is committed when the block ends."""
Progress = Callable[[str, int, int], object]
"""Told the rule, the documents that are done and all that differ."""


class InterlinkingBroken(CatalogueError):
    """The database failed: what was committed stays, and starting again finishes it."""


@dataclass(slots=True)
class RuleReport:
    """What became of the links by one rule.

    Attributes:
        rule: its name.
        added: links made, or that would be.
        removed: links taken away, or that would be; one that is made anew counts as both.
        documents: documents that were changed, or would be.
        refused: the documents that cannot be changed, and why; they keep the links they have.
    """

    rule: str
    added: int = 0
    removed: int = 0
    documents: int = 0
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """What is linked.

    Attributes:
        scope: scope of the items.
        rules: the rules to use.
        others: names of rules that are not used now and whose links stay.
        since: only links that documents changed since then may make differ; ``None`` for all.
        dry_run: whether nothing is written.
    """

    scope: InternalScope
    rules: Sequence[Rule]
    others: Sequence[str] = ()
    since: datetime | None = None
    dry_run: bool = False


@dataclass(slots=True)
class _Change:
    """What differs in one document: the links by rules that go (relation, target, rule), and those that come."""

    gone: set[tuple[str, str, str]] = field(default_factory=set)
    made: list[tuple[str, str]] = field(default_factory=list)


def interlink(job: Job, transactions: Transactions, progress: Progress = lambda *_: None) -> list[RuleReport]:
    """Make the links of items what the rules say.

    Each rule costs one statement that finds what differs; a batch of documents is a transaction.

    Args:
        job: what to link.
        transactions: opens a transaction.
        progress: told how far it is.

    Raises:
        RulesInvalid: if a rule names a class that is unknown.
        InterlinkingBroken: if the database fails.
    """
    words = ontology.load()
    tasks = [_task(rule, job, words) for rule in job.rules]
    known = {*job.others, *(rule.name for rule in job.rules)}
    reports = []
    with _told():
        if not job.others and (gone := _changes(interlinking_sql.of_no_rule(job.scope, known), transactions)):
            reports.append(_apply(RuleReport(NO_RULE), gone, None, job, transactions, progress))
        for task in tasks:
            changes = _changes(interlinking_sql.differences(task), transactions)
            reports.append(_apply(RuleReport(task.rule.name), changes, task.rule, job, transactions, progress))
    return reports


def now(transactions: Transactions) -> datetime:
    """Return the time by the database's clock, for the `since` of a later run."""
    with _told(), transactions() as session:
        return session.execute(select(func.now())).scalar_one()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, DatabaseException, psycopg.Error) as error:
        raise InterlinkingBroken(f"the database failed: {first_line(error)}; start it again to finish") from error


def _task(rule: Rule, job: Job, words: Ontology) -> Task:
    try:
        source, target = (
            None if name is None else words.expand(words.resolve(name)) for name in (rule.source_isa, rule.target_isa)
        )
    except VocabularyError as error:
        raise RulesInvalid(f"rule {rule.name}: {error}") from error
    return Task(rule, job.scope, source, target, job.since)


def _changes(statement: Select[Any], transactions: Transactions) -> dict[str, _Change]:
    """Return what differs, by the name of the document, in the order of names."""
    found: dict[str, _Change] = {}
    with transactions() as session:
        for name, rows in groupby(session.execute(statement), lambda row: str(row.name)):
            change = found[name] = _Change()
            for row in rows:
                if row.gone:
                    change.gone.add((row.rel, row.target_name, row.rule))
                else:
                    change.made.append((row.rel, row.target_name))
    return dict(sorted(found.items()))


def _apply(
    report: RuleReport,
    changes: Mapping[str, _Change],
    rule: Rule | None,
    job: Job,
    transactions: Transactions,
    progress: Progress,
) -> RuleReport:
    """Write what differs, or count it alone."""
    done = 0
    left = iter(changes.items())
    while some := dict(islice(left, BATCH)):
        if job.dry_run:
            _count(report, some.values())
        else:
            with transactions() as session:
                refused = _write(some, rule, job.scope, session=session)
            # Counted when committed.
            _count(report, (change for name, change in some.items() if name not in refused))
            report.refused |= {name: reason for name, reason in refused.items() if reason}
        done += len(some)
        progress(report.rule, done, len(changes))
    return report


def _count(report: RuleReport, changes: Iterable[_Change]) -> None:
    for change in changes:
        report.documents += 1
        report.added += len(change.made)
        report.removed += len(change.gone)


def _write(
    changes: Mapping[str, _Change], rule: Rule | None, scope: InternalScope, *, session: Session
) -> dict[str, str]:
    """Write the documents of one batch; return those that were not, and why: nothing where they were deleted."""
    successors.hold(scope, changes, session=session)
    written, refused = [], dict.fromkeys(changes, "")
    for stored in documents.get_bulk([(scope, name) for name in changes], session=session):
        changed = _linked(stored, changes[stored.name], rule)
        try:
            documents.check_rewrite(stored, changed)
            check_size(len(orjson.dumps(changed)))
        except DafabError as error:
            refused[stored.name] = str(error)
            continue
        del refused[stored.name]
        written.append((stored, changed))
    documents.write_all_held(scope, written, session=session)
    return refused


def _linked(stored: StoredDocument, change: _Change, rule: Rule | None) -> dict[str, Any]:
    """Return a document with the links as they should be; a person's are as they were."""
    links = stored.document.get("links", [])
    kept = [each for each in links if not _goes(each, stored.scope, change.gone)]
    made = [] if rule is None else [_link(rule, name, _root(links)) for _, name in change.made]
    there = [each for each in made if each not in kept]
    return stored.document | {"links": [*kept, *there]}


def _goes(link: Any, scope: InternalScope, gone: set[tuple[str, str, str]]) -> bool:
    if not isinstance(link, dict):
        return False
    rule, named = rule_of(link), named_by(link.get("href"))
    if rule is None or named is None or named[0] not in {None, scope.external}:
        return False
    return (link.get("rel"), named[1], rule) in gone


def _link(rule: Rule, name: str, root: str) -> dict[str, Any]:
    """Return a link as documents have it: an address beside the others of the site, or else a name alone."""
    href = item_address(root, rule.target, name) if root else name
    title = {} if rule.title is None else {"title": rule.title}
    return {"rel": rule.relation, "href": href, "type": MEDIA_TYPE} | title | {RULE: rule.tag}


def _root(links: Iterable[Mapping[str, Any]]) -> str:
    hrefs = (str(each.get("href")) for each in links if each.get("rel") == "root")
    return next(hrefs, "").rstrip("/")
