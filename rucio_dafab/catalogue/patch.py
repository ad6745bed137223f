"""Documents changed by JSON pointer, of one DID or of many, so that of concurrent changes none is lost.

Each DID is locked before its document is read, in the order of names: two requests never wait for each other. What
results is held to all that a published document is held to, and its columns are made anew.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from rucio.common.types import InternalScope
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents
from rucio_dafab.catalogue.documents import StoredDocument
from rucio_dafab.errors import DafabError
from rucio_dafab.stac import patches
from rucio_dafab.stac.patches import Document, Operation
from rucio_dafab.stac.schemas import Schema, check_profile
from rucio_dafab.stac.validate import check_json, check_types

MAX_CHANGES: Final = 10_000
"""Documents of one request times operations."""

Did = tuple[InternalScope, str]
Transactions = Callable[[], AbstractContextManager[Session]]
"""Gives the session of a transaction that is committed when the block ends."""
Check = Callable[[Did, Session], None]
"""Raises if a DID may not be changed."""


class Mode(StrEnum):
    """What is kept where a change is refused."""

    ATOMIC = "atomic"
    """Nothing: one refusal refuses the request."""
    BEST_EFFORT = "best_effort"
    """The other DIDs: each is changed by all operations or stays as it was."""
    EACH_OPERATION = "each_operation"
    """All other operations, on each DID."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal: whose document, which operation (``None`` where it is the result of all that is refused), and why."""

    did: Did
    operation: int | None
    error: DafabError


@dataclass(frozen=True, slots=True)
class PatchReport:
    """Whose documents were changed, and what was refused."""

    updated: tuple[Did, ...]
    failures: tuple[Failure, ...]


class _Refused(Exception):
    """Carries a failure out of a transaction that shall be rolled back."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


def patch(
    dids: Sequence[Did],
    operations: Sequence[Operation],
    mode: Mode,
    *,
    transactions: Transactions,
    check: Check,
    schema: Schema | None = None,
) -> PatchReport:
    """Apply operations, in order, to the documents of DIDs.

    Args:
        dids: the DIDs, none twice.
        operations: what to change, one at least.
        mode: what is kept where something is refused.
        transactions: opens a transaction: one for all in mode atomic, else one a DID.
        check: asked first whether a DID may be changed.
        schema: one that every result must satisfy, beside the one that its document is held to.

    Raises:
        DafabError: in mode atomic, the first refusal, with the DID named; nothing is changed then.
    """
    ordered = sorted(dids, key=lambda did: (did[0].internal, did[1]))
    change = _Change(operations, check, schema, each=mode is Mode.EACH_OPERATION)
    if mode is Mode.ATOMIC:
        return _together(ordered, change, transactions)
    outcomes = {did: _alone(did, change, transactions) for did in ordered}
    changed = tuple(did for did in dids if outcomes[did].changed)
    return PatchReport(changed, tuple(failure for did in dids for failure in outcomes[did].failures))


def _together(dids: Sequence[Did], change: "_Change", transactions: Transactions) -> PatchReport:
    """Change all documents in one transaction."""
    try:
        with transactions() as session:
            for did in dids:
                change.apply(did, session)
    except _Refused as refused:
        raise _told(refused.failure) from refused.failure.error
    return PatchReport(tuple(dids), ())


@dataclass(frozen=True, slots=True)
class _Outcome:
    changed: bool
    failures: tuple[Failure, ...]


def _alone(did: Did, change: "_Change", transactions: Transactions) -> _Outcome:
    """Change one document in a transaction of its own."""
    try:
        with transactions() as session:
            failures = change.apply(did, session)
    except _Refused as refused:
        return _Outcome(changed=False, failures=(refused.failure,))
    return _Outcome(len(failures) < len(change.operations), tuple(failures))


@dataclass(frozen=True, slots=True)
class _Change:
    """What one request does to each of its documents."""

    operations: Sequence[Operation]
    check: Check
    schema: Schema | None
    each: bool

    def apply(self, did: Did, session: Session) -> list[Failure]:
        """Change one document within a transaction; return the operations that were refused, where others may stand.

        Raises:
            _Refused: if the document cannot be changed.
        """
        try:
            self.check(did, session)
            stored = documents.hold(*did, session=session)
        except DafabError as error:
            raise _Refused(Failure(did, None, error)) from error
        if not self.each:
            self._write(did, stored, self._all(did, stored), session)
            return []
        changed, failures = self._every(did, stored)
        if len(failures) < len(self.operations):
            self._write(did, stored, changed, session)
        return failures

    def _all(self, did: Did, stored: StoredDocument) -> Document | None:
        changed: Document | None = _copy(stored.document) if stored.exists else None
        for number, operation in enumerate(self.operations):
            try:
                changed = patches.apply(changed, operation)
            except DafabError as error:
                raise _Refused(Failure(did, number, error)) from error
        try:
            self._judge(stored, changed)
        except DafabError as error:
            raise _Refused(Failure(did, None, error)) from error
        return changed

    def _every(self, did: Did, stored: StoredDocument) -> tuple[Document | None, list[Failure]]:
        """Apply one operation after the other; one whose result is refused leaves no trace."""
        changed: Document | None = stored.document if stored.exists else None
        failures = []
        for number, operation in enumerate(self.operations):
            try:
                attempt = patches.apply(_copy(changed), operation)
                self._judge(stored, attempt)
            except DafabError as error:
                failures.append(Failure(did, number, error))
            else:
                changed = attempt
        return changed, failures

    def _judge(self, stored: StoredDocument, changed: Document | None) -> None:
        """Check a result: values can be kept, queryables have their types, a complete document is so still."""
        if changed is None:
            return
        if stored.partial:
            check_json(changed)
        documents.check_rewrite(stored, changed)
        check_types(changed)
        if self.schema is not None:
            check_profile(changed, self.schema)

    def _write(self, did: Did, stored: StoredDocument, changed: Document | None, session: Session) -> None:
        try:
            if changed is None:
                documents.remove(stored, session=session)
            else:
                documents.write_held(stored, changed, session=session)
        except DafabError as error:
            raise _Refused(Failure(did, None, error)) from error


def _copy(document: Document | None) -> Any:
    return None if document is None else orjson.loads(orjson.dumps(document))


def _told(failure: Failure) -> DafabError:
    """Return the error of a failure, its text beginning with the DID."""
    scope, name = failure.did
    place = f"{scope.external}:{name}" + ("" if failure.operation is None else f", operation {failure.operation}")
    failure.error.args = (f"{place}: {failure.error}",)
    return failure.error
