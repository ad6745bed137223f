"""Shipped nets as STAC items: every member is what the files of the net say."""

import hashlib
import json
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import onnxruntime
import pystac
import pytest
from pystac.extensions.mlm import MLMExtension

from rucio_dafab.catalogue.geoparquet import read_lines, write_items
from rucio_dafab.eo.errors import ModelError
from rucio_dafab.eo.model_items import EXTENSION, SCHEMA, SHIPPED, describe, describe_folder
from rucio_dafab.eo.onnx_parameters import count_parameters
from rucio_dafab.resources import resources
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.schemas import ProfileViolated
from rucio_dafab.stac.validate import check_document, check_types


def folder_of(name: str) -> Path:
    return resources() / "models" / name


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


@pytest.fixture(params=SHIPPED)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a copy of a net that a test may change."""
    folder = tmp_path / "water"
    shutil.copytree(folder_of("water"), folder)
    return folder


def test_all_folders_with_a_net_are_shipped() -> None:
    assert {path.parent.name for path in (resources() / "models").glob("*/model.onnx")} == set(SHIPPED)


def test_the_item_is_valid_and_says_when_but_not_where(name: str) -> None:
    item = describe(name).item
    check_document(item)
    check_types(item)
    assert {EXTENSION, SCHEMA} <= set(item["stac_extensions"])
    assert item["geometry"] is None and "bbox" not in item
    assert item["properties"]["datetime"] is None
    assert item["properties"]["start_datetime"] < item["properties"]["end_datetime"]


def test_input_and_output_are_those_of_the_onnx_file(name: str) -> None:
    path = folder_of(name) / "model.onnx"
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    says = session.get_modelmeta().custom_metadata_map
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    properties = describe(name).item["properties"]
    assert properties["mlm:name"] == says["dafab:name"] == name
    assert properties["version"] == says["dafab:version"]
    (input_,) = properties["mlm:input"]
    assert input_["name"] == given.name
    assert ",".join(input_["bands"]) == says["dafab:bands"]
    assert input_["input"] == {
        "shape": [-1, *given.shape[1:]],
        "dim_order": ["batch", "channel", "height", "width"],
        "data_type": "float32" if given.type == "tensor(float)" else given.type,
    }
    assert [each["type"] for each in input_["value_scaling"]] == ["z-score"] * len(input_["bands"])
    assert [each["mean"] for each in input_["value_scaling"]] == list(map(float, says["dafab:mean"].split(",")))
    assert [each["stddev"] for each in input_["value_scaling"]] == list(map(float, says["dafab:std"].split(",")))
    assert input_["resize_type"] is None
    (output,) = properties["mlm:output"]
    assert output["name"] == made.name
    assert output["result"]["shape"] == [-1, *made.shape[1:]]
    assert ",".join(output["dafab:channels"]) == says["dafab:outputs"]
    assert [band["name"] for band in properties["bands"]] == input_["bands"]
    absent = [band["name"] for band in properties["bands"] if "description" in band]
    assert ",".join(absent) == says["dafab:optional_bands"]


def test_pystac_reads_it_as_a_model(name: str) -> None:
    item = describe(name).item
    read_by_others = MLMExtension.ext(pystac.Item.from_dict(item))
    assert read_by_others.mlm_name == name
    assert read_by_others.total_parameters == item["properties"]["mlm:total_parameters"]
    assert read_by_others.input[0].input.shape == [-1, len(item["properties"]["bands"]), 256, 256]
    assert read_by_others.output[0].result.shape[0] == -1
    assert read_by_others.pretrained is False and read_by_others.pretrained_source is None


def test_it_is_valid_again_after_geoparquet(name: str, tmp_path: Path) -> None:
    item = describe(name).item
    path = tmp_path / "models.parquet"
    assert write_items(path, [json.dumps(item)]) == 1
    (line,) = read_lines(path)
    back = json.loads(line.text)
    check_document(back)
    assert back["id"] == item["id"] and back["geometry"] is None and back["assets"] == item["assets"]


def test_tasks_and_classes_are_those_of_the_outputs() -> None:
    water, fields = (describe(each).item["properties"] for each in ("water", "fields"))
    assert water["mlm:tasks"] == ["semantic-segmentation"]
    assert [each["name"] for each in water["mlm:output"][0]["classification:classes"]] == ["no-water", "water"]
    assert fields["mlm:tasks"] == ["regression", "semantic-segmentation"]
    assert "classification:classes" not in fields["mlm:output"][0]


def test_the_figures_are_those_beside_the_net(name: str) -> None:
    folder, properties = folder_of(name), describe(name).item["properties"]
    trained = read(folder / "training.json")
    for key in ("steps", "chips", "minutes", "runs"):
        assert properties["dafab:training"][key] == trained[key]
    assert properties["mlm:hyperparameters"]["seed"] == trained["seed"]
    energy = properties["dafab:training"]["energy"]
    assumed = trained["minutes"] / 60 * read(folder / "precision.json")["watts"]
    assert energy["watt_hours"] == trained.get("watt_hours", round(assumed, 1))
    assert properties["dafab:precision"]["precisions"] == read(folder / "precision.json")["precisions"]
    if (folder / "evaluation.json").is_file():
        assert properties["dafab:evaluation"]["figures"] == read(folder / "evaluation.json")["figures"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert card.startswith(f"# {properties['title'].removesuffix(' ' + properties['version'])}\n")
    assert properties["description"] in " ".join(card.split())


def test_the_assets_are_the_files(name: str) -> None:
    described = describe(name)
    item, files = described.item, described.files
    assert files.keys() == item["assets"].keys() >= {"model", "card"}
    for key, asset in item["assets"].items():
        content = files[key].read_bytes()
        assert asset["href"] == f"./{files[key].name}"
        assert asset["file:size"] == len(content)
        assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
        assert ("mlm:model" in asset["roles"]) == ("mlm:artifact_type" in asset) == asset["href"].endswith(".onnx")
    checksum = hashlib.sha256(files["model"].read_bytes()).hexdigest()
    assert item["properties"]["dafab:model_checksum"] == f"1220{checksum}"
    assert item["id"].startswith(f"{name}-{item['properties']['version']}-{checksum[:8]}-")
    assert described.checksums >= {checksum}


def test_parameters_are_most_of_the_file(name: str) -> None:
    """Four bytes each, and a graph of some kilobytes around them."""
    content = (folder_of(name) / "model.onnx").read_bytes()
    count = describe(name).item["properties"]["mlm:total_parameters"]
    assert 0.95 < 4 * count / len(content) < 1


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number // 128)


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def test_parameters_are_counted_by_the_shapes_of_tensors() -> None:
    packed = field(1, varint(300) + varint(2)) + field(2, 1)
    single = field(1, 5) + field(1, 3) + field(2, 10) + field(9, b"raw")
    scalar, shape = field(2, 1), field(1, 7) + field(2, 7)
    # Beside varints and lengths there are numbers of four and eight bytes in protobuf.
    fixed = varint(4 << 3 | 5) + b"abcd" + varint(4 << 3 | 1) + b"abcdefgh"
    graph = b"".join(field(5, each) for each in (packed, single, scalar, shape + fixed))
    assert count_parameters(field(1, 8) + field(7, graph + field(2, b"main"))) == 600 + 15 + 1
    assert count_parameters(b"") == 0


@pytest.mark.parametrize("spoilt", [b"\x3a\xff", b"\x3a", b"\x3b", b"\x3a\x05ab"])
def test_what_is_no_onnx_file_is_refused(spoilt: bytes) -> None:
    with pytest.raises(ModelError, match="ends in the middle"):
        count_parameters(spoilt)


def test_the_same_files_give_the_same_item_wherever_they_lie(copied: Path) -> None:
    assert describe_folder(copied).item == describe("water").item


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("MODEL_CARD.md", {}),
        ("evaluation.json", {"figures": [{"images": "others"}]}),
        ("training.json", {"minutes": 1}),
        ("precision.json", {"watts": 1}),
    ],
)
def test_other_words_about_the_same_net_are_another_item(copied: Path, file: str, changed: dict[str, Any]) -> None:
    before, path = describe_folder(copied).item["id"], copied / file
    path.write_text(json.dumps(read(path) | changed) if changed else path.read_text() + "\nMore.\n")
    after = describe_folder(copied).item["id"]
    assert after != before
    assert after.rpartition("-")[0] == before.rpartition("-")[0]


def test_other_precisions_beside_the_net_are_its_files(copied: Path) -> None:
    before = describe_folder(copied)
    for file in ("model.fp16.onnx", "model.int8.onnx"):
        (copied / file).unlink(missing_ok=True)
    alone = describe_folder(copied)
    assert set(alone.files) == set(before.files) - {"model-float16", "model-int8"}
    (copied / "model.int8.onnx").write_bytes(b"another")
    described = describe_folder(copied)
    check_document(described.item)
    assert set(described.files) == {*alone.files, "model-int8"}
    assert hashlib.sha256(b"another").hexdigest() in described.checksums
    assert described.item["id"] != alone.item["id"]


def test_figures_of_another_net_are_left_out(copied: Path) -> None:
    for file in ("evaluation.json", "precision.json"):
        path = copied / file
        path.write_text(json.dumps(read(path) | {"sha256": "0" * 64}))
    item = describe_folder(copied).item
    assert "evaluation" not in item["assets"]
    assert {"dafab:evaluation", "dafab:precision"}.isdisjoint(item["properties"])
    assert "energy" not in item["properties"]["dafab:training"]


def test_measured_energy_is_told_as_measured(copied: Path) -> None:
    path = copied / "training.json"
    measured = {"watt_hours": 7.25, "co2_grams": 1.5, "energy_by": "a meter"}
    path.write_text(json.dumps(read(path) | measured))
    item = describe_folder(copied).item
    check_document(item)
    energy = item["properties"]["dafab:training"]["energy"]
    assert energy == {"watt_hours": 7.25, "co2_grams": 1.5, "method": "a meter"}


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("training.json", None, "training.json is not usable"),
        ("training.json", "{", "training.json is not usable"),
        ("training.json", "[]", "training.json holds no object"),
        ("training.json", "{}", "training.json lacks 'steps'"),
        ("model.onnx", "no net", "its sha256 is"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(
    copied: Path, file: str, content: str | None, said: str
) -> None:
    (copied / file).unlink()
    if content is not None:
        (copied / file).write_text(content)
    with pytest.raises(ModelError, match=said) as refused:
        describe_folder(copied)
    assert "\n" not in str(refused.value)


def test_there_is_no_such_model() -> None:
    with pytest.raises(ModelError, match="no model snow: known are water, fields, water_radar"):
        describe("snow")


class TestSchema:
    """The rules of mlm that the collection's schema holds items to."""

    @pytest.fixture
    def item(self) -> dict[str, Any]:
        return deepcopy(describe("water").item)

    def test_a_member_that_mlm_does_not_know(self, item: dict[str, Any]) -> None:
        item["properties"]["mlm:colour"] = "blue"
        self.refused(item, "/properties")

    def test_a_net_of_scratch_has_no_source(self, item: dict[str, Any]) -> None:
        item["properties"]["mlm:pretrained_source"] = "ImageNet"
        self.refused(item, "/properties/mlm:pretrained_source")
        item["properties"]["mlm:pretrained"] = True
        check_document(item)

    def test_scaling_by_mean_needs_a_mean(self, item: dict[str, Any]) -> None:
        del item["properties"]["mlm:input"][0]["value_scaling"][1]["mean"]
        self.refused(item, "/properties/mlm:input/0/value_scaling/1/mean")

    def test_a_model_file_says_what_it_is(self, item: dict[str, Any]) -> None:
        del item["assets"]["model"]["mlm:artifact_type"]
        self.refused(item, "/assets/model/mlm:artifact_type")

    def test_no_other_file_does(self, item: dict[str, Any]) -> None:
        item["assets"]["card"]["mlm:artifact_type"] = "onnx"
        self.refused(item, "/assets/card")

    def test_what_is_said_of_the_whole_is_said_of_no_file(self, item: dict[str, Any]) -> None:
        item["assets"]["model"]["mlm:name"] = "water"
        self.refused(item, "/assets/model")

    def test_one_file_is_the_model(self, item: dict[str, Any]) -> None:
        item["assets"]["model"]["roles"] = ["data"]
        self.refused(item, "/assets/model/roles", "/assets/model")

    def test_the_extension_is_named(self, item: dict[str, Any]) -> None:
        item["stac_extensions"] = [SCHEMA]
        self.refused(item, "/stac_extensions")

    @staticmethod
    def refused(item: dict[str, Any], *pointers: str) -> None:
        with pytest.raises(DocumentInvalid) as refusal:
            check_document(item)
        assert isinstance(refusal.value, ProfileViolated)
        assert {each.pointer for each in refusal.value.violations} == set(pointers)
