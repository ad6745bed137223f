"""The kept record of a run: what went in, with which versions, what came of it, how long it took."""

import json
import platform
from hashlib import sha256
from importlib import metadata
from typing import Any, Final

from argo_templates.local.nodes import Node
from argo_templates.local.state import Run
from rucio_dafab import __version__
from rucio_dafab.files import write_json

EXECUTOR: Final = "rucio-dafab local executor"
"""What ran it. It is not Argo."""


def keep(run: Run) -> dict[str, Any]:
    """Write ``record.json`` of a run and return what is in it."""
    made = of(run)
    write_json(run.folder / "record.json", made)
    return made


def of(run: Run) -> dict[str, Any]:
    """Return the record of a run as it stands."""
    options, status = run.options(), run.status()
    document = json.dumps(run.document(), sort_keys=True)
    return {
        "run": run.name,
        "workflow": options.template,
        "document:sha256": sha256(document.encode()).hexdigest(),
        "parameters": dict(options.parameters),
        "executor": EXECUTOR,
        "back_end": options.back_end,
        "not_enforced": list(options.noted),
        "versions": {
            "rucio-dafab": __version__,
            "python": platform.python_version(),
            "hera": metadata.version("hera"),
        },
        "outcome": status.phase,
        "message": status.message,
        "created": options.created,
        "began": status.began,
        "ended": status.ended,
        "seconds": None if status.ended is None else round(status.ended - status.began, 3),
        "steps": [_step(node) for node in run.nodes()],
    }


def _step(node: Node) -> dict[str, Any]:
    return {
        "step": node.path,
        "template": node.template,
        "kind": node.kind,
        "outcome": node.phase,
        "message": node.message,
        "attempts": node.attempts,
        "exit_code": node.exit_code,
        "seconds": round(node.seconds, 3),
        "outputs": {name: value for name, value in node.parameters.items() if name},
    }
