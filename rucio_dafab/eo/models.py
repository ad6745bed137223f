"""Loading a net: an ONNX file that says in its own metadata what it takes and gives, checked against its card."""

import hashlib
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from rucio_dafab.eo.bands import BAND_NAMES, of_second
from rucio_dafab.eo.errors import ModelError
from rucio_dafab.eo.indices import INDICES
from rucio_dafab.eo.tiling import CHIP
from rucio_dafab.resources import resources

CARD_NAME = "MODEL_CARD.md"
# The nets of this project, by name; anything else is a path.
MODEL_NAMES = ("water", "fields")
# Nets that make the same products of scenes whose bands the model lacks: water by radar alone.
VARIANTS: Mapping[str, tuple[str, ...]] = {"water": ("water_radar",)}
PRECISIONS: Mapping[str, str] = {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}
"""The files of a net, by the precision of what they compute with; input and output are fp32."""
PRECISION = "DAFAB_PRECISION"
"""The variable that chooses one; else a GPU takes fp16 and a CPU fp32, so that all CPUs make the same bytes."""
CUDA: Final = "CUDAExecutionProvider"
MOST_CALLS: Final = 8
"""Calls of one net at a time: each has the net's intermediate results in memory, some 50 MB of this project's nets."""
_CHECKSUM = re.compile(r"^[\s*`-]*sha256[\s*`]*:[\s*`]*([0-9a-f]{64})\b", re.MULTILINE)
_UNUSABLE = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)


@dataclass(frozen=True, slots=True)
class Way:
    """How chips are handed to a net. The answer is the same in every way, bit by bit; the speed is not.

    Attributes:
        threads: CPU threads of one call.
        calls: Calls at a time.
        batch: Chips of a call.
    """

    threads: int
    calls: int
    batch: int

    @classmethod
    def of(cls, cores: int, calls: int) -> Self:
        """Return the way in which so many calls share the cores, a chip a call."""
        calls = min(calls, cores, MOST_CALLS)
        return cls(cores // calls, calls, 1)


@dataclass(frozen=True, eq=False)
class Model:
    """A net that is ready to run.

    Attributes:
        name: ``water``, ``fields``, ``water_radar``, or what a file of the user's calls itself.
        version: Its version.
        bands: The bands it takes, in the order of its input; ``B02@2`` is B02 of a second acquisition.
        mean: The reflectance (backscatter in dB) that is subtracted, a number a band.
        std: What the difference is divided by, a number a band.
        outputs: What its output channels are.
        path: The ONNX file.
        sha256: The file's checksum, hexadecimal.
        provider: The onnxruntime execution provider in use.
        free_batch: Whether a call takes any number of chips; else it takes one.
        cores: CPU threads that it may use in all.
        way: How chips are handed to it (:func:`rucio_dafab.eo.tuning.tuned` looks for the fastest).
        precision: One of :data:`PRECISIONS`; ``fp32`` of a file of the user's, whatever it computes with.
        session: The onnxruntime session, of ``way.threads`` threads.
        open_session: Opens another of the same bytes, of so many threads.
        optional: Bands of ``bands`` that a scene may lack; the net is given 0 in their place, after normalisation.
        guard: Indices of :data:`~rucio_dafab.eo.indices.INDICES` that vote with the net on each pixel; none by default.
    """

    name: str
    version: str
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    outputs: tuple[str, ...]
    path: Path
    sha256: str
    provider: str
    free_batch: bool
    cores: int
    way: Way
    session: Any
    open_session: Callable[[int], Any]
    optional: tuple[str, ...] = ()
    guard: tuple[str, ...] = ()
    precision: str = "fp32"

    def run(self, chips: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the outputs of chips (batch, band, row, column) that are normalised: (batch, output, row, column).

        Input and output are bound: a GPU is handed the chips once and hands back the result once, and nothing is
        copied for a CPU.
        """
        binding = self.session.io_binding()
        binding.bind_cpu_input("chips", np.ascontiguousarray(chips, np.float32))
        binding.bind_output("probabilities", "cpu")
        self.session.run_with_iobinding(binding)
        (outputs,) = binding.copy_outputs_to_cpu()
        return np.asarray(outputs, np.float32)

    def in_way(self, way: Way) -> "Model":
        """Return the same net, handed its chips in another way."""
        session = self.session if way.threads == self.way.threads else self.open_session(way.threads)
        return replace(self, way=way, session=session)

    def lacks(self, bands: Collection[str]) -> tuple[str, ...]:
        """Return the bands that it cannot do without and that are not among ``bands``."""
        return tuple(name for name in self.bands if name not in bands and name not in self.optional)


def choose_model(name: str, bands: Collection[str], threads: int | None = None) -> Model:
    """Return the net that makes the products of model ``name`` from a scene of these bands: itself, or a variant of it.

    Where none can be run, the model itself is returned: it says best what is missing.

    Raises:
        ModelError: as :func:`load_model`.
    """
    model = load_model(name, threads)
    if not model.lacks(bands):
        return model
    others = (load_model(variant, threads) for variant in VARIANTS.get(name, ()))
    return next((other for other in others if not other.lacks(bands)), model)


def load_model(name_or_path: str | Path, threads: int | None = None) -> Model:
    """Return the model called ``water``, ``fields`` or ``water_radar``, or the one in an ONNX file.

    It runs on CUDA where onnxruntime finds a GPU, else on the CPU; in the precision that the environment
    (:data:`PRECISION`) or the provider asks for, where it is one of this project's.

    Args:
        name_or_path: One of :data:`MODEL_NAMES` or their :data:`VARIANTS`, or a path.
        threads: CPU threads in all; None for as many as there are cores.

    Raises:
        ModelError: if there is no such file or precision, it is not ONNX, lacks the metadata, has other inputs or
            outputs than the metadata says, or another checksum than each ``sha256:`` line of the ``MODEL_CARD.md``
            beside it.
    """
    wanted = _wanted_precision() if str(name_or_path) in _shipped() else "fp32"
    model = _loaded(name_or_path, wanted or _fitting_precision(), threads)
    if not wanted and model.precision == "fp16" and model.provider != CUDA:
        # onnxruntime was built for a GPU that this machine lacks: all CPUs make the same bytes, this one too.
        return _loaded(name_or_path, "fp32", threads)
    return model


def _loaded(name_or_path: str | Path, precision: str, threads: int | None) -> Model:
    path = _model_path(name_or_path, precision)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model {path}: cannot be read: {error.strerror}") from error
    checksum = hashlib.sha256(content).hexdigest()
    _check_card(path, checksum, required=str(name_or_path) in _shipped())
    cores = threads or len(os.sched_getaffinity(0))
    way = Way.of(cores, calls=cores)
    open_session = partial(_session, path, content)
    session = open_session(way.threads)
    declared = _Declared.read(path, session.get_modelmeta().custom_metadata_map)
    free_batch = _check_tensors(path, session, declared)
    provider = session.get_providers()[0]
    if provider == CUDA:
        way = Way(way.threads, 1, 16 if free_batch else 1)
    ready = {"path": path, "sha256": checksum, "provider": provider, "free_batch": free_batch, "cores": cores}
    return Model(**ready, **vars(declared), precision=precision, way=way, session=session, open_session=open_session)


def _shipped() -> tuple[str, ...]:
    return (*MODEL_NAMES, *(variant for variants in VARIANTS.values() for variant in variants))


def _wanted_precision() -> str:
    """Return what the environment asks for, empty for nothing."""
    wanted = os.environ.get(PRECISION, "")
    if wanted and wanted not in PRECISIONS:
        raise ModelError(f"{PRECISION}={wanted}: one of {', '.join(PRECISIONS)}")
    return wanted


def _fitting_precision() -> str:
    return "fp16" if CUDA in onnxruntime.get_available_providers() else "fp32"


def _model_path(name_or_path: str | Path, precision: str) -> Path:
    if str(name_or_path) in _shipped():
        return resources() / "models" / str(name_or_path) / PRECISIONS[precision]
    path = Path(name_or_path)
    if not path.is_file():
        raise ModelError(f"model {name_or_path}: neither a file nor one of {', '.join(_shipped())}")
    return path


def _check_card(path: Path, checksum: str, *, required: bool) -> None:
    """Compare the file with its card, so that figures in a card always speak of the file beside it."""
    card = path.with_name(CARD_NAME)
    if not card.is_file():
        if required:
            raise ModelError(f"model {path}: no {CARD_NAME} beside it")
        return
    stated = _CHECKSUM.findall(card.read_text(encoding="utf-8"))
    if not stated:
        raise ModelError(f"model {path}: {card} has no line 'sha256: …'")
    if checksum not in stated:
        raise ModelError(f"model {path}: its sha256 is {checksum}, its card says {', '.join(stated)}")


def _session(path: Path, content: bytes, threads: int) -> Any:
    """Return a session of the bytes that were checked; bytes cannot refer to further files either."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    wanted = (CUDA, "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except _UNUSABLE as error:
        raise ModelError(f"model {path}: is not a usable ONNX file: {' '.join(str(error).split())}") from error


@dataclass(frozen=True)
class _Declared:
    """What the file says of itself."""

    name: str
    version: str
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    outputs: tuple[str, ...]
    optional: tuple[str, ...]
    guard: tuple[str, ...]

    @classmethod
    def read(cls, path: Path, metadata: Mapping[str, str]) -> "_Declared":
        keys = [f"dafab:{key}" for key in ("name", "version", "bands", "mean", "std", "outputs")]
        absent = [key for key in keys if not metadata.get(key, "").strip()]
        if absent:
            raise ModelError(f"model {path}: its metadata lacks {', '.join(absent)}")
        name, version, bands, mean, std, outputs = (metadata[key].strip() for key in keys)
        numbers = _numbers(path, "mean", mean), _numbers(path, "std", std)
        optional, guard = (_words(metadata.get(f"dafab:{key}", "")) for key in ("optional_bands", "guard"))
        declared = cls(name, version, _words(bands), *numbers, _words(outputs), optional, guard)
        declared.check(path)
        return declared

    def check(self, path: Path) -> None:
        unknown = [band for band in self.bands if band not in BAND_NAMES and of_second(band) is None]
        if unknown:
            raise ModelError(f"model {path}: dafab:bands names no Sentinel band: {', '.join(unknown)}")
        if not len(self.bands) == len(self.mean) == len(self.std):
            raise ModelError(
                f"model {path}: {len(self.bands)} dafab:bands, {len(self.mean)} dafab:mean, {len(self.std)} dafab:std"
            )
        strange = [band for band in self.optional if band not in self.bands]
        if strange:
            raise ModelError(f"model {path}: dafab:optional_bands names what it does not take: {', '.join(strange)}")
        unable = [name for name in self.guard if name not in INDICES or not set(INDICES[name].bands) <= set(self.bands)]
        if unable:
            raise ModelError(f"model {path}: dafab:guard names no index of its bands: {', '.join(unable)}")
        if min(self.std) < _LEAST:
            raise ModelError(f"model {path}: dafab:std must be positive, not {min(self.std):g}")


_LEAST, _MOST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _numbers(path: Path, key: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ModelError(f"model {path}: dafab:{key} is not a list of numbers: {text}") from error
    # The net is given them in single precision; no NaN is smaller than anything.
    if not all(abs(number) <= _MOST for number in numbers):
        raise ModelError(f"model {path}: dafab:{key} is not a list of finite numbers: {text}")
    return numbers


def _check_tensors(path: Path, session: Any, declared: _Declared) -> bool:
    """Check the one input and the one output; return whether a call may take any number of chips."""
    free = _check_tensor(path, "input", session.get_inputs(), "chips", len(declared.bands))
    return _check_tensor(path, "output", session.get_outputs(), "probabilities", len(declared.outputs)) and free


def _check_tensor(path: Path, kind: str, tensors: list[Any], name: str, channels: int) -> bool:
    expected = ("batch", channels, CHIP, CHIP)
    found = ", ".join(f"{tensor.name} {tensor.type} {tensor.shape}" for tensor in tensors)
    matches = (
        len(tensors) == 1
        and tensors[0].name == name
        and tensors[0].type == "tensor(float)"
        and len(tensors[0].shape) == 4
        # A dimension that the file leaves open is a string or None.
        and all(
            not isinstance(is_, int) or is_ == be for is_, be in zip(tensors[0].shape[1:], expected[1:], strict=True)
        )
    )
    if not matches:
        raise ModelError(
            f"model {path}: its {kind} must be {name} tensor(float) [batch, {channels}, {CHIP}, {CHIP}], it is {found}"
        )
    return not isinstance(tensors[0].shape[0], int)
