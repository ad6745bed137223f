"""What a step's pod runs: Hera's runner, with a refusal as one line and its exit status instead of a traceback.

``python -m argo_templates.pod`` takes what ``python -m hera.workflows.runner`` takes:
``-e module:function parameters.json``. What the step took is kept in the folder of its run.
"""

import runpy
import sys
import time

from pydantic import ValidationError

from argo_templates import measures
from rucio_dafab.errors import DafabError


def main() -> None:
    """Run one step.

    Raises:
        SystemExit: with the refusal's status: 75 for what is worth another try, 1 for what is not.
    """
    began, arguments = time.time(), sys.argv[1:]
    status, reason = 1, "it raised an error that is none of ours"
    try:
        runpy.run_module("hera.workflows.runner", run_name="__main__", alter_sys=True)
        status, reason = 0, ""
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        reason = "" if not status else f"exit status {status}"
        raise
    except DafabError as refusal:
        status, reason = refusal.exit_code, str(refusal)
    except ValidationError as refusal:
        wrong = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in refusal.errors())
        status, reason = 1, f"{refusal.title}: {wrong}"
    finally:
        measures.keep(arguments, began, status, reason)
    if status:
        sys.stderr.write(f"error: {reason}\n")
        sys.exit(status)


if __name__ == "__main__":
    main()
