"""Train the fields net: ``python -m models.fields.train --minutes 20``."""

from pathlib import Path

from models.common.train import arguments, train
from models.fields.net import loss
from models.fields.task import TASK

if __name__ == "__main__":
    train(TASK, loss, arguments(Path(__file__).parent, "Train the fields net on simulated scenes."))
