"""The training loop that both nets share."""

import argparse
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from models.common.augment import drop_bands, end_bands
from models.common.energy import Meter
from models.common.export import CHIP, Card, export
from models.common.net import Informed
from models.common.pool import Array, Pool, crop, stacked
from models.common.specification import Specification
from models.common.task import Batch, RealPiece, Task

LOG: Final = logging.getLogger("models")

RENEW: Final = 20
"""Steps after which the oldest scene gives way to a new one."""

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Recipe:
    """How long and on what to train; the fields are the options of the command line."""

    minutes: float
    steps: int
    seed: int
    scenes: int
    size: int
    side: int
    batch: int
    rate: float
    real: float
    output: Path
    start: Path | None


def arguments(folder: Path, description: str) -> Recipe:
    """Read the command line of a training script; the defaults retrain the committed net."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=20.0, help="stop after this many minutes")
    parser.add_argument("--steps", type=int, default=1_000_000, help="stop after this many steps")
    parser.add_argument("--seed", type=int, default=1, help="seed of weights, scenes and crops")
    parser.add_argument("--scenes", type=int, default=40, help="simulated scenes kept in memory")
    parser.add_argument("--size", type=int, default=512, help="rows and columns of a scene")
    parser.add_argument("--side", type=int, default=128, help="rows and columns of a training chip")
    parser.add_argument("--batch", type=int, default=8, help="chips a step")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--real", type=float, default=0.3, help="share of the chips cut from real pieces, 0 to 1")
    parser.add_argument("--output", type=Path, default=folder / "model.onnx", help="where the net goes")
    parser.add_argument("--start", type=Path, help="weights to go on from (a .pt file of an earlier run)")
    return Recipe(**vars(parser.parse_args()))


def train(task: Task, loss: Loss, recipe: Recipe) -> Card:
    """Train a net on simulated scenes and real pieces and export it; one thread, so that several may train at once.

    Args:
        task: The net and what it learns from.
        loss: Of logits and targets (batch, output, row, column) and weights (batch, row, column).
        recipe: How long and on what.

    Returns:
        What was trained, for the model's card.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    past: dict[str, Any] = torch.load(recipe.start, weights_only=True) if recipe.start else {}
    began = time.monotonic()
    with Meter() as meter:
        source = _Source(task, recipe)
        mean, deviation = past["scale"] if past else (np.round(each, 4).tolist() for each in source.pool.statistics())
        net = _net(task.specification, mean, deviation, past)
        steps = _loop(net, source, loss, recipe, (np.array(mean, np.float32), np.array(deviation, np.float32)))
    minutes = (time.monotonic() - began) / 60
    spent = (steps, steps * recipe.batch, minutes, 1, meter.watt_hours, meter.grams)
    total = [now + before for now, before in zip(spent, past.get("spent", (0,) * len(spent)), strict=True)]
    card = Card(
        task.specification,
        tuple(mean),
        tuple(deviation),
        steps=int(total[0]),
        chips=int(total[1]),
        minutes=round(total[2], 1),
        runs=int(total[3]),
        seed=recipe.seed,
        chips_a_second=round(steps * recipe.batch * recipe.side**2 / CHIP**2 / minutes / 60, 2),
        pieces=tuple(piece.name for piece in source.pieces),
        watt_hours=round(total[4], 2),
        co2_grams=round(total[5], 2),
        energy_by=meter.method,
    )
    _keep(net, card, total, recipe.output)
    return card


def _net(specification: Specification, mean: list[float], deviation: list[float], past: dict[str, Any]) -> Informed:
    """Return a new net, or that of an earlier run, in the layout that convolutions on a CPU are twice as fast with."""
    net = Informed(specification, mean, deviation).to(memory_format=torch.channels_last)
    LOG.info("%s: %s parameters", specification.name, f"{sum(p.numel() for p in net.parameters()):,}")
    if past:
        resume(net, past["net"])
    return net


def resume(net: Informed, weights: dict[str, Tensor]) -> None:
    """Load the weights of an earlier run; inputs that the earlier net did not have begin without influence."""
    weights = {name if name.startswith("net.") else f"net.{name}": values for name, values in weights.items()}
    first, now = "net.down.0.layers.0.weight", net.state_dict()
    if (more := now[first].shape[1] - weights[first].shape[1]) > 0:
        weights[first] = torch.nn.functional.pad(weights[first], (0, 0, 0, 0, 0, more))
    net.load_state_dict(weights)


def _keep(net: nn.Module, card: Card, total: list[float], output: Path) -> None:
    """Export the net, and save its weights under ``runs/`` for a later run to go on from."""
    runs = output.parent / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    state = {"net": net.state_dict(), "scale": [list(card.mean), list(card.deviation)], "spent": total}
    torch.save(state, runs / f"{output.stem}.pt")
    export(net, card, output)


class _Source:
    """Batches of simulated and real chips."""

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self._task, self._recipe = task, recipe
        self._rng = np.random.default_rng([recipe.seed, 9])
        self.pool = Pool(task.sample, recipe.seed * 10_000, recipe.scenes, recipe.size)
        self.pieces: tuple[RealPiece, ...] = task.pieces() if recipe.real else ()
        often = np.array([piece.often for piece in self.pieces])
        self._often = often / often.sum() if len(often) else often

    def batch(self, scale: tuple[Array, Array]) -> Batch:
        """Return normalised chips, targets and weights."""
        specification, rng = self._task.specification, self._rng
        real = int(rng.binomial(self._recipe.batch, self._recipe.real)) if self.pieces else 0
        parts = [self._real() for _ in range(real)]
        if simulated := self._recipe.batch - real:
            parts.append(self.pool.batch(simulated, self._recipe.side))
        pixels, target, weight = (np.concatenate(layers) for layers in zip(*parts, strict=True))
        mean, deviation = (values.reshape(1, -1, 1, 1) for values in scale)
        chips = ((self._task.vary(rng, pixels, target) - mean) / deviation).clip(-6, 12)
        for absence in self._task.absent:
            columns = [specification.bands.index(band) for band in absence.bands]
            end_bands(rng, chips, columns, absence.ending)
            drop_bands(rng, chips, columns, absence.share)
        return chips, target, weight

    def _real(self) -> Batch:
        piece = self.pieces[int(self._rng.choice(len(self.pieces), p=self._often))]
        return self._task.enrich(self._rng, piece, stacked([crop(self._rng, piece.sample, self._recipe.side)]))


def _loop(net: nn.Module, source: _Source, loss: Loss, recipe: Recipe, scale: tuple[Array, Array]) -> int:
    """Train until time or steps run out, warming up over 2 % and cooling down along a cosine; return the steps made."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-3)
    began, step, smoothed = time.monotonic(), 0, 0.0
    while (done := max((time.monotonic() - began) / 60 / recipe.minutes, step / recipe.steps)) < 1:
        optimiser.param_groups[0]["lr"] = recipe.rate * min(1, done / 0.02 + 0.02) * (0.5 + 0.5 * np.cos(np.pi * done))
        chips, target, weight = source.batch(scale)
        optimiser.zero_grad()
        given = torch.from_numpy(chips).contiguous(memory_format=torch.channels_last)
        value = loss(net(given), torch.from_numpy(target), torch.from_numpy(weight))
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        smoothed = value.item() if step == 1 else 0.98 * smoothed + 0.02 * value.item()
        if step % RENEW == 0:
            source.pool.renew()
        if step % 50 == 0:
            LOG.info("step %d, %.0f %%, loss %.4f", step, 100 * done, smoothed)
    return step
