"""``python -m argo_templates.local NAME``: a run that was prepared, in a process of its own."""

import sys

from argo_templates.local import runs
from rucio_dafab.errors import DafabError
from rucio_dafab.site.home import Home


def main(name: str) -> int:
    """Run it; return 0 if it succeeded."""
    home = Home.from_environment()
    try:
        return int(runs.execute(home, runs.find(home, name)).phase != "Succeeded")
    except DafabError as refusal:
        sys.stderr.write(f"error: {refusal}\n")
        return refusal.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
