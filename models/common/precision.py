"""What a net costs and loses by precision: ``python -m models.common.precision water`` (in the training environment).

It writes the net in int8 and fp16, too. Static int8 is calibrated on simulated scenes of training, IoU is of others.
Speed is chips per second of CPU time of one thread, the best of many, which other work on the machine changes little.
Energy is estimated from it, not measured: this needs a meter that shared machines do not have.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from models.common.pool import HELD_OUT, Array
from models.common.scores import iou
from models.common.stored import checksum
from models.common.task import Task
from rucio_dafab.eo.models import PRECISIONS

WATTS: Final = 8.0
"""Assumed power of one busy core of a server (its share of a processor's 200 W), in W."""

CHIP: Final = 256
CALIBRATION: Final = range(500, 508)
SCENES: Final = range(HELD_OUT + 200, HELD_OUT + 206)
QUANTISED: Final = ["Conv", "MaxPool", "Concat", "Resize", "Relu"]
"""What runs in int8: the convolutions and what only moves their outputs. Indices and the sigmoid stay in fp32."""

TIMED: Final = 40
MODELS: Final = Path(__file__).resolve().parents[1]


def chips_of(task: Task, scale: tuple[Array, Array], seeds: range) -> Iterator[tuple[Array, Array, Array]]:
    """Yield normalised chips (1, band, 256, 256) of simulated scenes with target and weight (row, column)."""
    mean, deviation = (values.reshape(-1, 1, 1) for values in scale)
    for seed in seeds:
        sample = task.sample(seed, CHIP)
        chip = ((sample.pixels.astype(np.float32) - mean) / deviation).clip(-6, 12)
        yield chip[None], sample.target[0].astype(np.float32), sample.weight.astype(np.float32)


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Chips as the calibrator asks for them."""

    def __init__(self, chips: Iterator[tuple[Array, Array, Array]]) -> None:
        self._chips = chips

    def get_next(self) -> dict[str, Array] | None:
        """Return the next chip by the name of the input, or None at the end."""
        found = next(self._chips, None)
        return None if found is None else {"chips": found[0]}


def measure(path: Path, task: Task, scale: tuple[Array, Array]) -> dict[str, Any]:
    """Return the checksum of a file, IoU over the held-out chips, and CPU seconds a chip on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found, truth, valid = [], [], []
    for chip, target, weight in chips_of(task, scale, SCENES):
        found.append(session.run(None, {"chips": chip})[0][0, 0] >= 0.5)
        truth.append(target >= 0.5)
        valid.append(weight > 0)
    spent = []
    for _ in range(TIMED):
        began = time.process_time()
        session.run(None, {"chips": chip})
        spent.append(time.process_time() - began)
    # The least: what other work on the machine adds by emptying caches is not the net's.
    seconds = min(spent)
    score = iou(*(np.stack(layers) for layers in (found, truth, valid)))
    return {
        "sha256": checksum(path),
        "iou": round(score, 4),
        "cpu_seconds": round(seconds, 4),
        "megabytes": round(path.stat().st_size / 1e6, 2),
    }


def quantised(model: Path, task: Task, scale: tuple[Array, Array], path: Path) -> None:
    """Write a net as static int8 (QDQ, a scale a channel), calibrated on simulated scenes of training."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        # Folds the normalisations into the convolutions: between them and int8 they would stay in fp32.
        quant_pre_process(model, plain, skip_symbolic_shape=True)
        quantize_static(
            plain, path, _Reader(chips_of(task, scale, CALIBRATION)), quant_format=QuantFormat.QDQ, per_channel=True,
            weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8, op_types_to_quantize=QUANTISED,
        )  # fmt: skip
    _described_as(model, onnx.load(path), path)


def halved(model: Path, path: Path) -> None:
    """Write a net in fp16; its input and output stay fp32."""
    net = OnnxModel(convert_float_to_float16(onnx.load(model), keep_io_types=True))
    # The conversion of the input stands last.
    net.topological_sort()
    _described_as(model, net.model, path)


def _described_as(model: Path, net: onnx.ModelProto, path: Path) -> None:
    """Write a net with the description of the one that it was made from."""
    onnx.helper.set_model_props(net, {each.key: each.value for each in onnx.load(model).metadata_props})
    net.producer_name = "rucio-dafab"
    onnx.checker.check_model(net)
    onnx.save(net, path)


def main(name: str) -> None:
    """Write the net ``name`` in int8 and fp16 beside itself, measure all three and write ``precision.json``."""
    model, task = MODELS / name / "model.onnx", import_module(f"models.{name}.task").TASK
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    described = session.get_modelmeta().custom_metadata_map
    mean, deviation = (np.array(described[f"dafab:{key}"].split(","), np.float32) for key in ("mean", "std"))
    files = {precision: model.with_name(file) for precision, file in PRECISIONS.items()}
    quantised(model, task, (mean, deviation), files["int8"])
    halved(model, files["fp16"])
    results = {precision: measure(path, task, (mean, deviation)) for precision, path in files.items()}
    content: dict[str, Any] = {"sha256": checksum(model), "watts": WATTS, "precisions": results}
    model.with_name("precision.json").write_text(json.dumps(content, indent=1) + "\n")
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
