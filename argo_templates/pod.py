"""What a step's pod runs: Hera's runner, with a refusal as one line and its exit status instead of a traceback.

``python -m argo_templates.pod`` takes what ``python -m hera.workflows.runner`` takes:
``-e module:function parameters.json``.
"""

import runpy
import sys

from pydantic import ValidationError

from rucio_dafab.errors import DafabError


def main() -> None:
    """Run one step.

    Raises:
        SystemExit: with the refusal's status: 75 for what is worth another try, 1 for what is not.
    """
    try:
        runpy.run_module("hera.workflows.runner", run_name="__main__", alter_sys=True)
    except DafabError as refusal:
        sys.stderr.write(f"error: {refusal}\n")
        sys.exit(refusal.exit_code)
    except ValidationError as refusal:
        wrong = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in refusal.errors())
        sys.stderr.write(f"error: {refusal.title}: {wrong}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
