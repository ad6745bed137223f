"""A shipped net as a STAC item, by STAC's Machine Learning Model extension (mlm).

All that an item says is read from the files of the net: the ONNX file with its metadata, the card, and the figures of
training, precision and evaluation beside it. Nothing here asks a clock or the hardware: the same files give the same
document on every machine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rucio_dafab.eo.bands import BACKSCATTER_BANDS, COMMON_NAME_OF
from rucio_dafab.eo.errors import ModelError
from rucio_dafab.eo.models import CARD_NAME, MODEL_NAMES, PRECISIONS, VARIANTS, Model, load_model
from rucio_dafab.eo.onnx_parameters import count_parameters
from rucio_dafab.eo.tiling import CHIP
from rucio_dafab.resources import resources

MODELS_COLLECTION: Final = "models"
SHIPPED: Final = (*MODEL_NAMES, *(each for variants in VARIANTS.values() for each in variants))
"""The names of the nets that ship with this project."""

NET: Final = PRECISIONS["fp32"]
MODEL_ASSET, CARD_ASSET, EVALUATION_ASSET = "model", "card", "evaluation"
EXTENSION: Final = "https://stac-extensions.github.io/mlm/v1.5.1/schema.json"
"""The newest release of the extension."""

SCHEMA: Final = f"https://w3id.org/dafab/schemas/{MODELS_COLLECTION}/1.0.0/schema.json"
EXTENSIONS: Final = (
    EXTENSION,
    "https://stac-extensions.github.io/version/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    SCHEMA,
)

# Not registered at IANA: the extension advises this form, which every HTTP client takes.
_ONNX_MEDIA_TYPE: Final = "application/octet-stream; framework=onnx"
_ARCHITECTURE: Final = "U-Net"
"""The one of ``models/common/net.py``, of which all nets are made; no file of theirs says it."""

_TASKS: Final[Mapping[str, str]] = {"distance": "regression"}
"""Outputs that are no classes of pixels."""

_SEGMENTATION: Final = "semantic-segmentation"
_PRECISIONS: Final = {PRECISIONS["fp16"]: "float16", PRECISIONS["int8"]: "int8"}
"""The same net in other precisions, where it lies beside it."""

_DIMENSIONS: Final = ["batch", "channel", "height", "width"]
_FOREVER: Final = "9999-12-31T23:59:59Z"
"""The extension's own word for no end: STAC wants one."""


@dataclass(frozen=True)
class ShippedModel:
    """A net as it is registered.

    Attributes:
        item: Its STAC item; asset hrefs are relative to the folder of its files.
        files: The local file of every asset, by asset key.
        checksums: The SHA-256 (hexadecimal) of every ONNX file: by what a product knows the net that made it.
    """

    item: dict[str, Any]
    files: Mapping[str, Path]
    checksums: frozenset[str]


def describe(name: str) -> ShippedModel:
    """Return the item of a shipped net with its files.

    Its id is ``<name>-<version>-<8 digits>-<8 digits>``: the SHA-256 of the net, and that of all that the item says.
    What is published is never replaced, so a net with another card, figure or precision beside it is another DID.

    Args:
        name: One of :data:`SHIPPED`.

    Raises:
        ModelError: if there is no such net, or its files are not what they should be.
    """
    if name not in SHIPPED:
        raise ModelError(f"no model {name}: known are {', '.join(SHIPPED)}")
    return describe_folder(resources() / "models" / name)


def describe_folder(folder: Path) -> ShippedModel:
    """Return the item of the net in a folder, as :func:`describe` does.

    Args:
        folder: It holds ``model.onnx``, ``MODEL_CARD.md`` and ``training.json``, and may hold ``precision.json``,
            ``evaluation.json`` and the net in other precisions.

    Raises:
        ModelError: if one of them is missing or not what it should be.
    """
    model = load_model(folder / NET, threads=1)
    evaluation = _figures(folder / "evaluation.json", model)
    assets = _assets(folder, model, with_evaluation=bool(evaluation))
    title, description = _card(folder / CARD_NAME)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(EXTENSIONS),
        "collection": MODELS_COLLECTION,
        # What a net learnt from is no area: a box around the Earth would be found by every question for a place.
        "geometry": None,
        "properties": {
            **_times(model),
            "title": f"{title} {model.version}",
            "description": description,
            "license": "Apache-2.0",
            "version": model.version,
            **_model(model),
            **_training(folder, model, evaluation),
        },
        "links": [],
        "assets": {key: asset.document for key, asset in assets.items()},
    }
    item["id"] = _identifier(model, item)
    onnx = frozenset(asset.sha256 for asset in assets.values() if asset.path.suffix == ".onnx")
    return ShippedModel(item, {key: asset.path for key, asset in assets.items()}, onnx)


@dataclass(frozen=True)
class _File:
    """A file of a net and what the item says of it."""

    path: Path
    sha256: str
    document: dict[str, Any]

    @classmethod
    def read(cls, path: Path, media_type: str, title: str, roles: list[str], **members: Any) -> "_File":
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"model {path.parent.name}: {path} cannot be read: {error.strerror}") from error
        sha256 = hashlib.sha256(content).hexdigest()
        said = {
            "href": f"./{path.name}",
            "type": media_type,
            "title": title,
            "roles": roles,
            "file:size": len(content),
            # 1220 is multihash's prefix of sha2-256.
            "file:checksum": f"1220{sha256}",
        }
        return cls(path, sha256, said | members)


def _assets(folder: Path, model: Model, *, with_evaluation: bool) -> dict[str, _File]:
    roles, kind = ["mlm:model", "data"], {"mlm:artifact_type": "onnx"}
    net = f"{model.name} {model.version} (ONNX)"
    found = {MODEL_ASSET: _File.read(folder / NET, _ONNX_MEDIA_TYPE, net, roles, **kind)}
    for file, precision in _PRECISIONS.items():
        if (folder / file).is_file():
            title = f"{model.name} {model.version} in {precision} (ONNX)"
            found[f"{MODEL_ASSET}-{precision}"] = _File.read(folder / file, _ONNX_MEDIA_TYPE, title, roles, **kind)
    found[CARD_ASSET] = _File.read(folder / CARD_NAME, "text/markdown", "Model card", ["metadata"])
    if with_evaluation:
        path = folder / "evaluation.json"
        found[EVALUATION_ASSET] = _File.read(path, "application/json", "What was measured", ["metadata"])
    return found


def _identifier(model: Model, item: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()
    return f"{model.name}-{model.version}-{model.sha256[:8]}-{digest[:8]}"


def _times(model: Model) -> dict[str, Any]:
    """Return the time of the images that the net takes: from the begin of their collection on, as mlm advises."""
    collection = "sentinel_1_rtc" if set(model.bands) <= set(BACKSCATTER_BANDS) else "sentinel_2_l2a"
    extent = json.loads((resources() / "etc" / "collections" / f"{collection}.json").read_bytes())["extent"]
    begin = extent["temporal"]["interval"][0][0]
    return {"datetime": None, "start_datetime": begin, "end_datetime": _FOREVER}


def _model(model: Model) -> dict[str, Any]:
    """Return what the ONNX file says of itself, in the extension's words."""
    tasks = sorted({_TASKS.get(output, _SEGMENTATION) for output in model.outputs})
    return {
        "mlm:name": model.name,
        "mlm:architecture": _ARCHITECTURE,
        "mlm:tasks": tasks,
        "mlm:framework": "ONNX",
        "mlm:total_parameters": count_parameters(model.path.read_bytes()),
        # Of the extension: a net that was trained from scratch says null for the source.
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        # null and not amd64: that would say that no GPU is ever used.
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:accelerator_summary": "ONNX Runtime: CUDA where it has that provider, else the CPU",
        "mlm:input": [_input(model)],
        "mlm:output": [_output(model, tasks)],
        "bands": [_band(name, model) for name in model.bands],
        "dafab:model_checksum": f"1220{model.sha256}",
        **({"dafab:guard": list(model.guard)} if model.guard else {}),
    }


def _input(model: Model) -> dict[str, Any]:
    scaled = zip(model.mean, model.std, strict=True)
    return {
        "name": "chips",
        "bands": list(model.bands),
        "input": {"shape": [-1, len(model.bands), CHIP, CHIP], "dim_order": _DIMENSIONS, "data_type": "float32"},
        "value_scaling": [{"type": "z-score", "mean": mean, "stddev": deviation} for mean, deviation in scaled],
        "resize_type": None,
        "pre_processing_function": None,
    }


def _output(model: Model, tasks: list[str]) -> dict[str, Any]:
    shape = [-1, len(model.outputs), CHIP, CHIP]
    said = {
        "name": "probabilities",
        "description": f"A channel each, 0 to 1: {', '.join(model.outputs)}",
        "tasks": tasks,
        "result": {"shape": shape, "dim_order": _DIMENSIONS, "data_type": "float32"},
        "post_processing_function": None,
        "dafab:channels": list(model.outputs),
    }
    if len(model.outputs) > 1 or tasks != [_SEGMENTATION]:
        # Channels that stand beside each other are no classes of which a pixel has one.
        return said
    (name,) = model.outputs
    classes = [{"value": 0, "name": f"no-{name}"}, {"value": 1, "name": name, "description": f"{name} from 0.5 on"}]
    return said | {"classification:classes": classes}


def _band(name: str, model: Model) -> dict[str, Any]:
    # A second acquisition of the same band is called B02@2.
    plain = name.partition("@")[0]
    common = {"eo:common_name": COMMON_NAME_OF[plain]} if plain in COMMON_NAME_OF else {}
    unit = {"unit": "dB"} if plain in BACKSCATTER_BANDS else {}
    absent = {"description": "May be absent: 0 after normalisation then"} if name in model.optional else {}
    return {"name": name, **common, **unit, **absent}


def _training(folder: Path, model: Model, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures beside the net: how it was trained, what it scores, what a precision costs."""
    trained = _json(folder / "training.json")
    precision = _figures(folder / "precision.json", model)
    try:
        figures = {key: trained[key] for key in ("steps", "chips", "minutes", "runs")}
        tuned = {"width": trained["specification"]["width"], "steps": trained["steps"], "seed": trained["seed"]}
    except (KeyError, TypeError) as error:
        raise ModelError(f"model {model.name}: {folder / 'training.json'} lacks {error}") from error
    further = {key: trained[key] for key in ("chips_a_second", "pieces") if trained.get(key)}
    told = {"dafab:evaluation": dict(evaluation), "dafab:precision": dict(precision)}
    return {
        "mlm:hyperparameters": tuned,
        "dafab:training": figures | further | _energy(trained, precision),
        **{key: value for key, value in told.items() if value},
    }


def _energy(trained: Mapping[str, Any], precision: Mapping[str, Any]) -> dict[str, Any]:
    """Return what training took, Wh, and who says so; nothing where nothing is known."""
    if "watt_hours" in trained:
        said = {"watt_hours": trained["watt_hours"], "co2_grams": trained.get("co2_grams")}
        return {"energy": {**said, "method": trained.get("energy_by")}}
    watts = precision.get("watts")
    if watts is None:
        return {}
    method = f"estimated: minutes on one thread x {watts:g} W assumed of a busy core"
    return {"energy": {"watt_hours": round(trained["minutes"] / 60 * watts, 1), "method": method}}


def _figures(path: Path, model: Model) -> dict[str, Any]:
    """Return the figures of a file, or nothing where there is none or it speaks of another net."""
    if not path.is_file():
        return {}
    content = _json(path)
    if content.get("sha256") != model.sha256:
        return {}
    return {key: value for key, value in content.items() if key != "sha256"}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"model {path.parent.name}: {path} is not usable: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"model {path.parent.name}: {path} holds no object")
    return content


def _card(path: Path) -> tuple[str, str]:
    """Return title and first paragraph of a card."""
    try:
        title, _, rest = path.read_text(encoding="utf-8").removeprefix("# ").partition("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"model {path.parent.name}: {path} cannot be read: {error}") from error
    return title.strip(), " ".join(rest.strip().partition("\n\n")[0].split())
