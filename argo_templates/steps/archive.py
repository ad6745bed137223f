"""archive: the staged scene into the rolling store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Final

from hera.workflows import Input, Output, Parameter

from argo_templates.work import Work, fingerprint, listed, read_json, seal_of, write_json
from dasi_backend.errors import Held, NotStored
from dasi_backend.holds import Use
from dasi_backend.leases import Process
from dasi_backend.store import Store
from rucio_dafab import __version__
from rucio_dafab.site.home import Home

STORED: Final = "stored"
"""The outcome of a run whose scene was not in the store before."""

_ONE_PROCESS: Final[ContextVar[bool]] = ContextVar("one_process", default=False)


@contextmanager
def one_process() -> Iterator[None]:
    """Say that this process runs every step itself: the run's hold on its scene then ends with the process."""
    token = _ONE_PROCESS.set(True)
    try:
        yield
    finally:
        _ONE_PROCESS.reset(token)


class ArchiveInput(Input):
    """Which run's scene."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    models: Annotated[str, Parameter(description="The models that will run, comma separated, for the memo")] = ""
    rse: Annotated[str, Parameter(description="The RSE that will keep the products, for the memo")] = ""
    second: Annotated[str, Parameter(description="The second acquisition that models will take, for the memo")] = ""


class ArchiveOutput(Output):
    """What the store calls the scene."""

    product: Annotated[str, Parameter(description="The key of the product in the rolling store")]
    outcome: Annotated[str, Parameter(description="stored, or unchanged when the same content was there already")]
    scene_id: Annotated[str, Parameter(description="The id of the scene")]
    memo: Annotated[str, Parameter(description="The key of what is made of it: content, models, RSE and versions")]


def archive(given: ArchiveInput) -> ArchiveOutput:
    """Archive the staged scene; one that is in the store already is left as it is. The run holds it from then on.

    Raises:
        DasiError: if the store cannot keep the scene, keeps another one under the same id, or lacks the second one.
        WorkError: if no scene is staged.
    """
    work = Work(Path(given.work))
    seal_of(work.staged)
    store = Store(Home.from_environment().store)
    second = [store.get(given.second).manifest.content] if given.second else []
    archived = store.put(work.staged, _use(work))
    keys = archived.key.database | {"product": archived.key.product}
    # A run that is taken up again finds unchanged what it stored itself: it may still have to withdraw it.
    outcome = STORED if _stored_before(work, keys) else archived.outcome
    write_json(work.archived, {"id": archived.key.id, "keys": keys, "outcome": outcome})
    return ArchiveOutput(
        product=request_of(keys),
        outcome=outcome,
        scene_id=archived.key.id,
        memo=_memo([store.get(archived.key.id).manifest.content, *second], listed(given.models), given.rse),
    )


def _memo(contents: Sequence[str], models: Sequence[str], rse: str) -> str:
    """Return a checksum of all that decides what is made: the scenes, each model's file, the RSE, this software."""
    # onnxruntime comes with it, which those that only end a lease do without.
    from rucio_dafab.eo.models import load_model  # noqa: PLC0415

    made_by = {model: load_model(model).sha256 for model in models}
    return fingerprint("products", *contents, made_by, rse, __version__)


def request_of(keys: Mapping[str, str]) -> str:
    """Return the keys of a product as a request names them: ``mission=s2,level=l2a,…``."""
    return ",".join(f"{name}={value}" for name, value in keys.items())


def release(work: Work, *, processed: bool = False) -> None:
    """End the run's leases of its scene and of the second acquisition that it brought.

    Args:
        work: The run.
        processed: Note in the store, too, that everything of the scene is published.

    Raises:
        DasiError: if the store cannot be written.
    """
    _release(work.second, processed=False)
    _release(work, processed=processed)


def _release(work: Work, *, processed: bool) -> None:
    if not work.archived.is_file():
        return
    product = read_json(work.archived)["keys"]["product"]
    holds = Store(Home.from_environment().store).holds
    if processed:
        with suppress(NotStored):  # a lease that ran out kept it no longer
            holds.processed(product)
    holds.release(product, _holder(work))


def _holder(work: Work) -> str:
    return f"run {work.root.name}"


def _use(work: Work) -> Use:
    """Return the run's use of its scene: until it is released, or until the one process of all steps ends."""
    return Use(_holder(work), process=Process.current() if _ONE_PROCESS.get() else None)


def _stored_before(work: Work, keys: Mapping[str, str]) -> bool:
    if not work.archived.is_file():
        return False
    before = read_json(work.archived)
    return bool(before["keys"] == keys and before["outcome"] == STORED)


def withdraw(work: Work) -> None:
    """Take what this run stored out of the rolling store again, because a later step refused it for good.

    Left there, it would keep its corrected self out: the store never replaces content under an id.

    Raises:
        DasiError: if the store does not let it go.
    """
    release(work)
    for each in (work, work.second):
        _withdraw(each)


def _withdraw(work: Work) -> None:
    if work.archived.is_file() and (archived := read_json(work.archived))["outcome"] == STORED:
        with suppress(Held):  # another run has begun to use it, or somebody has pinned it
            Store(Home.from_environment().store).wipe(archived["keys"], doit=True)
