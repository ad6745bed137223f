"""``python -m benchmarks.workflows.takes RUN… [--home FOLDER]``: what the pods of runs took, by the step.

Reads what the local executor keeps of its pods (process back end): for every step the memory of the largest process of
any pod, and the most processor seconds a second of pods that ran for a second or more. These are the figures of
``argo_templates/resource_requests.yaml``. A copy of the warm keeper and a fresh interpreter take the same within 20 MB.
"""

import argparse
from collections import defaultdict
from pathlib import Path

from argo_templates.local import runs
from argo_templates.local.nodes import Node
from argo_templates.local.state import Run
from rucio_dafab.site.home import Home


def pods(run: Run) -> list[Node]:
    """Return the pods of a run that were measured."""
    return [node for node in run.nodes() if node.kind == "Pod" and node.peak_bytes]


def cores(node: Node) -> float:
    """Return processor seconds a second; 0 where it was too short to say."""
    return node.cpu_seconds / node.seconds if node.seconds >= 1 else 0.0


def main() -> None:
    """Print a line a template."""
    parser = argparse.ArgumentParser(description="What the pods of runs took.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="names of runs")
    parser.add_argument("--home", type=Path, help="folder of the site; by default that of DAFAB_HOME")
    given = parser.parse_args()
    home = Home(given.home) if given.home else Home.from_environment()
    found: dict[str, list[Node]] = defaultdict(list)
    for name in given.runs:
        for node in pods(runs.find(home, name)):
            found[node.template].append(node)
    print(f"{'template':<24} {'pods':>5} {'MiB':>7} {'cores':>6} {'seconds':>8}")
    for template, nodes in sorted(found.items()):
        peak = max(node.peak_bytes for node in nodes) / 2**20
        seconds = max(node.seconds for node in nodes)
        print(f"{template:<24} {len(nodes):>5} {peak:>7.0f} {max(map(cores, nodes)):>6.2f} {seconds:>8.1f}")


if __name__ == "__main__":
    main()
