"""What computes: the device that placement chooses, and a GPU that a pod was given and cannot use."""

from pathlib import Path

import onnxruntime
import pytest

from argo_templates.placement.figures import Device, Figures
from argo_templates.placement.sites import load_sites
from argo_templates.placement.values import Prediction
from argo_templates.steps.fetch import FetchInput, fetch
from argo_templates.steps.infer import CUDA, InferInput, NoGpu, infer
from argo_templates.steps.place import device_of
from argo_templates.work import DEVICE
from rucio_dafab.eo.simulate import Options, simulate, write_safe


@pytest.mark.parametrize(("queue", "device"), [("gpu", "gpu"), ("cpu", "cpu")])
def test_the_device_is_that_of_the_chosen_queue(queue: str, device: str) -> None:
    figures = Figures({"nvidia-a100": Device(True, ""), "cpu-2-cores": Device(False, "")}, {})
    chosen = Prediction("meluxina", queue, "hpk", "MELUXINA")
    assert device_of(load_sites(), chosen, figures) == device


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="there is a GPU here")
def test_a_gpu_that_cannot_be_used_is_refused_before_it_is_held_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    safe = write_safe(simulate(7, Options(size=256)), tmp_path / "scenes")
    fetch(FetchInput(scene=str(safe), work=str(tmp_path / "work")))
    monkeypatch.setenv(DEVICE, "gpu")
    with pytest.raises(NoGpu, match=r"^a GPU was asked for, and ONNX Runtime has none here: water would run on CPU"):
        infer(InferInput(work=str(tmp_path / "work"), model="water"))
    assert not list((tmp_path / "work").glob("*prediction*"))
