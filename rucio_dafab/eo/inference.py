"""Running a model over a scene: 256×256 chips with overlap, blended into one array as wide as the scene.

The scene is streamed: strips are decoded once, in a thread beside the net, chips are run row by row, and a row of the
result is final as soon as the last chip that covers it was added. Memory holds two strips, one row of chips and the
result, whatever the scene's height. The same model, provider and scene give the same bytes.
"""

import ctypes
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.bands import SCENE_CLASSIFICATION, Scene, of_second
from rucio_dafab.eo.errors import ModelError, SceneError
from rucio_dafab.eo.fitness import clear_by_scl
from rucio_dafab.eo.indices import INDICES, WATER_OUTPUT, readable
from rucio_dafab.eo.models import Model, choose_model, load_model
from rucio_dafab.eo.pixels import Strip, strips
from rucio_dafab.eo.tiling import CHIP, ahead, chip_rows, chip_starts, padded, ramp, side_by_side, total_weights
from rucio_dafab.eo.tuning import tuned

__all__ = ["Model", "ModelError", "Prediction", "Progress", "choose_model", "infer", "load_model", "missing_bands"]

# Called with the chips that are done (skipped ones included) and the chips there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about every pixel of a scene.

    Attributes:
        outputs: What the probabilities are of, in order.
        probabilities: uint8 (output, row, column), 0…255 for 0…1; 0 where not valid.
        valid: bool (row, column): every band the model takes of the scene has data, whatever a second acquisition has.
        clear: bool (row, column): valid, and neither cloud nor cloud shadow by the scene classification.
        scl_missing: The scene has no scene classification, so that clear is valid.
        chips: How many chips the model ran on.
        chips_skipped: How many were left out because they hold no valid pixel.
        seconds: Wall time of the whole run, reading included.
        session_seconds: Of it, the time inside the model: of all calls, divided by how many run at a time.
        indices: Of a net with output ``water``: the indices that the bands allow, by name, in order.
        index_water: What they call water, bool (index, row, column); False where not valid.
        guard: Those of ``indices`` that vote with the net, as its file declares.
        bands_absent: Bands that the model takes, can do without, and did without; of a second acquisition only where
            there is one.
        second: ``id`` and times of the second acquisition that the model was given; empty where it was given none.
    """

    outputs: tuple[str, ...]
    probabilities: NDArray[np.uint8]
    valid: NDArray[np.bool_]
    clear: NDArray[np.bool_]
    scl_missing: bool
    chips: int
    chips_skipped: int
    seconds: float
    session_seconds: float
    indices: tuple[str, ...] = ()
    index_water: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((0, 0, 0), np.bool_))
    guard: tuple[str, ...] = ()
    bands_absent: tuple[str, ...] = ()
    second: Mapping[str, Any] = field(default_factory=dict)

    def output(self, name: str) -> NDArray[np.uint8]:
        """Return the probabilities of one output, uint8 (row, column).

        Raises:
            ModelError: if the model has no such output.
        """
        if name not in self.outputs:
            raise ModelError(f"the prediction has no output {name} (it has {', '.join(self.outputs)})")
        values: NDArray[np.uint8] = self.probabilities[self.outputs.index(name)]
        return values

    def named(self, names: Sequence[str]) -> NDArray[np.uint8]:
        """Return the probabilities of several outputs in this order, uint8 (output, row, column).

        Those that lie beside each other in this order are not copied: they are a third of a gigabyte of a whole tile.

        Raises:
            ModelError: if the model has not all of them.
        """
        first = self.outputs.index(names[0]) if names[0] in self.outputs else 0
        if tuple(names) == self.outputs[first : first + len(names)]:
            return self.probabilities[first : first + len(names)]
        return np.stack([self.output(name) for name in names])

    def by_index(self, name: str) -> NDArray[np.bool_]:
        """Return what one of ``indices`` calls water, bool (row, column)."""
        mask: NDArray[np.bool_] = self.index_water[self.indices.index(name)]
        return mask


def missing_bands(model: Model, scene: Scene) -> tuple[str, ...]:
    """Return the bands that the model cannot do without and the scene does not have, in the model's order."""
    return model.lacks(scene.bands)


def infer(model: Model, scene: Scene, progress: Progress | None = None) -> Prediction:
    """Run the model over the whole scene.

    Args:
        model: From :func:`load_model`.
        scene: From :func:`rucio_dafab.eo.scene.open_scene`.
        progress: Told after every row of chips that holds data, and at the end.

    Raises:
        SceneError: if the scene lacks bands, one is unreadable, or it has no clear pixel.
    """
    _require_bands(model, scene)
    started = time.perf_counter()
    scl_missing = SCENE_CLASSIFICATION not in scene.bands
    clear = np.ones(scene.shape, np.bool_) if scl_missing else clear_by_scl(scene)
    # Asked before the costly part; what the bands' own gaps add is asked again at the end.
    _require_clear(scene, clear)
    run, reading = Run(model, scene.shape, progress), _Reading(model, scene)
    run.add(chip_rows(ahead(reading.normalised()), scene.shape[0]))
    _give_memory_back()
    if not run.valid.any():
        raise SceneError(f"scene {scene.id} has no pixel with data in each band: no data or saturated everywhere")
    clear &= run.valid
    reading.index_water &= run.valid
    _require_clear(scene, clear)
    guard = tuple(name for name in model.guard if name in reading.indices)
    return Prediction(
        model.outputs,
        run.probabilities,
        run.valid,
        clear,
        scl_missing,
        run.chips,
        run.skipped,
        time.perf_counter() - started,
        run.session_seconds,
        reading.indices,
        reading.index_water,
        guard,
        tuple(name for name in model.bands if name not in scene.bands and (scene.second or not of_second(name))),
        scene.second if any(of_second(name) for name in model.bands if name in scene.bands) else {},
    )


class _Reading:
    """The one pass over the scene's bands: what the net takes, and what the indices say of the same numbers."""

    def __init__(self, model: Model, scene: Scene) -> None:
        self._model, self._scene = model, scene
        self._there = [name for name in model.bands if name in scene.bands]
        self.indices = readable(self._there) if WATER_OUTPUT in model.outputs else ()
        self.index_water = np.zeros((len(self.indices), *scene.shape), np.bool_)

    def normalised(self) -> Generator[Strip, None, None]:
        """Yield the strips as the model takes them: minus mean, divided by std; NaN stays NaN, absent bands are 0.

        What a second acquisition alone lacks is 0, too, as if its band were absent there: the pixel stays valid.
        """
        columns = [self._model.bands.index(name) for name in self._there]
        mean = np.array(self._model.mean, np.float32)[columns, None, None]
        inverse = np.float32(1) / np.array(self._model.std, np.float32)[columns, None, None]
        second = [number for number, name in enumerate(self._there) if of_second(name)]
        for strip in strips(self._scene, self._there):
            self._look(strip)
            np.subtract(strip.values, mean, out=strip.values)
            np.multiply(strip.values, inverse, out=strip.values)
            for number in second:
                strip.values[number][np.isnan(strip.values[number])] = 0
            yield strip if len(columns) == len(self._model.bands) else self._completed(strip, columns)

    def _look(self, strip: Strip) -> None:
        rows = slice(strip.row, strip.row + strip.values.shape[1])
        for number, name in enumerate(self.indices):
            index = INDICES[name]
            self.index_water[number, rows] = index.water(
                [strip.values[self._there.index(band)] for band in index.bands]
            )

    def _completed(self, strip: Strip, columns: list[int]) -> Strip:
        values = np.zeros((len(self._model.bands), *strip.values.shape[1:]), np.float32)
        values[columns] = strip.values
        return Strip(strip.row, values)


def _require_bands(model: Model, scene: Scene) -> None:
    missing = missing_bands(model, scene)
    if missing:
        raise SceneError(f"scene {scene.id} lacks {', '.join(missing)}, which model {model.name} takes")


def _give_memory_back() -> None:
    """Give back what the threads that read have freed: of a whole tile glibc keeps 0.3 GB for them (malloc_trim(3))."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def _require_clear(scene: Scene, clear: NDArray[np.bool_]) -> None:
    if not clear.any():
        raise SceneError(f"scene {scene.id} has no clear pixel: cloud or cloud shadow wherever there is data")


@dataclass(frozen=True, eq=False, slots=True)
class _Group:
    """Chips of one call: where they start in a row of chips, and the row's values as the net takes them."""

    row: int
    starts: list[int]
    values: NDArray[np.float32]


class Run:
    """The inference itself, from normalised rows to probabilities: one pass from top to bottom.

    It holds what is final, and the sums of the rows that more chips will cover.

    Args:
        model: The net.
        shape: Rows and columns of the scene.
        progress: As of :func:`infer`.

    Attributes:
        probabilities, valid, chips, skipped, session_seconds: As those of :class:`Prediction`.
    """

    def __init__(self, model: Model, shape: tuple[int, int], progress: Progress | None = None) -> None:
        self._rows, self._columns = chip_starts(shape[0]), chip_starts(shape[1])
        self._model = tuned(model, len(self._rows) * len(self._columns))
        self._shape = shape
        self._progress = progress
        self._weight = ramp()[:, None] * ramp()[None, :]
        self._row_weights = total_weights(shape[0])
        self._column_weights = total_weights(shape[1])
        self._sum = np.zeros((len(model.outputs), CHIP, max(shape[1], CHIP)), np.float32)
        self._top = 0
        self.probabilities = np.zeros((len(model.outputs), *shape), np.uint8)
        self.valid = np.zeros(shape, np.bool_)
        self.chips = 0
        self.skipped = 0
        self.session_seconds = 0.0

    def add(self, rows: Iterable[Strip]) -> None:
        """Run the chips of all rows and blend them, in order, in whatever order their calls end.

        Args:
            rows: Of chips (:func:`rucio_dafab.eo.tiling.chip_rows`), normalised; NaN where there is no data.
        """
        way = self._model.way
        with closing(side_by_side(self._call, self._groups(rows), way.calls)) as done:
            for group, outputs, seconds in done:
                self._advance(group.row)
                for start, output in zip(group.starts, outputs, strict=True):
                    self._sum[:, :, start : start + CHIP] += output * self._weight
                self.chips += len(group.starts)
                self.session_seconds += seconds / way.calls
        self._advance(self._shape[0])
        self.probabilities *= self.valid

    def _groups(self, rows: Iterable[Strip]) -> Iterator[_Group]:
        """Yield what is to be run of each row of chips, and mark its valid pixels."""
        for row in rows:
            height, width = row.values.shape[1:]
            # One band without data makes the sum NaN: six times less to look through than every band.
            valid: NDArray[np.bool_] = np.isfinite(row.values.sum(axis=0))
            self.valid[row.row : row.row + height] = valid
            # Pixels without data become the mean of the band: the value that says least.
            values = padded(row.values if valid.all() else np.where(valid, row.values, np.float32(0)))
            wanted = [start for start in self._columns if valid[:, start : min(start + CHIP, width)].any()]
            self.skipped += len(self._columns) - len(wanted)
            for first in range(0, len(wanted), self._model.way.batch):
                yield _Group(row.row, wanted[first : first + self._model.way.batch], values)

    def _call(self, group: _Group) -> tuple[_Group, NDArray[np.float32], float]:
        """Return the outputs of a group, and the seconds inside the model."""
        chips = np.stack([group.values[:, :, start : start + CHIP] for start in group.starts])
        began = time.perf_counter()
        outputs = self._model.run(chips)
        return group, outputs, time.perf_counter() - began

    def _advance(self, row: int) -> None:
        """Write out the rows above ``row``, which no further chip covers, and make room below."""
        if row <= self._top:
            return
        # Rows of chips without data are passed over: what lies below the last chip that ran stays 0.
        rows, width = min(row - self._top, CHIP), self._shape[1]
        final = slice(self._top, self._top + rows)
        mean = self._sum[:, :rows, :width] / (self._row_weights[final, None] * self._column_weights[None, :width])
        self.probabilities[:, final] = np.clip(np.rint(mean * 255), 0, 255)
        self._sum = np.roll(self._sum, -rows, axis=1)
        self._sum[:, CHIP - rows :] = 0
        self._top = row
        self._tell(row)

    def _tell(self, row: int) -> None:
        """Say that all chips that start above ``row`` are done."""
        if self._progress is not None:
            rows = sum(start < row for start in self._rows)
            self._progress(rows * len(self._columns), len(self._rows) * len(self._columns))
