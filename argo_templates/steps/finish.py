"""finish: the exit hook of a workflow: what failed for good leaves nothing behind, and the run is recorded in Rucio."""

import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Set
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from hera.workflows import Input, Output, Parameter

from argo_templates import measures, run_record, scenes
from argo_templates.measures import Measure
from argo_templates.placement.sites import load_sites
from argo_templates.steps.archive import release, withdraw
from argo_templates.steps.clean import remove
from argo_templates.work import RunFolder, Work, WorkError
from rucio_dafab import __version__
from rucio_dafab.client import DafabClient, PublishRequest
from rucio_dafab.site.home import DERIVED_ACCOUNT, SCOPE, Home

TRY_AGAIN = os.EX_TEMPFAIL
ONLY_ONE = "scene"
"""The working folder of a workflow over a single scene."""
SUCCEEDED = "Succeeded"


class FinishInput(Input):
    """What Argo knows of a workflow that has ended."""

    work: Annotated[str, Parameter(description="The folder of the workflow among the working folders")]
    name: Annotated[str, Parameter(description="The name of the workflow")]
    template: Annotated[str, Parameter(description="The name of its template")]
    namespace: Annotated[str, Parameter(description="Its namespace")]
    status: Annotated[str, Parameter(description="Succeeded, Failed or Error")]
    created: Annotated[str, Parameter(description="When it was created (RFC 3339)")]
    seconds: Annotated[str, Parameter(description="How long it took")]
    parameters: Annotated[str, Parameter(description="All its parameters (JSON)")]
    failures: Annotated[str, Parameter(description="The steps that failed (JSON)")]
    site: Annotated[str, Parameter(description="The site whose file states watts and prices")]


class FinishOutput(Output):
    """What was recorded."""

    record: Annotated[str, Parameter(description="The item of the collection workflow_runs")]
    withdrawn: Annotated[int, Parameter(description="Scenes that were refused for good; nothing of them stays")]
    kept: Annotated[int, Parameter(description="Scenes whose working folders stay for another try")]


def finish(given: FinishInput) -> FinishOutput:
    """Settle every scene of the workflow and publish the record of the run; again is harmless.

    Leases are ended in any case. A scene whose last step refused it for good is taken out of the rolling store again
    if this run stored it, and its working folder goes; one that failed by what another try may mend keeps its folder.

    Raises:
        DasiError: if the store cannot be written.
        ClientError: if the catalogue does not answer or refuses the record.
        WorkError: if the folder is not below the working folders of this site.
    """
    run = RunFolder(_checked(Path(given.work)))
    taken = measures.read(run)
    begun = {path.name for path in run.scenes.glob("*")} | {path.stem for path in run.ended.glob("[!.]*.json")}
    left = [_settle(Work(path), given.status, taken) for path in sorted(run.scenes.glob("*")) if path.is_dir()]
    kept = [each for each in left if each["outcome"] == scenes.KEPT]
    ended = [*scenes.of_run(run), *kept]
    ended += _never_begun(taken, begun)
    # JSON of tags: Argo gives null for no failures.
    end = run_record.ending({name: getattr(given, name) for name in type(given).model_fields})
    document = run_record.item(end, taken, ended, load_sites().named(given.site), _versions())
    DafabClient.of_account(DERIVED_ACCOUNT).publish(PublishRequest(SCOPE, document, {}, update=True))
    if not kept and run.root.exists():
        shutil.rmtree(run.root)
    withdrawn = sum(each["outcome"] == scenes.WITHDRAWN for each in ended)
    return FinishOutput(record=document["id"], withdrawn=withdrawn, kept=len(kept))


def _checked(root: Path) -> Path:
    allowed = Home.from_environment().work.resolve()
    if root.resolve().parent != allowed:
        raise WorkError(f"{root} is no folder of a workflow in {allowed}")
    return root


def _settle(work: Work, status: str, taken: list[Measure]) -> Mapping[str, Any]:
    """End the run's hold on a scene; return what came of it."""
    if status == SUCCEEDED or work.published.is_file():
        outcome, reason = scenes.DONE if work.published.is_file() else scenes.STORED, ""
        found = scenes.summary(work, outcome, reason)
        remove(work, outcome, reason)
        return found
    refusal = next((each for each in reversed(taken) if _is_of(each, work) and each.status), None)
    if refusal is None or refusal.status == TRY_AGAIN:
        release(work)
        return scenes.summary(work, scenes.KEPT, refusal.reason if refusal else "a step did not end by itself")
    withdraw(work)
    found = scenes.summary(work, scenes.WITHDRAWN, refusal.reason)
    remove(work, scenes.WITHDRAWN, refusal.reason)
    return found


def _never_begun(taken: list[Measure], begun: Set[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the scenes that were refused before anything of them was there: an archive did not give them.

    Folders of workflows over many scenes are called like these; that of one over a single scene says nothing.
    """
    last = {work.root.name: each for each in taken if RunFolder.of(work := Work(Path(each.work))) is not None}
    for name, measure in sorted(last.items()):
        if measure.status and name not in begun and name != ONLY_ONE:
            yield {"scene": name, "outcome": scenes.WITHDRAWN, "reason": measure.reason}


def _is_of(measure: Measure, work: Work) -> bool:
    """Tell whether a step worked in a folder, whatever the path by which its pod saw it."""
    return Path(measure.work).name == work.root.name


def _versions() -> dict[str, str]:
    return {
        "rucio-dafab": __version__,
        "python": platform.python_version(),
        "hera": metadata.version("hera"),
    }
