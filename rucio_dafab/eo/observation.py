"""The observed water mask of a scene: what the net says, guarded by the indices where its file asks for that."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rucio_dafab.eo.agreement import trustworthiness
from rucio_dafab.eo.bands import BACKSCATTER_BANDS, SCENE_CLASSIFICATION, Scene
from rucio_dafab.eo.indices import INDICES, WATER_OUTPUT, majority
from rucio_dafab.eo.inference import Prediction
from rucio_dafab.eo.pixels import read_scl
from rucio_dafab.eo.profile import without_none
from rucio_dafab.eo.water import observed_water, percent

SCL_WATER = 6
"""Water in Sen2Cor's scene classification."""
SCL_SNOW = 11
"""Snow and ice in it."""


@dataclass(frozen=True, eq=False)
class Observation:
    """The water that was observed.

    Attributes:
        water: bool (row, column): clear pixels of water.
        rule: How it was decided, in words.
        overruled: Clear pixels that the guard decided against the net.
        snow: Clear pixels under snow or ice, of which none is water; None where nothing tells.
    """

    water: NDArray[np.bool_]
    rule: str
    overruled: int
    snow: int | None = None


def classification(scene: Scene) -> NDArray[np.uint8] | None:
    """Return the scene classification on the 10 m grid, uint8 (row, column); None where the scene has none.

    Raises:
        SceneError: if it cannot be read.
    """
    return read_scl(scene) if SCENE_CLASSIFICATION in scene.bands else None


def observe(prediction: Prediction, scl: NDArray[np.uint8] | None, threshold: float = 0.5) -> Observation:
    """Return the water mask of a prediction: the net, or the majority of it and its guard, where no snow lies.

    Snow mirrors as little short-wave infrared as water does: in simulated scenes half under snow, the net's agreement
    with the truth falls from 0.98 to 0.64, that of indices to 0.2 (the net's card). The scene classification knows it.

    Args:
        prediction: Of a model with output ``water``.
        scl: The scene classification, uint8 (row, column), if the scene has one (:func:`classification`).
        threshold: Probability from which the net calls a pixel water, 0…1.
    """
    observed = _by_net(prediction, threshold)
    if scl is None:
        return observed
    snow = scl == SCL_SNOW
    snow &= prediction.clear
    found = int(snow.sum())
    if found:
        np.logical_not(snow, out=snow)
        np.logical_and(observed.water, snow, out=observed.water)
    return replace(observed, rule=f"{observed.rule}; no snow (SCL {SCL_SNOW})", snow=found)


def _by_net(prediction: Prediction, threshold: float) -> Observation:
    net = observed_water(prediction.output(WATER_OUTPUT), prediction.clear, threshold)
    said = f"net >= {threshold:g}"
    if not prediction.guard:
        return Observation(net, said, 0)
    voters = [net, *(prediction.by_index(name) & prediction.clear for name in prediction.guard)]
    guarded = majority(voters)
    rules = (said, *(INDICES[name].rule for name in prediction.guard))
    return Observation(guarded, f"majority of: {', '.join(rules)}", int((guarded != net).sum()))


def observed_properties(scene: Scene, prediction: Prediction, observed: Observation) -> dict[str, Any]:
    """Return what the item says of how its mask came about."""
    clear = int(prediction.clear.sum())
    return without_none(
        {
            "processing:expression": {"format": "text", "expression": f"water = {observed.rule}"},
            "dafab:guard": list(prediction.guard) or None,
            "dafab:guard_overruled_percent": percent(observed.overruled, clear) if prediction.guard else None,
            "dafab:bands_absent": list(prediction.bands_absent) or None,
            "dafab:snow_percent": None if observed.snow is None else percent(observed.snow, clear),
            "dafab:water_index": INDICES[prediction.indices[0]].rule if prediction.indices else None,
            "dafab:cloud_mask": cloud_mask(scene),
        }
    )


def trust(prediction: Prediction, observed: Observation, scl: NDArray[np.uint8] | None) -> dict[str, Any] | None:
    """Return the profile's ``trustworthiness_observed_water_mask``: how the mask agrees with others over clear pixels.

    ``ai`` is the net alone or guarded, as observed; ``noai`` the first index that the bands allow; ``scl`` class 6 of
    the scene classification, as :func:`observe` takes it. A score that cannot be told (nothing is water) is left out.
    None without another mask.
    """
    masks = {"ai": observed.water}
    if prediction.indices:
        masks["noai"] = prediction.by_index(prediction.indices[0])
    if scl is not None:
        masks["scl"] = scl == SCL_WATER
    found = trustworthiness(masks, prediction.clear)
    return {pair: without_none(agreement.document()) for pair, agreement in found.items()} or None


def cloud_mask(scene: Scene) -> str:
    """Say by what clouds were left out."""
    if SCENE_CLASSIFICATION in scene.bands:
        return "scene classification (SCL)"
    if scene.bands and set(scene.bands) <= set(BACKSCATTER_BANDS):
        return "none needed: radar sees through clouds"
    return "none: the scene has no scene classification, every pixel with data counts as clear"
