"""The commands of ``dasi`` that keep and remove: wipe, pin, unpin, lease, release, retention."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from dasi_backend import config as configuration
from dasi_backend import metrics, output, output_keeping, policy, retention
from dasi_backend.backends import backend_of, store_of
from dasi_backend.cli_publish import take_back
from dasi_backend.cli_requests import AsJson, BackendType, ConfigPath, Requests, chosen, requests_of, show
from dasi_backend.errors import NotStored, RequestError
from dasi_backend.holds import Use
from dasi_backend.keys import ProductKey
from dasi_backend.language import Request
from dasi_backend.leases import SIX_HOURS, Process
from dasi_backend.store import Store

Apply = Annotated[bool, typer.Option("--apply", help="Do it; without this nothing is changed.")]
Holder = Annotated[str, typer.Option("--holder", help="Who uses the products: a run, a person, a service.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    for command in (wipe, pin, unpin, lease, release):
        app.command()(command)
    app.command("retention")(retention_)


def wipe(
    request: Requests = None,
    apply: Apply = False,
    everything: Annotated[bool, typer.Option("--all", help="Allow a request without any key.")] = False,
    backend: BackendType = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Remove products; without --apply only say which. Leased and pinned ones are refused by name.

    In a catalogue the lifetimes of items and of their files end, and Rucio deletes them.
    """
    found = chosen(configuration.find(config), backend)
    requests, wiped = requests_of("wipe", request) or [Request("wipe", {})], backend_of(found)
    # All of them say what they would remove before the first removes anything.
    planned = [wiped.wipe(one, everything=everything) for one in requests]
    gone: list[str] = []
    try:
        for one, keys in zip(requests, planned, strict=True):
            names = [key["id"] for key in (wiped.wipe(one, doit=True, everything=everything) if apply else keys)]
            gone += _say_gone([name for name in names if name not in gone], apply, as_json)
    finally:
        if apply and found.type != configuration.RUCIO:
            take_back(found)
    if as_json:
        output.print_json({"applied": apply, "products": gone})
    elif not apply:
        output.console().print(f"{len(gone)} products; nothing was removed: --apply does it")


def pin(
    request: Requests = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever wonders.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Keep products until they are unpinned."""
    store = store_of(configuration.find(config))
    keys = _chosen(store, "pin", request)
    for key in keys:
        store.holds.pin(key.product, reason)
    _say("pinned", keys, as_json)


def unpin(request: Requests = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Take the pins off products."""
    store = store_of(configuration.find(config))
    _say("unpinned", [key for key in _chosen(store, "unpin", request) if store.holds.unpin(key.product)], as_json)


def lease(
    holder: Holder,
    request: Requests = None,
    hours: Annotated[float, typer.Option("--hours", help="How long at most.")] = SIX_HOURS / 3600,
    process: Annotated[
        int | None, typer.Option("--process", help="A process of this machine with which the lease ends, too.")
    ] = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Hold products that are in use: nobody removes them before the lease ends; again renews it."""
    store = store_of(configuration.find(config))
    use = Use(holder, hours * 3600, None if process is None else Process.current(process))
    keys = _chosen(store, "lease", request)
    for key in keys:
        store.holds.lease(key.product, use)
    _say("leased", keys, as_json)


def release(holder: Holder, request: Requests = None, config: ConfigPath = None, as_json: AsJson = False) -> None:
    """End the leases that a holder has of products."""
    store = store_of(configuration.find(config))
    keys = [key for key in _chosen(store, "release", request) if store.holds.release(key.product, holder)]
    _say("released", keys, as_json)


def retention_(
    apply: Apply = False,
    policy_path: Annotated[
        Path | None, typer.Option("--policy", help="A retention.toml; by default the one that dasi.yml names, or ours.")
    ] = None,
    metrics_path: Annotated[
        Path | None, typer.Option("--metrics", help="Write a Prometheus text file of what is in the store then.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what stays, too, and why.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Show what the retention policy would remove, and why; --apply does it."""
    found = configuration.find(config)
    store, said = store_of(found), policy.read(policy_path or found.retention or policy.DEFAULT)
    if apply:
        plan, done = retention.apply(store.parts, said)
        take_back(found)
    else:
        plan, done = retention.plan(store.account(), said, time.time()), None
    for name in said.unmatched(holding.record for holding in plan.account.holdings):
        output.progress_console().print(
            f"warning: no product in the store is of the collection {name}, which the policy names", soft_wrap=True
        )
    if metrics_path is not None:
        metrics.write(metrics_path, store.account() if apply else plan.account, retention.totals(store.parts))
    show(output_keeping.plan_record(plan, done), output_keeping.plan_table(plan, done, everything), as_json)


def show_space(store: Store, requests: Sequence[Request], as_json: bool) -> None:
    """Print what the products of requests take, when they were last used, and who holds them."""
    if any(one.expect is not None for one in requests):
        raise RequestError("inspect --space takes keys of products, without expect")
    account = store.account()
    if requests:
        chosen = {product.key.product for one in requests for product in store.products(one.keys)}
        holdings = [holding for holding in account.holdings if holding.record.key.product in chosen]
    else:
        holdings = list(account.holdings)
    show(output_keeping.space_record(account, holdings), output_keeping.space_table(account, holdings), as_json)


def _say_gone(names: list[str], apply: bool, as_json: bool) -> list[str]:
    for name in [] if as_json else names:
        output.console().print(f"{'removed' if apply else 'would remove'} {name}", soft_wrap=True, markup=False)
    return names


def _chosen(store: Store, verb: str, arguments: list[str] | None) -> list[ProductKey]:
    """Return what a command's requests choose; it has no verb of its own, so they say ``list``."""
    requests = requests_of("list", arguments)
    if any(one.expect is not None for one in requests):
        raise RequestError(f"{verb} takes keys of products, without expect")
    if not requests or not all(one.keys for one in requests):
        raise RequestError(f"{verb} needs to know which products: id=… or other keys of the store")
    keys = [product.key for one in requests for product in store.products(one.keys)]
    if not keys:
        raise NotStored("nothing in the rolling store answers the request")
    return keys


def _say(what: str, keys: Iterable[ProductKey], as_json: bool) -> None:
    identifiers = [key.id for key in keys]
    if as_json:
        output.print_json({what: identifiers})
        return
    for identifier in identifiers:
        output.console().print(f"{what} {identifier}", soft_wrap=True, markup=False)
    if not identifiers:
        output.console().print(f"nothing to be {what}")
