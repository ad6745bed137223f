"""Train the radar net: ``python -m models.water_radar.train --minutes 20``."""

from pathlib import Path

from models.common.train import arguments, train
from models.water.net import loss
from models.water_radar.task import TASK

if __name__ == "__main__":
    train(TASK, loss, arguments(Path(__file__).parent, "Train the radar net on simulated scenes and real pieces."))
