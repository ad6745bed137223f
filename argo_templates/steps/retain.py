"""retain: the rolling store's retention, as ``dasi retention`` does it."""

import time
from pathlib import Path
from typing import Annotated, Literal

from hera.workflows import Input, Output, Parameter

from dasi_backend import policy, retention
from dasi_backend.retention import Action
from dasi_backend.store import Store
from rucio_dafab.site.home import Home


class RetainInput(Input):
    """By which policy, and whether to do it."""

    policy: Annotated[str, Parameter(description="A retention.toml; empty for the one that ships")] = ""
    apply: Annotated[Literal["yes", "no"], Parameter(description="Do it, or only say what would be done")] = "yes"


class RetainOutput(Output):
    """What was done, or would be."""

    removed: Annotated[int, Parameter(description="Products that are gone, or would be marked or removed")]
    bytes: Annotated[int, Parameter(description="Their bytes")]
    marked: Annotated[int, Parameter(description="Products that are due and wait for the lag of the policy")]
    left: Annotated[int, Parameter(description="Products that were to go and stay: in use meanwhile")]
    leased: Annotated[int, Parameter(description="Products that stay because somebody holds a lease")]


def retain(given: RetainInput) -> RetainOutput:
    """Remove what the policy says is due; never what is leased, pinned or in use.

    Raises:
        DasiError: if the policy cannot be read, or another run of retention is at work.
    """
    said = policy.read(Path(given.policy) if given.policy else policy.DEFAULT)
    store = Store(Home.from_environment().store)
    if given.apply == "yes":
        plan, done = retention.apply(store.parts, said)
    else:
        plan, done = retention.plan(store.account(), said, time.time()), retention.Done()
    gone = done.removed if given.apply == "yes" else tuple(plan.of(Action.REMOVE))
    return RetainOutput(
        removed=len(gone),
        bytes=sum(verdict.holding.bytes for verdict in gone),
        marked=len(list(plan.of(Action.MARK, Action.WAIT))),
        left=len(done.left),
        leased=sum(bool(verdict.holding.leases) for verdict in plan.verdicts),
    )
