"""clean: what a run leaves behind once everything is published."""

import shutil
from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates import scenes
from argo_templates.steps.archive import release
from argo_templates.work import RunFolder, Work, WorkError
from rucio_dafab.site.home import Home


class CleanInput(Input):
    """Which run's folder."""

    work: Annotated[str, Parameter(description="The working folder of this run")]


class CleanOutput(Output):
    """What was removed."""

    removed: Annotated[int, Parameter(description="Bytes removed")]


def clean(given: CleanInput) -> CleanOutput:
    """End the run's hold on its scene and remove its working folder; one that is gone already is no error.

    What came of the scene is noted in the folder of its workflow first, where it has one.

    Raises:
        DasiError: if the store cannot be written.
        WorkError: if the folder is not below the working folders of this site.
    """
    work = Work(Path(given.work).resolve())
    # A workflow cleans a scene whose products there are: what it did not publish itself was memoised.
    other = scenes.STORED if RunFolder.of(work) is None else scenes.REMEMBERED
    return CleanOutput(removed=remove(work, scenes.DONE if work.published.is_file() else other))


def remove(work: Work, outcome: str, reason: str = "") -> int:
    """Do it, with what came of the scene; return the bytes removed.

    Raises:
        DasiError: if the store cannot be written.
        WorkError: if the folder is not below the working folders of this site.
    """
    allowed = Home.from_environment().work.resolve()
    root = work.root.resolve()
    if root == allowed or not root.is_relative_to(allowed):
        raise WorkError(f"{root} is not below {allowed} and is not removed")
    release(work, processed=work.published.is_file() or outcome == scenes.REMEMBERED)
    scenes.note(work, outcome, reason)
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file()) if root.is_dir() else 0
    if root.exists():
        shutil.rmtree(root)
    return size
