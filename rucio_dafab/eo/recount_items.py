"""The item of a recount: what an acquisition shows of parcels that were delineated on another one.

It has no files. It is no version of the product whose parcels it counts: nothing hides that one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from rucio_dafab.eo import profile
from rucio_dafab.eo.bands import Scene
from rucio_dafab.eo.errors import ParcelsError
from rucio_dafab.eo.fields import pixel_hectares
from rucio_dafab.eo.items import SIMULATED, item_of, provenance, version_number
from rucio_dafab.eo.observation import cloud_mask
from rucio_dafab.eo.products import FIELDS_COLLECTION
from rucio_dafab.eo.recount import Recount

MEMBER: Final = "dafab:recount"
"""The member of ``properties`` that tells a recount: ``{parcels, checksum, season, stored_number_of_fields, …}``."""

_DIGITS: Final = 8


@dataclass(frozen=True)
class Origin:
    """Where the parcels of a recount come from.

    Attributes:
        item: The id of the product.
        version: The version of the net that drew them, ``major.minor.patch``.
        checksum: SHA-256 of their file, hexadecimal.
        season: The id of the crop season that the product is of; empty where it says none.
        simulated: Whether they were drawn on a simulated scene.
    """

    item: str
    version: str
    checksum: str
    season: str = ""
    simulated: bool = False

    @classmethod
    def of(cls, document: Mapping[str, Any], path: Path, season: str = "") -> Self:
        """Return it of a product's document and its file of parcels.

        Raises:
            ParcelsError: if the document is none of fields, or the file cannot be read.
        """
        properties = document.get("properties", {})
        version = properties.get("processing:version")
        if document.get("collection") != FIELDS_COLLECTION or not isinstance(version, str):
            raise ParcelsError(f"{document.get('id')} is no product of fields")
        try:
            with path.open("rb") as file:
                checksum = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ParcelsError(f"{path}: the parcels cannot be read: {error.strerror}") from error
        return cls(document["id"], version, checksum, season, bool(properties.get(SIMULATED)))


def recount_id(scene: str, origin: Origin) -> str:
    """Return the id of a recount: other parcels, another item. It is of another form than that of a product."""
    return f"{scene}_field_recount_{origin.checksum[:_DIGITS]}"


def recount_item(scene: Scene, found: Recount, origin: Origin) -> dict[str, Any]:
    """Return the item of a recount, without files: the same input, the same document.

    Args:
        scene: The acquisition.
        found: What it shows.
        origin: Of the parcels.
    """
    properties = {
        **provenance(scene, origin.version, f"parcels of {origin.item} counted again under the clouds of {scene.id}"),
        **profile.agriculture_properties(found.numbers, found.valid, found.clear, scene.shape[0] * scene.shape[1]),
        "dafab:smart-agriculture": profile.smart_agriculture(found.numbers, version_number(origin.version)),
        "dafab:cloud_mask": cloud_mask(scene),
        MEMBER: _told(scene, found, origin),
        **({SIMULATED: True} if origin.simulated else {}),
    }
    return item_of(
        scene,
        recount_id(scene.id, origin),
        FIELDS_COLLECTION,
        properties=properties,
        concepts=("FieldProduct", *(("CropField",) if found.numbers.cloud_free_number else ())),
        sources=(scene.id, origin.item),
        assets={},
    )


def _told(scene: Scene, found: Recount, origin: Origin) -> dict[str, Any]:
    return profile.without_none(
        {
            "parcels": origin.item,
            "checksum": f"1220{origin.checksum}",
            "season": origin.season or None,
            "stored_number_of_fields": found.stored,
            "valid_area(ha)": found.valid * pixel_hectares(scene.transform),
        }
    )
