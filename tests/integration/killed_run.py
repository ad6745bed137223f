"""Run the pipeline over a scene and die by SIGKILL at one moment: ``python killed_run.py SCENE MOMENT``.

A moment is ``<step> began``, ``<step> ended``, ``<step> inside SECONDS`` (so long after it began), or ``publish before
N`` and ``publish after N``: around the N-th request to the server that publishes. Requests for models are not counted:
only the first run of a site makes them.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from argo_templates.pipeline import Event, process
from rucio_dafab.client import DafabClient, PublishReport, PublishRequest
from rucio_dafab.eo.model_items import MODELS_COLLECTION


def die() -> None:
    """End this process at once: no handler, no destructor."""
    os.kill(os.getpid(), signal.SIGKILL)


class Requests:
    """Counts the requests that publish, and dies around one of them."""

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self.seen = 0
        self.publish = DafabClient.publish

    def __call__(self, client: Any, request: PublishRequest) -> PublishReport:
        self.seen += 1
        if self.moment == f"publish before {self.seen}":
            die()
        report = self.publish(client, request)
        if self.moment == f"publish after {self.seen}":
            die()
        return report


def main(scene: str, moment: str) -> None:
    requests = Requests(moment)

    def publish(client: DafabClient, request: PublishRequest) -> PublishReport:
        if request.item["collection"] == MODELS_COLLECTION:
            return requests.publish(client, request)
        return requests(client, request)

    DafabClient.publish = publish  # type: ignore[method-assign]  # this process only

    def watch(event: Event) -> None:
        if f"{event.step} {event.state}" == moment:
            die()
        if event.state == "began" and moment.startswith(f"{event.step} inside "):
            threading.Timer(float(moment.rpartition(" ")[2]), die).start()

    process(Path(scene), "MELUXINA", watch=watch)


if __name__ == "__main__":
    main(*sys.argv[1:])
