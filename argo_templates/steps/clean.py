"""clean: what a run leaves behind once everything is published."""

import shutil
from pathlib import Path
from typing import Annotated

from hera.workflows import Input, Output, Parameter

from argo_templates.steps.archive import release
from argo_templates.work import Work, WorkError
from rucio_dafab.site.home import Home


class CleanInput(Input):
    """Which run's folder."""

    work: Annotated[str, Parameter(description="The working folder of this run")]


class CleanOutput(Output):
    """What was removed."""

    removed: Annotated[int, Parameter(description="Bytes removed")]


def clean(given: CleanInput) -> CleanOutput:
    """End the run's hold on its scene and remove its working folder; one that is gone already is no error.

    Raises:
        DasiError: if the store cannot be written.
        WorkError: if the folder is not below the working folders of this site.
    """
    work, allowed = Path(given.work).resolve(), Home.from_environment().work.resolve()
    if work == allowed or not work.is_relative_to(allowed):
        raise WorkError(f"{work} is not below {allowed} and is not removed")
    release(Work(work), processed=Work(work).published.is_file())
    size = sum(path.lstat().st_size for path in work.rglob("*") if path.is_file()) if work.is_dir() else 0
    if work.exists():
        shutil.rmtree(work)
    return CleanOutput(removed=size)
