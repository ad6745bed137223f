"""A scene judged before anything is stored of it: the decision in its working folder, and in what is registered."""

from typing import Any

from argo_templates.work import Work, read_json, write_json
from rucio_dafab.eo.curation import CURATION, judge, load_rules, require_fit
from rucio_dafab.eo.scene import Scene

LINE = "line"


def curate(scene: Scene, work: Work) -> None:
    """Judge a scene and keep the decision in the working folder.

    Raises:
        SceneError: if the scene is unfit, or a file that is looked at is unreadable.
        CurationError: if the table of rules cannot be used.
    """
    decision = judge(scene, load_rules())
    require_fit(scene, decision)
    write_json(work.curation, {LINE: decision.line, CURATION: decision.document()})


def said(work: Work) -> str:
    """Return the decision in one line; empty where there is none."""
    return str(read_json(work.curation)[LINE]) if work.curation.is_file() else ""


def properties(work: Work) -> dict[str, Any]:
    """Return what the items of the scene say of it, ``{"dafab:curation": …}``; nothing where it was not judged."""
    return {CURATION: read_json(work.curation)[CURATION]} if work.curation.is_file() else {}
