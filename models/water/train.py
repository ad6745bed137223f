"""Train the water net: ``python -m models.water.train --minutes 20``."""

from pathlib import Path

from models.common.train import arguments, train
from models.water.net import loss
from models.water.task import SPECIFICATION, truth

if __name__ == "__main__":
    recipe = arguments(Path(__file__).parent, "Train the water net on simulated scenes.")
    train(SPECIFICATION, truth, loss, recipe, absent=0.15)
