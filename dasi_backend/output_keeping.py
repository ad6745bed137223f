"""What ``dasi`` prints of space and retention."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.filesize import decimal
from rich.table import Table

from dasi_backend.accounting import Account, Holding
from dasi_backend.retention import Action, Done, Plan, Verdict


def space_record(account: Account, holdings: Sequence[Holding]) -> dict[str, Any]:
    """Return what is in a store as JSON says it."""
    return {
        "bytes": sum(holding.bytes for holding in holdings),
        "unfinished_bytes": sum(taken for _, _, taken in account.unfinished),
        "disk": {"bytes": account.disk, "free": account.free},
        "products": [_holding(holding) for holding in holdings],
    }


def space_table(account: Account, holdings: Sequence[Holding]) -> Table:
    """Return what is in a store as a table, the product whose last use is longest ago first."""
    taken = decimal(sum(holding.bytes for holding in holdings))
    table = _table(
        f"{len(holdings)} products, {taken}; {decimal(account.free)} of {decimal(account.disk)} free",
        ("id", "collection", "size", "archived (UTC)", "last used (UTC)", "held"),
    )
    for holding in holdings:
        table.add_row(*_described(holding), _held(holding))
    return table


def plan_record(plan: Plan, done: Done | None) -> dict[str, Any]:
    """Return a run of retention as JSON says it."""
    return {
        "applied": done is not None,
        "bytes": plan.account.bytes,
        "disk": {"bytes": plan.account.disk, "free": plan.account.free},
        "lacking": plan.lacking,
        "counts": dict(Counter(str(verdict.action) for verdict in plan.verdicts)),
        "removed": [verdict.holding.record.key.id for verdict in done.removed] if done else [],
        "left": {verdict.holding.record.key.id: why for verdict, why in done.left} if done else {},
        "tidied": done.tidied if done else 0,
        "products": [_holding(one.holding) | {"action": one.action, "reason": one.reason} for one in plan.verdicts],
    }


def plan_table(plan: Plan, done: Done | None, everything: bool) -> Table:
    """Return what goes, and why, as a table; what stays too when `everything`."""
    shown = [verdict for verdict in plan.verdicts if everything or verdict.action is not Action.KEEP]
    table = _table(
        _title(plan, done), ("action", "id", "collection", "size", "archived (UTC)", "last used (UTC)", "why")
    )
    left = {verdict.holding.record.key.id: why for verdict, why in done.left} if done else {}
    for verdict in shown:
        why = left.get(verdict.holding.record.key.id)
        table.add_row(_action(verdict, done, why), *_described(verdict.holding), why or verdict.reason)
    return table


def _title(plan: Plan, done: Done | None) -> str:
    due = list(plan.of(Action.MARK, Action.WAIT, Action.REMOVE))
    kept = len(plan.verdicts) - len(due)
    size = decimal(sum(verdict.holding.bytes for verdict in due))
    said = f"{len(due)} of {len(plan.verdicts)} products due ({size}), {kept} stay"
    if plan.lacking:
        said += f"; {decimal(plan.lacking)} more ought to go and are held"
    if done is None:
        return f"{said}; nothing was changed: --apply does it"
    return f"{said}; removed {len(done.removed)}, tidied {decimal(done.tidied)}"


def _action(verdict: Verdict, done: Done | None, left: str | None) -> str:
    if done is None:
        return str(verdict.action)
    said = {Action.REMOVE: "removed", Action.MARK: "marked", Action.WAIT: "waits", Action.KEEP: "kept"}
    return "left" if left else said[verdict.action]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold", justify="right" if column == "size" else "left")
    return table


def _described(holding: Holding) -> tuple[str, str, str, str, str]:
    record = holding.record
    moments = (f"{datetime.fromtimestamp(each, UTC):%Y-%m-%d %H:%M}" for each in (record.archived, record.accessed))
    archived, accessed = moments
    return record.key.id, record.collection or "", decimal(holding.bytes), archived, accessed


def _held(holding: Holding) -> str:
    said = [f"leased by {lease}" for lease in holding.leases]
    if holding.pin is not None:
        said.append(f"pinned ({holding.pin})")
    if holding.marked is not None:
        said.append("due")
    return "; ".join(said)


def _holding(holding: Holding) -> dict[str, Any]:
    record = holding.record
    return {
        "id": record.key.id,
        "key": record.key.index,
        "collection": record.collection,
        "bytes": holding.bytes,
        "archived": _moment(record.archived),
        "accessed": _moment(record.accessed),
        "pinned": holding.pin,
        "processed": holding.processed,
        "marked": _moment(holding.marked),
        "leases": [
            {"holder": lease.holder, "host": lease.host, "expires": _moment(lease.expires)}
            | ({"pid": lease.process.pid} if lease.process else {})
            for lease in holding.leases
        ],
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
