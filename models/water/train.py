"""Train the water net: ``python -m models.water.train --minutes 20``."""

from pathlib import Path

from models.common.train import arguments, train
from models.water.net import loss
from models.water.task import TASK

if __name__ == "__main__":
    train(TASK, loss, arguments(Path(__file__).parent, "Train the water net on simulated scenes and real pieces."))
