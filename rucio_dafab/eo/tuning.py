"""How chips are best handed to a net on this machine: threads, calls at a time and chips a call, tried at the start.

On two cores, two calls of one thread run 1.2 to 1.3 times as many chips as one call of two threads (water and fields,
onnxruntime 1.2x on x86-64): there is no layer at whose end a thread waits for the other. On other machines it may be
otherwise: so a scene that is large enough for it to pay is begun by trying. Chips a call are tried on a CPU alone: its
kernels compute each chip in the same order however many there are. Those of a GPU depend on their number, and the
answer must not depend on what was fast today.
"""

import time
from collections.abc import Iterator
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

from rucio_dafab.eo.models import CUDA, MOST_CALLS, Model, Way
from rucio_dafab.eo.tiling import CHIP, side_by_side

WORTH: Final = 500
"""Chips of a scene from which on trying pays: it costs about as much as forty chips, once a process."""
ROUNDS: Final = 2
"""Times that each way is tried; its fastest counts, since nothing makes a net faster than it is."""
BETTER: Final = 1.1
"""How much faster than the way before it another has to be: what differs by less may be the machine's moods."""

_found: dict[tuple[str, str, int], Way] = {}


def tuned(model: Model, chips: int) -> Model:
    """Return the model in the fastest way for so many chips.

    What was found is kept for the process, by the file, the provider and the cores. It changes no bit of an answer.
    """
    known = (model.sha256, model.provider, model.cores)
    if known not in _found and chips >= WORTH:
        _found[known] = fastest(model, ways(model))
    return model.in_way(_found.get(known, model.way))


def ways(model: Model) -> tuple[Way, ...]:
    """Return the ways worth trying, the model's own first."""
    return (model.way, *dict.fromkeys(way for way in _others(model) if way != model.way))


def fastest(model: Model, tried: tuple[Way, ...]) -> Way:
    """Run chips in each way and return the fastest; an earlier one unless another is clearly faster."""
    best, rate = tried[0], 0.0
    for way in tried:
        found = _rate(model.in_way(way))
        if found > rate * BETTER:
            best, rate = way, found
    return best


def _others(model: Model) -> Iterator[Way]:
    calls = [calls for calls in (1, 2, 4, MOST_CALLS) if calls <= model.cores]
    if model.provider == CUDA:
        yield from (Way(model.way.threads, at_once, model.way.batch) for at_once in (1, 2))
        return
    for batch in (1, 2) if model.free_batch else (1,):
        yield from (Way(model.cores // at_once, at_once, batch) for at_once in calls)


def _rate(model: Model) -> float:
    """Return chips a second, 0 where there is no memory for this way."""
    chips = np.zeros((model.way.batch, len(model.bands), CHIP, CHIP), np.float32)
    try:
        # The first call of a session lays out its memory.
        return max(_chips_a_second(model, chips) for _ in range(ROUNDS + 1))
    except RuntimeException:
        return 0.0


def _chips_a_second(model: Model, chips: NDArray[np.float32]) -> float:
    calls = 2 * model.way.calls
    began = time.perf_counter()
    for _ in side_by_side(model.run, repeat(chips, calls), model.way.calls):
        pass
    return calls * model.way.batch / (time.perf_counter() - began)
