"""Two acquisitions of one tile as one scene: what a model that takes bands of both is given."""

from dataclasses import replace
from typing import Any

from rucio_dafab.eo.bands import REFLECTANCE_BANDS, Scene, second_name
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.items import SIMULATED

_TIMES = ("datetime", "start_datetime", "end_datetime")


def paired(scene: Scene, second: Scene) -> Scene:
    """Return a scene with the reflectance bands of a second acquisition beside its own, as ``B02@2``.

    Everything else, what is clear included, is the first one's.

    Args:
        scene: The scene that products are made of.
        second: Another acquisition of the same tile.

    Raises:
        SceneError: if both are one scene, lie on different grids, or are not of one kind of platform.
    """
    _check(scene, second)
    bands = {
        second_name(name): replace(band, name=second_name(name), asset="")
        for name, band in second.bands.items()
        if name in REFLECTANCE_BANDS
    }
    return replace(scene, bands={**scene.bands, **bands}, second=_said(second))


def _check(scene: Scene, second: Scene) -> None:
    if second.id == scene.id:
        raise SceneError(f"scene {scene.id} cannot be its own second acquisition")
    what = f"second acquisition {second.id} does not go with scene {scene.id}"
    for name, one, other in (
        ("kind of platform", _kind(scene), _kind(second)),
        ("CRS", scene.crs, second.crs),
        ("transform", tuple(scene.transform)[:6], tuple(second.transform)[:6]),
        ("shape", scene.shape, second.shape),
    ):
        if one != other:
            raise SceneError(f"{what}: its {name} is {other}, not {one}")


def _kind(scene: Scene) -> str:
    """Say what took a scene: what no instrument measured goes with nothing that one did."""
    kind = "optical" if any(name in scene.bands for name in REFLECTANCE_BANDS) else "radar"
    return f"simulated {kind}" if scene.item["properties"].get(SIMULATED) else kind


def _said(scene: Scene) -> dict[str, Any]:
    """Return the id and the times of an acquisition, as its item has them."""
    properties = scene.item["properties"]
    return {"id": scene.id, "datetime": None} | {key: properties[key] for key in _TIMES if key in properties}
