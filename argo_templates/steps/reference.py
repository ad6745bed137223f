"""reference: the reference water of a scene, from what it carries, the site's occurrence, or earlier masks."""

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from hera.workflows import Input, Output, Parameter

from argo_templates import past_masks, progress
from argo_templates.past_masks import MASK, REFERENCE
from argo_templates.placement.replicas import find_items
from argo_templates.steps.bring import fetched
from argo_templates.work import (
    WATER,
    Work,
    WorkError,
    fingerprint,
    finished,
    listed,
    read_json,
    seal_of,
    whole,
    write_json,
)
from rucio_dafab import __version__
from rucio_dafab.client import DafabClient, Found
from rucio_dafab.eo.items import projection, version_number
from rucio_dafab.eo.models import choose_model
from rucio_dafab.eo.past_water import PastMask, reference_of_masks, too_few
from rucio_dafab.eo.reference_water import MASKS, MEMBER, ReferenceWater, Source, has_tiles
from rucio_dafab.eo.scene import Scene, open_scene
from rucio_dafab.eo.water import REFERENCE_ASSET
from rucio_dafab.site.home import DERIVED_ACCOUNT

TOLD: Final = "told.json"
CODES: Final = "codes.tif"


class ReferenceInput(Input):
    """Which run's scene, and where the site has occurrence."""

    work: Annotated[str, Parameter(description="The working folder of this run")]
    models: Annotated[str, Parameter(description="The models that will run, comma separated")]
    memo: Annotated[str, Parameter(description="The key of what is made of the scene")] = ""
    occurrence: Annotated[
        str,
        Parameter(description="Folder with tiles, or a GeoTIFF, of JRC water occurrence; without: counted from masks"),
    ] = ""


class ReferenceOutput(Output):
    """Where the reference is from."""

    source: Annotated[str, Parameter(description="scene, occurrence, past_masks or none; empty: nothing is told")]
    memo: Annotated[str, Parameter(description="The key of what is made of the scene, the reference included")]


@dataclass(frozen=True, slots=True)
class _Choice:
    """A reference before it is made: all that decides it, and what makes it in a file; None tells nothing."""

    parts: Sequence[Any]
    make: Callable[[Path], ReferenceWater | None]


def reference(given: ReferenceInput) -> ReferenceOutput:
    """Make the reference water of a scene; one that is there already is not made again.

    What the scene carries goes first, then occurrence, then earlier masks of its grid. A product of the scene that is
    published keeps the reference that it names, so that running it again gives the same.

    Raises:
        WorkError: if no scene is staged, its time is none, or the occurrence is missing that its product was made with.
        ProductError: if occurrence or a mask cannot be used.
        UnknownItem: if a product is gone whose mask the published reference was counted from.
        ChecksumError, StoreError: if no replica of a mask can be read whole.
        ClientError: if the catalogue does not answer.
    """
    work = Work(Path(given.work))
    if WATER not in listed(given.models):
        return ReferenceOutput(source="", memo=given.memo)
    staged = seal_of(work.staged)
    scene = open_scene(work.staged)
    model = choose_model(WATER, scene.bands)
    if model.lacks(scene.bands):
        return ReferenceOutput(source="", memo=given.memo)
    client = DafabClient.of_account(DERIVED_ACCOUNT)
    choice = _choice(client, work, scene, version_number(model.version), _occurrence(given.occurrence))
    made_from = fingerprint("reference", staged, *choice.parts, __version__)
    if not finished(work.reference, made_from):
        with whole(work.reference, made_from) as folder:
            made = choice.make(folder / CODES)
            write_json(folder / TOLD, None if made is None else {"told": dict(made.told), "masks": made.masks})
    found = chosen(work)
    return ReferenceOutput(
        source=found.told["source"] if found else "", memo=fingerprint("reference", given.memo, *choice.parts)
    )


def chosen(work: Work) -> ReferenceWater | None:
    """Return the reference that this step left, for what makes the product; None where the item tells nothing of it."""
    left = read_json(work.reference / TOLD) if work.reference.is_dir() else None
    if left is None:
        return None
    has_file = left["told"]["source"] in (Source.OCCURRENCE, Source.PAST_MASKS)
    return ReferenceWater(left["told"], work.reference / CODES if has_file else None, tuple(left["masks"]))


def _occurrence(place: str) -> Path | None:
    """Return where the occurrence is that a site has; ``None`` where there is no file, nor a tile in the folder."""
    path = Path(place)
    return path if place and (path.is_file() or has_tiles(path)) else None


def _choice(client: DafabClient, work: Work, scene: Scene, version: int, occurrence: Path | None) -> _Choice:
    product = past_masks.published(client, scene.id, version)
    if product is not None:
        return _as_published(client, work, scene, product, occurrence)
    if REFERENCE_ASSET in scene.item["assets"]:
        return _said({"source": Source.SCENE.value})
    if occurrence is not None:
        return _of_occurrence(scene, occurrence)
    return _of_masks(client, work, scene, past_masks.of_scene(client, scene.item, projection(scene)))


def _as_published(client: DafabClient, work: Work, scene: Scene, product: Found, occurrence: Path | None) -> _Choice:
    """Return the reference that a published product names: whatever was published since, it is the same again."""
    document = product.document or {}
    told = document["properties"].get(MEMBER)
    source = told["source"] if told else ""
    if source == Source.OCCURRENCE:
        if occurrence is None:
            raise WorkError(f"{product.name} is published with {', '.join(told['files'])}: where are these files?")
        return _of_occurrence(scene, occurrence)
    if occurrence is not None and source != Source.SCENE:
        sys.stderr.write(f"note: {product.name} is published with another reference water, which it keeps\n")
    if source == Source.PAST_MASKS:
        return _of_masks(client, work, scene, find_items(client, document["assets"][REFERENCE][MASKS]))
    return _said(told)


def _said(told: Mapping[str, Any] | None) -> _Choice:
    """Return a reference that needs no file."""
    return _Choice((told,), lambda _: None if told is None else ReferenceWater(told))


def _of_occurrence(scene: Scene, place: Path) -> _Choice:
    # scikit-image comes with it, which a run without occurrence does without.
    from rucio_dafab.eo.occurrence import reference_of_occurrence  # noqa: PLC0415

    files = [place] if place.is_file() else sorted(place.iterdir())
    state = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return _Choice(("occurrence", state), lambda target: reference_of_occurrence(place, scene, target))


def _of_masks(client: DafabClient, work: Work, scene: Scene, products: Sequence[Found]) -> _Choice:
    why = too_few([past_masks.day_of(each.document or {}) for each in products])
    if why:
        return _said(ReferenceWater.none(why).told)
    sums = [(each.name, each.assets[MASK].adler32, each.assets[MASK].md5) for each in products]
    return _Choice(("masks", sums), lambda target: _counted(client, work, scene, products, target))


def _counted(client: DafabClient, work: Work, scene: Scene, products: Sequence[Found], target: Path) -> ReferenceWater:
    """Fetch the masks through Rucio and count them; the masks do not stay."""
    with tempfile.TemporaryDirectory(prefix=".masks-", dir=work.root) as folder:
        masks = []
        for number, product in enumerate(products):
            file = product.assets[MASK]
            masks.append(PastMask(product.name, past_masks.day_of(product.document or {}), Path(folder) / file.name))
            fetched(client, file, masks[-1].path)
            progress.report(number + 1, len(products))
        return reference_of_masks(masks, scene, target)
