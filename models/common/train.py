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

from models.common.augment import augment, drop_bands
from models.common.export import Card, export
from models.common.net import UNet
from models.common.pool import Array, Pool
from models.common.specification import Specification
from rucio_dafab.eo.simulate import SimulatedScene

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
    parser.add_argument("--output", type=Path, default=folder / "model.onnx", help="where the net goes")
    parser.add_argument("--start", type=Path, help="weights to go on from (a .pt file of an earlier run)")
    return Recipe(**vars(parser.parse_args()))


def train(
    specification: Specification,
    truth: Callable[[SimulatedScene], tuple[Array, Array]],
    loss: Loss,
    recipe: Recipe,
    absent: float = 0.0,
) -> Card:
    """Train a net on simulated scenes and export it; one thread, so that several may train beside each other.

    Args:
        specification: The net.
        truth: Makes target (output, row, column) and weight (row, column) from a scene.
        loss: Of logits and targets (batch, output, row, column) and weights (batch, row, column).
        recipe: How long and on what.
        absent: Share of chips that are shown without the optional bands.

    Returns:
        What was trained, for the model's card.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    began = time.monotonic()
    pool = Pool(specification.bands, truth, recipe.seed * 10_000, recipe.scenes, recipe.size)
    # The layout of memory that convolutions on a CPU are twice as fast with.
    net = UNet(len(specification.bands), len(specification.outputs), specification.width)
    net = net.to(memory_format=torch.channels_last)
    LOG.info("%s: %s parameters", specification.name, f"{sum(p.numel() for p in net.parameters()):,}")
    past = _resume(net, recipe.start)
    mean, deviation = past["scale"] if past else [np.round(values, 4).tolist() for values in pool.statistics()]
    scale = (np.array(mean, np.float32), np.array(deviation, np.float32))
    steps = _loop(net, pool, specification, loss, recipe, absent, scale)
    spent = (steps, steps * recipe.batch, (time.monotonic() - began) / 60, 1)
    total = [now + before for now, before in zip(spent, past.get("spent", (0, 0, 0, 0)), strict=True)]
    card = Card(
        specification,
        tuple(mean),
        tuple(deviation),
        int(total[0]),
        int(total[1]),
        round(total[2], 1),
        int(total[3]),
        recipe.seed,
    )
    _keep(net, card, total, recipe.output)
    return card


def _resume(net: nn.Module, start: Path | None) -> dict[str, Any]:
    """Load the weights of an earlier run into ``net``; return its scale and what it cost, or nothing."""
    if start is None:
        return {}
    saved: dict[str, Any] = torch.load(start, weights_only=True)
    net.load_state_dict(saved.pop("net"))
    return saved


def _keep(net: nn.Module, card: Card, total: list[float], output: Path) -> None:
    """Export the net, and save its weights under ``runs/`` for a later run to go on from."""
    runs = output.parent / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    state = {"net": net.state_dict(), "scale": [list(card.mean), list(card.deviation)], "spent": total}
    torch.save(state, runs / f"{output.stem}.pt")
    export(net, card, output)


def _loop(
    net: nn.Module, pool: Pool, specification: Specification, loss: Loss, recipe: Recipe, absent: float,
    scale: tuple[Array, Array],
) -> int:  # fmt: skip
    """Train until time or steps run out, warming up over 2 % and cooling down along a cosine; return the steps made."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-3)
    rng = np.random.default_rng([recipe.seed, 9])
    mean, deviation = (values.reshape(1, -1, 1, 1).astype(np.float32) for values in scale)
    columns = [specification.bands.index(band) for band in specification.optional]
    began, step, smoothed = time.monotonic(), 0, 0.0
    while (done := max((time.monotonic() - began) / 60 / recipe.minutes, step / recipe.steps)) < 1:
        optimiser.param_groups[0]["lr"] = recipe.rate * min(1, done / 0.02 + 0.02) * (0.5 + 0.5 * np.cos(np.pi * done))
        pixels, target, weight = pool.batch(recipe.batch, recipe.side)
        chips = ((augment(rng, pixels, specification.bands) - mean) / deviation).clip(-6, 12)
        drop_bands(rng, chips, columns, absent)
        optimiser.zero_grad()
        given = torch.from_numpy(chips).contiguous(memory_format=torch.channels_last)
        value = loss(net(given), torch.from_numpy(target), torch.from_numpy(weight))
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        step += 1
        smoothed = value.item() if step == 1 else 0.98 * smoothed + 0.02 * value.item()
        if step % RENEW == 0:
            pool.renew()
        if step % 50 == 0:
            LOG.info("step %d, %.0f %%, loss %.4f", step, 100 * done, smoothed)
    return step
