"""The reference water of a scene: from earlier masks of its grid, or from occurrence; again the same."""

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray

from argo_templates.local import documents, runs
from rucio_dafab.client import Found
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.site.home import Home
from tests.integration.scenes import check_whole, refused, run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

# A grid and a year that no other test has scenes of: every mask on it is one of these.
SIZE, SEED = 320, 5119
DAYS = (date(2018, 1, 8), date(2018, 3, 4), date(2018, 3, 19), date(2018, 5, 3), date(2018, 6, 2))
LAST, NEXT, LATER = date(2018, 7, 7), date(2018, 7, 22), date(2018, 8, 6)
MASK, REFERENCE, DIFFERENCE = "dafab-AI-observed-water", "dafab-GFM-reference-water-mask", "dafab-difference-water-mask"

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def acquired(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Return a maker of acquisitions of one place, which carry no reference of their own."""
    folder = tmp_path_factory.mktemp("acquisitions")

    def make(day: date, flood: float = 0.0, clouds: float = 0.1) -> Path:
        options = Options(size=SIZE, date=day, flood=flood, clouds=clouds, rivers=1, lakes=5)
        safe = write_safe(simulate(SEED, options), folder, overwrite=True)
        for carried in safe.glob("GRANULE/*/AUX_DATA/reference_water.tif"):
            carried.unlink()
        return safe

    return make


def water(site: Any, report: dict[str, Any]) -> Found:
    """Return the water product of a run."""
    name = report["record"]["water"]["item"]
    found: Found = next(site.client().search(filter=f"id='{name}'", filter_lang="cql2-text", did_type="container"))
    return found


def properties(product: Found) -> dict[str, Any]:
    assert product.document is not None
    told: dict[str, Any] = product.document["properties"]
    return told


def named(product: Found) -> list[str]:
    """Return the products whose masks the reference of one was counted from."""
    assert product.document is not None
    names: list[str] = product.document["assets"][REFERENCE]["dafab:masks"]
    return names


def pixels(product: Found, asset: str) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the values of an asset, and where they are valid."""
    (replica,) = product.assets[asset].replicas
    with rasterio.open(replica.pfn.removeprefix("file://localhost")) as source:
        return source.read(1), source.read_masks(1) > 0


def counted(products: list[Found]) -> NDArray[np.uint8]:
    """Return what counting the masks of products gives, all of different days: uint8, 255 is unknown."""
    months: dict[int, list[tuple[NDArray[np.uint8], NDArray[np.bool_]]]] = {}
    for each in products:
        months.setdefault(date.fromisoformat(properties(each)["datetime"][:10]).month, []).append(pixels(each, MASK))
    days, there, shares = np.zeros((3, SIZE, SIZE))
    for masks in months.values():
        seen = np.sum([clear for _, clear in masks], axis=0)
        wet = np.sum([(values == 1) & clear for values, clear in masks], axis=0)
        days += seen
        there += seen > 0
        shares += np.where(seen > 0, wet / np.maximum(seen, 1), 0)
    occurrence = np.round(shares / np.maximum(there, 1), 9)
    codes = np.select([occurrence >= 0.75, occurrence >= 0.05], [1, 2], 0).astype(np.uint8)
    codes[(days < 5) | (there < 3)] = 255
    return codes


@pytest.fixture(scope="module")
def history(site: Any, acquired: Make) -> list[Found]:
    """Return the water products of five earlier days, the first with a flood."""
    return [water(site, run(site, acquired(day, flood=0.4 * (day == DAYS[0])), "--model", "water")) for day in DAYS]


def test_the_first_ones_have_none_and_say_why(history: list[Found]) -> None:
    for number, product in enumerate(history):
        months = len({day.month for day in DAYS[:number]})
        why = f"earlier masks of {number} days in {months} calendar months, 5 in 3 calendar months are needed"
        told = properties(product)
        assert told["dafab:reference_water"] == {"source": "none", "reason": why}
        assert told["dafab:anomaly_reason"] == f"no reference water mask: {why}"
        assert "dafab:anomaly_score" not in told
        assert not {REFERENCE, DIFFERENCE} & set(product.assets)


def test_the_next_is_compared_with_what_was_counted(site: Any, acquired: Make, history: list[Found]) -> None:
    scene = acquired(LAST, flood=1.0)
    report = run(site, scene, "--model", "water")
    product = water(site, report)
    told = properties(product)
    assert told["dafab:reference_water"] == {
        "source": "past_masks", "masks": 5, "days": 5, "start": "2018-01-08",
        "end": "2018-06-02", "least_days": 5, "least_months": 3, "permanent_percent": 75.0, "seasonal_percent": 5.0,
    }  # fmt: skip
    assert named(product) == sorted(each.name for each in history)
    codes, known = pixels(product, REFERENCE)
    right = counted(history)
    assert (known == (right != 255)).all()
    assert (codes[known] == right[known]).all()
    assert set(np.unique(right)) >= {0, 1, 255}
    observed, clear = pixels(product, MASK)
    permanent, wet = (right == 1), (observed == 1) & clear
    visible = (permanent & clear).sum()
    gain, loss = (wet & ~permanent & known).sum(), (permanent & clear & ~wet).sum()
    assert told["dafab:permanent_water_km2"] == pytest.approx(permanent.sum() * 1e-4)
    assert told["dafab:anomaly_score"] == pytest.approx(100 * (gain - loss) / visible, abs=2e-4)
    assert told["dafab:anomaly_type"] in ("flood", "flood and drought")
    check_whole(site, {product.name: product})
    question = "/properties/dafab:reference_water/source=past_masks,anomaly_type.isnull=false"
    assert product.name in site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", question)

    # What comes after changes nothing of it: later masks, and earlier ones that were made later.
    for day in (LATER, date(2018, 2, 2)):
        run(site, acquired(day), "--model", "water")
    again = run(site, scene, "--model", "water")
    assert again["outcome"] == "unchanged"
    assert water(site, again) == product


def test_what_is_gone_or_other_is_one_line(site: Any, acquired: Make, history: list[Found], tmp_path: Path) -> None:
    scene = acquired(date(2018, 9, 10))
    assert refused(site, scene, "--reference-water", str(tmp_path / "absent")) == (
        f"--reference-water {tmp_path / 'absent'}: neither a file nor a folder with occurrence_*.tif"
    )
    tile = occurrence(scene, tmp_path / "tile.tif", 137)
    assert refused(site, scene, "--model", "water", "--reference-water", str(tile)) == (
        f"{tile} holds the value 137: occurrence is 0 to 100, and 255 no data"
    )
    assert not list(site.home.work.glob(f"{scene.stem}*"))


def occurrence(scene: Path, path: Path, wet: int) -> Path:
    """Write occurrence around a scene: ``wet`` per cent in its northern half, 0 south of it."""
    with rasterio.open(next(scene.glob("GRANULE/*/IMG_DATA/R10m/*_B02_10m.jp2"))) as band:
        west, south, east, north = rasterio.warp.transform_bounds(band.crs, "EPSG:4326", *band.bounds)
    pixel = 0.000_25
    rows, columns = int((north - south) / pixel) + 40, int((east - west) / pixel) + 40
    values = np.zeros((rows, columns), np.uint8)
    values[: rows // 2] = wet
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", count=1, height=rows, width=columns, crs="EPSG:4326",
        transform=Affine(pixel, 0, west - 20 * pixel, 0, -pixel, north + 20 * pixel),
    ) as target:  # fmt: skip
        target.write(values, 1)
    return path


def test_occurrence_goes_before_masks(site: Any, acquired: Make, history: list[Found], tmp_path: Path) -> None:
    scene = acquired(NEXT)
    folder = tmp_path / "jrc"
    folder.mkdir()
    tile = occurrence(scene, folder / "occurrence_0E_50Nv1_4_2021.tif", 80)
    report = run(site, scene, "--model", "water", "--reference-water", str(folder))
    product = water(site, report)
    told = properties(product)["dafab:reference_water"]
    assert (told["source"], told["files"], told["doi"]) == ("occurrence", [tile.name], "10.1038/nature20584")
    codes, known = pixels(product, REFERENCE)
    assert known.all()
    assert (codes[:150] == 1).all()
    assert (codes[170:] == 0).all()
    assert run(site, scene, "--model", "water", "--reference-water", str(folder))["outcome"] == "unchanged"
    # Without it the same product cannot be made, and another one is not put in its place.
    said = refused(site, scene, "--model", "water")
    assert said == f"{product.name} is published with {tile.name}: where are these files?"
    # A product with another reference keeps it, and the user is told.
    older = acquired(LAST, flood=1.0)
    ran = site.run_dafab("run", str(older), "--model", "water", "--reference-water", str(folder))
    assert ran.returncode == 0, ran.stderr
    assert "is published with another reference water, which it keeps" in ran.stderr
    assert "unchanged" in ran.stdout


def test_a_workflow_counts_the_same(
    site: Any, acquired: Make, history: list[Found], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    home: Home = site.home
    scene = acquired(date(2018, 10, 11))
    arguments = {"scene": scene.name, "models": "water"}
    template, mapping = documents.find("dafab-process"), {"dafab-scenes": scene.parent}
    made = runs.prepare(home, template, arguments, mapping=mapping)
    status = runs.execute(home, made)
    assert (status.phase, status.message) == ("Succeeded", "")
    node = made.node("main.scene.reference")
    assert node is not None
    assert node.parameters["source"] == "past_masks"
    again = run(site, scene, "--model", "water")
    assert again["outcome"] == "unchanged"
    assert {each.name for each in history} <= set(named(water(site, again)))

    # The folder of tiles among the scenes of a site is taken without being named.
    last = acquired(date(2018, 11, 20))
    place = tmp_path / "scenes"
    (place / "reference_water").mkdir(parents=True)
    occurrence(last, place / "reference_water" / "occurrence_0E_50Nv1_4_2021.tif", 60)
    shutil.copytree(last, place / last.name)
    made = runs.prepare(home, template, arguments | {"scene": last.name}, mapping={"dafab-scenes": place})
    status = runs.execute(home, made)
    assert (status.phase, status.message) == ("Succeeded", "")
    node = made.node("main.scene.reference")
    assert node is not None
    assert node.parameters["source"] == "occurrence"
