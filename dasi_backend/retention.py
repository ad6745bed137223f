"""Retention: what the policy says is due leaves the store, a product at a time, and never what somebody holds.

:func:`plan` is a function of an account, a policy and a moment, and changes nothing. :func:`apply` does what a plan
says, and looks again under each product's lock whether it still holds.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from dasi_backend import tidying
from dasi_backend.accounting import Account, Holding, account
from dasi_backend.parts import Parts
from dasi_backend.policy import Policy
from dasi_backend.records import Note
from dasi_backend.removal import Remover
from rucio_dafab.errors import DafabError
from rucio_dafab.files import NoRoom, read_json, write_json

WAIT_SECONDS: Final = 5.0
"""How long one product in use may keep a run waiting: the next run comes."""

_TOTALS: Final = "totals.json"
_DAY: Final = 86_400.0


class Action(StrEnum):
    """What is done with a product."""

    KEEP = "keep"
    MARK = "mark"
    WAIT = "wait"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done with one product, and why."""

    holding: Holding
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of retention does.

    Attributes:
        account: What it was made from.
        verdicts: One for each product, the one whose last use is longest ago first.
        lacking: Bytes that ought to go and cannot, because somebody holds them.
    """

    account: Account
    verdicts: tuple[Verdict, ...]
    lacking: int

    def of(self, *actions: Action) -> Iterator[Verdict]:
        """Yield the verdicts with these actions."""
        return (verdict for verdict in self.verdicts if verdict.action in actions)


@dataclass(frozen=True, slots=True)
class Done:
    """What a run did.

    Attributes:
        removed: The products that are gone.
        left: Those that were to go and stay, with the reason: in use, read, or leased meanwhile.
        tidied: Bytes of what interrupted writers and removals had left.
    """

    removed: tuple[Verdict, ...] = ()
    left: tuple[tuple[Verdict, str], ...] = ()
    tidied: int = 0


def plan(found: Account, policy: Policy, now: float) -> Plan:
    """Return what is due at `now` (seconds since 1970).

    What is too old goes; then, while the store is too large or the disk too full, what was used longest ago. Held are,
    in this order: what is leased, pinned, too young, not processed yet, wanted.
    """
    kept = [_kept(holding, policy, now) for holding in found.holdings]
    due = [_old(holding, policy, now) if not why else None for holding, why in zip(found.holdings, kept, strict=True)]
    going = sum(holding.bytes for holding, why in zip(found.holdings, due, strict=True) if why)
    needed = policy.bytes_to_free(found.bytes, found.disk, found.free) - going
    for place, holding in enumerate(found.holdings):
        if needed > 0 and not kept[place] and not due[place]:
            due[place] = f"for space, last used {_days(now - holding.record.accessed)} ago"
            needed -= holding.bytes
    verdicts = tuple(
        _due(holding, reason, policy, now) if reason else Verdict(holding, Action.KEEP, why or "not due")
        for holding, reason, why in zip(found.holdings, due, kept, strict=True)
    )
    return Plan(found, verdicts, max(int(needed), 0))


def apply(parts: Parts, policy: Policy) -> tuple[Plan, Done]:
    """Tidy, plan and do it. Runs beside writers and readers; one run at a time.

    Raises:
        StoreError: if another run is at work.
    """
    patient = replace(parts, locks=replace(parts.locks, wait_seconds=WAIT_SECONDS))
    with parts.locks.retention():
        tidied = tidying.tidy(patient)
        made = plan(account(parts), policy, time.time())
        _mark(parts, made)
        removed, left = _remove(patient, made.of(Action.REMOVE))
        _count(parts.records.folder / _TOTALS, removed)
    return made, Done(tuple(removed), tuple(left), tidied)


def totals(parts: Parts) -> Mapping[str, int]:
    """Return how many products and bytes all runs together removed, and how many runs there were."""
    said = read_json(parts.records.folder / _TOTALS) or {}
    return {name: int(said.get(name, 0)) for name in ("runs", "products", "bytes")}


def _kept(holding: Holding, policy: Policy, now: float) -> str | None:
    rule, record = policy.rule_of(holding.record), holding.record
    age = now - record.archived
    if holding.leases:
        return f"leased by {'; '.join(lease.holder for lease in holding.leases)}"
    if holding.pin is not None:
        return f"pinned ({holding.pin})"
    if age < rule.min_age:
        return f"younger than {_days(rule.min_age)}"
    if rule.keep_until_processed and not holding.processed:
        return "not processed yet"
    wanted = next((each for each in policy.wanted if each.wants(record, age)), None)
    return f"wanted for {wanted.name}" if wanted else None


def _old(holding: Holding, policy: Policy, now: float) -> str | None:
    rule = policy.rule_of(holding.record)
    if rule.max_age is None or now - holding.record.archived <= rule.max_age:
        return None
    return f"older than {_days(rule.max_age)}"


def _due(holding: Holding, reason: str, policy: Policy, now: float) -> Verdict:
    if policy.lag <= 0 or (holding.marked is not None and now - holding.marked >= policy.lag):
        return Verdict(holding, Action.REMOVE, reason)
    if holding.marked is None:
        return Verdict(holding, Action.MARK, reason)
    left = _days(policy.lag - (now - holding.marked))
    return Verdict(holding, Action.WAIT, f"{reason}; marked, goes in {left}")


def _mark(parts: Parts, made: Plan) -> None:
    for verdict in made.of(Action.MARK):
        said = {"since": time.time(), "reason": verdict.reason}
        parts.records.note(Note.MARKED, verdict.holding.record.key.product, said)
    for verdict in made.of(Action.KEEP):
        if verdict.holding.marked is not None:
            parts.records.drop(Note.MARKED, verdict.holding.record.key.product)


def _remove(parts: Parts, due: Iterable[Verdict]) -> tuple[list[Verdict], list[tuple[Verdict, str]]]:
    removed, left = [], []
    remover = Remover(parts)
    for verdict in due:
        try:
            remover.remove(verdict.holding.record.key, partial(_changed, parts, verdict))
        except DafabError as refusal:  # held, in use, or without room for a note: the others go all the same
            left.append((verdict, str(refusal)))
        else:
            removed.append(verdict)
    return removed, left


def _changed(parts: Parts, verdict: Verdict) -> str | None:
    """Say, under the product's lock, why it stays after all."""
    record = parts.records.get(verdict.holding.record.key.product)
    if record is None or record.key != verdict.holding.record.key:
        return "is not what it was when the run began"
    if verdict.reason.startswith("for space") and record.accessed > verdict.holding.record.accessed:
        return "was used meanwhile"
    return None


def _count(path: Path, removed: Iterable[Verdict]) -> None:
    said = read_json(path) or {}
    gone = [verdict.holding.bytes for verdict in removed]
    counts = {"runs": 1, "products": len(gone), "bytes": sum(gone)}
    with suppress(NoRoom):  # nothing was removed, else there would be some
        write_json(path, {name: int(said.get(name, 0)) + count for name, count in counts.items()})


def _days(seconds: float) -> str:
    return f"{seconds / _DAY:.1f} d" if seconds >= _DAY else f"{max(seconds, 0) / 3600:.1f} h"
