"""Nets: what a file must be and say before it is run."""

import hashlib
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from rucio_dafab.eo.errors import ModelError
from rucio_dafab.eo.models import CUDA, MODEL_NAMES, PRECISION, choose_model, load_model

from .conftest import MakeModel, metadata


def test_a_model_says_what_it_is(make_model: MakeModel) -> None:
    path = make_model(metadata("B02,B8A,B11", "extent, boundary", mean="0.1, 0.2,0.3"))
    model = load_model(path)
    assert (model.name, model.version, model.bands, model.outputs) == (
        "tiny",
        "1.0",
        ("B02", "B8A", "B11"),
        ("extent", "boundary"),
    )
    assert model.mean == (0.1, 0.2, 0.3)
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.provider.endswith("ExecutionProvider")


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_a_build_for_a_gpu_that_is_not_there_computes_as_any_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PRECISION, raising=False)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    model = load_model("water")
    assert (model.precision, model.provider) == ("fp32", "CPUExecutionProvider")
    monkeypatch.setenv(PRECISION, "fp16")
    assert load_model("water").precision == "fp16"


def test_a_precision_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRECISION, "int4")
    with pytest.raises(ModelError, match="DAFAB_PRECISION=int4: one of fp32, fp16, int8"):
        load_model("water")


@pytest.mark.parametrize(
    "line", ["sha256: {}", "- sha256: `{}`", "**sha256**: {}", "`sha256`: {}", "sha256: {0}  \nother: 1"]
)
def test_the_card_states_the_checksum(make_model: MakeModel, line: str) -> None:
    path = make_model()
    (path.parent / "MODEL_CARD.md").write_text(
        f"# Tiny\n\n{line.format(hashlib.sha256(path.read_bytes()).hexdigest())}\n"
    )
    assert load_model(path).name == "tiny"


def test_another_checksum_than_the_card_s_is_refused(make_model: MakeModel) -> None:
    path = make_model()
    card = path.parent / "MODEL_CARD.md"
    card.write_text(f"sha256: {'0' * 64}\n")
    with pytest.raises(ModelError, match=f"{path}: its sha256 is [0-9a-f]{{64}}, its card says 0000"):
        load_model(path)
    card.write_text("# A card\n")
    with pytest.raises(ModelError, match="has no line 'sha256"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 20])
def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"model {path}: is not a usable ONNX file") as refusal:
        load_model(path)
    assert "\n" not in str(refusal.value)


def test_a_cut_off_model_is_refused(make_model: MakeModel) -> None:
    path = make_model()
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ModelError, match="is not a usable ONNX file"):
        load_model(path)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither a file nor one of water, fields"):
        load_model(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match="neither a file nor one of water, fields"):
        load_model("forest")


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        ({}, "its metadata lacks dafab:name, dafab:version, dafab:bands"),
        (metadata(version=""), "its metadata lacks dafab:version"),
        (metadata(mean="0.1"), "2 dafab:bands, 1 dafab:mean, 2 dafab:std"),
        (metadata(std="0.1,0"), "dafab:std must be positive, not 0"),
        (metadata(std="0.1,x"), "dafab:std is not a list of numbers"),
        (metadata(std="0.1,nan"), "dafab:std is not a list of finite numbers: 0.1,nan"),
        (metadata(std="0.1,inf"), "dafab:std is not a list of finite numbers"),
        (metadata(std="0.1,1e-46"), "dafab:std must be positive, not 1e-46"),
        (metadata(mean="nan,0.1"), "dafab:mean is not a list of finite numbers"),
        (metadata(mean="0.1,1e39"), "dafab:mean is not a list of finite numbers"),
        (metadata(bands="B02,B99"), "dafab:bands names no Sentinel band: B99"),
        (metadata(bands="B02,B99@2"), "dafab:bands names no Sentinel band: B99@2"),
        (metadata(bands="B02,SCL@2"), "dafab:bands names no Sentinel band: SCL@2"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(make_model: MakeModel, described: dict[str, str], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        load_model(make_model(described))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ({"channels": 3}, r"its input must be chips .*\[batch, 2, 256, 256\], it is chips .*3, 256"),
        ({"outputs": 2}, r"its output must be probabilities .*\[batch, 1, 256, 256\]"),
        ({"input_name": "image"}, "its input must be chips .* it is image"),
        ({"output_name": "mask"}, "its output must be probabilities .* it is mask"),
        ({"size": 128}, r"\[batch, 2, 256, 256\], it is chips .*128"),
        # Element type 11 is double.
        ({"element": 11}, "is not a usable ONNX file|its input must be chips"),
    ],
)
def test_other_inputs_and_outputs_are_refused(make_model: MakeModel, shape: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        load_model(make_model(**shape))


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_committed_models_keep_the_contract(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    expected = {"water": ("water",), "fields": ("extent", "boundary", "distance")}
    assert model.outputs == expected[name]


def test_what_a_model_can_do_without_and_what_guards_it(make_model: MakeModel) -> None:
    model = load_model(make_model(metadata("B03,B08,B11", guard="ndwi, mndwi", optional_bands="B11")))
    assert (model.optional, model.guard) == (("B11",), ("ndwi", "mndwi"))
    assert model.lacks(("B03",)) == ("B08",)
    assert load_model(make_model()).guard == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"guard": "evi"}, "dafab:guard names no index of its bands: evi"),
        ({"guard": "mndwi"}, "dafab:guard names no index of its bands: mndwi"),
        ({"optional_bands": "B12"}, "dafab:optional_bands names what it does not take: B12"),
    ],
)
def test_a_guard_of_other_bands_is_refused(make_model: MakeModel, changes: dict[str, str], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        load_model(make_model(metadata(**changes)))


@pytest.mark.parametrize(
    ("bands", "name"),
    [
        (("B02", "B03", "B04", "B08", "B11", "B12", "VV"), "water"),
        (("B02", "B03", "B04", "B08"), "water"),
        (("VV", "VH"), "water_radar"),
        (("VV",), "water_radar"),
        (("B02",), "water"),
    ],
)
def test_water_is_told_by_the_net_for_the_bands(bands: tuple[str, ...], name: str) -> None:
    assert choose_model("water", bands, threads=1).name == name
    assert choose_model("fields", bands, threads=1).name == "fields"
