"""``rucio-dafab area`` on a real site: named, asked by name in every language on the server, refused, forgotten."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.client import Refused

pytestmark = pytest.mark.integration

INSIDE, OUTSIDE = (20.0, 10.0, 20.5, 10.5), (30.0, 10.0, 30.5, 10.5)
AREA = "POLYGON ((19 9, 22 9, 22 12, 19 12, 19 9))"


def test_a_named_area_is_known_to_every_language(site: Any, publish: Any, make_item: Any, names: Any) -> None:
    publish(make_item("AR_inside", box=INSIDE), account="dafab_dasi")
    publish(make_item("AR_outside", box=OUTSIDE), account="dafab_dasi")
    within = {"op": "s_within", "args": [{"property": "geometry"}, "@lake-chad"]}
    with pytest.raises(Refused, match="lake-chad"):
        list(site.client("user_dafab").search("dafab", within))
    assert site.dafab("area", "add", "Lake Chad", AREA) == "@lake-chad\n"
    # The servers were started before it had a name.
    assert {"AR_inside"} == {each for each in names({"geometry.within": "@lake-chad"}) if each.startswith("AR_")}
    found = {each.name for each in site.client("user_dafab").search("dafab", within)}
    assert {each for each in found if each.startswith("AR_")} == {"AR_inside"}
    listed = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", "geometry.within=@Lake_Chad")
    assert "AR_inside" in listed
    assert "AR_outside" not in listed
    counted = site.dafab("catalogue", "facets", "--cql2", "S_WITHIN(geometry, '@lake-chad') AND id LIKE 'AR%'")
    assert counted.strip() == "1"
    site.dafab("area", "remove", "lake-chad")
    with pytest.raises(Refused, match="lake-chad"):
        list(site.client("user_dafab").search("dafab", within))


@pytest.mark.parametrize(("given", "asked"), [("Île-de-France", "@île-de-france"), ("Λίμνη Τσαντ", "@λίμνη-τσαντ")])
def test_names_may_have_letters_of_any_script(site: Any, publish: Any, make_item: Any, given: str, asked: str) -> None:
    publish(make_item("AR_script", box=INSIDE), account="dafab_dasi")
    site.dafab("area", "add", given, AREA)
    client = site.client("user_dafab")
    questions = {
        "rucio": f"id=AR_script,geom.within={asked}",
        "cql2-text": f"id = 'AR_script' AND S_WITHIN(geom, '{asked.upper()}')",
        "cql2-json": {"op": "s_within", "args": [{"property": "geometry"}, unicodedata.normalize("NFD", asked)]},
    }
    for language, question in questions.items():
        assert "AR_script" in {each.name for each in client.search("dafab", question, filter_lang=language)}, language
    listed = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", f"id=AR_script,geom.within={asked}")
    assert "AR_script" in listed
    site.dafab("area", "remove", asked.removeprefix("@"))


def test_list_and_show(site: Any, tmp_path: Path) -> None:
    file = tmp_path / "area.geojson"
    ring = [[170, 0], [-170, 0], [-170, 10], [170, 10], [170, 0]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    site.dafab("area", "add", "Dateline", str(file))
    listed = json.loads(site.dafab("area", "list", "--json"))
    assert {"name": "dateline", "title": "Dateline", "bbox": [-180.0, 0.0, 180.0, 10.0]} in listed
    shown = json.loads(site.dafab("area", "show", "dateline"))
    assert shown["geometry"]["type"] == "MultiPolygon"
    assert json.loads(site.dafab("area", "show", "luxembourg"))["geometry"]["type"] == "Polygon"
    assert "@dateline" in site.dafab("area", "list")
    site.dafab("area", "remove", "dateline")
    assert "dateline" not in site.dafab("area", "list", "--json")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("add", "luxembourg", AREA), "shipped"),
        (("add", "../;", AREA), "no name"),
        (("add", "a" * 70, AREA), "no name"),
        (("add", "line", "LINESTRING (0 0, 1 1)"), "LineString"),
        (("add", "bowtie", "POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))"), "Self-intersection"),
        (("add", "broken", "{"), "no JSON"),
        (("add", "none", '{"type": "FeatureCollection", "features": []}'), "exactly one"),
        (("add", "text", "no geometry"), "text"),
        (("remove", "nowhere"), "not there"),
        (("remove", "luxembourg"), "shipped"),
        (("show", "luxemburg-city"), "no area"),
    ],
)
def test_refusals_are_one_line(site: Any, arguments: tuple[str, ...], reason: str) -> None:
    ran = site.run_dafab("area", *arguments)
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1
    assert reason in ran.stderr


def test_a_name_is_given_once(site: Any) -> None:
    site.dafab("area", "add", "once", AREA)
    again = site.run_dafab("area", "add", "Once", AREA)
    assert again.returncode == 1
    assert "already" in again.stderr
    site.dafab("area", "remove", "once")
