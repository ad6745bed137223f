"""What came of each scene of a workflow, kept in the workflow's folder when the scene's own working folder goes."""

from typing import Any, Final

from argo_templates.work import RunFolder, Work, read_json, write_json
from rucio_dafab.files import read_json as read_if_there

DONE: Final = "published"
STORED: Final = "stored"
REMEMBERED: Final = "remembered"
WITHDRAWN: Final = "withdrawn"
KEPT: Final = "kept"
"""Outcomes of a scene: its products are in Rucio; it is in the rolling store; another run made the same of it; it was
refused and nothing of it stays; it failed by what another try may mend, and its working folder stays."""


def note(work: Work, outcome: str, reason: str = "") -> None:
    """Keep what came of a scene; nothing for a folder that is of no workflow or is gone already."""
    run = RunFolder.of(work)
    if run is not None and work.root.is_dir():
        write_json(run.ended / f"{work.root.name}.json", summary(work, outcome, reason))


def summary(work: Work, outcome: str, reason: str = "") -> dict[str, Any]:
    """Return what the working folder of a scene tells of it."""
    item = read_if_there(work.staged / "item.json") or {}
    found: dict[str, Any] = {"scene": item.get("id", work.root.name), "outcome": outcome}
    found |= {"reason": reason} if reason else {}
    if item.get("geometry"):
        found["geometry"] = item["geometry"]
    if work.archived.is_file():
        found["store"] = read_json(work.archived)["outcome"]
    if work.published.is_file():
        published = read_json(work.published)
        found["models"] = published["record"]
        found["items"] = [{"item": each["item"], "outcome": each["outcome"]} for each in published["items"]]
    return found


def of_run(run: RunFolder) -> list[dict[str, Any]]:
    """Return what came of every scene that has ended, by their names."""
    values = (read_if_there(path) for path in sorted(run.ended.glob("[!.]*.json")))
    return [value for value in values if value]
