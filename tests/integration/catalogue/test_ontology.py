"""Ontologies published on a real site: known to every language at once, whole or not at all, and no item rewritten."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rucio_dafab.client import Refused
from rucio_dafab.vocabulary import ontology_compiled

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
READERS = ROOT / "tests" / "integration" / "catalogue" / "ontology_readers.py"
DAFAB = "https://w3id.org/dafab/ontology"
INSTALLED = ontology_compiled.load().version
BASE = f"{DAFAB}#"
JOKULHLAUP = """
dafab:Jokulhlaup a owl:Class ; rdfs:subClassOf dafab:Flood ;
    rdfs:label "Glacial outburst flood"@en, "Vidange brutale d'un lac glaciaire"@fr, "Gletscherlauf"@de ;
    skos:altLabel "jökulhlaup"@is ; skos:definition "A flood from water that a glacier lets go."@en .
"""
FOREIGN = """
@prefix : <https://other.example/v#> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<https://other.example/v> a owl:Ontology ; owl:versionInfo "7" .
:Crue a owl:Class ; rdfs:label "crue"@fr ; skos:exactMatch <https://w3id.org/dafab/ontology#Flood> .
:CrueDecennale a owl:Class ; rdfs:subClassOf :Crue ; rdfs:label "crue décennale"@fr .
"""


def turtle(folder: Path, version: str, more: str = "", less: str = "") -> Path:
    """Return the installed ontology as another version, with more classes or without one; no alignments beside it."""
    text = ontology_compiled.source().read_text(encoding="utf-8").replace(f'"{INSTALLED}"', f'"{version}"') + more
    if less:
        text, count = re.subn(rf"\ndafab:{less} a owl:Class ;.*? \.\n", "\n", text, flags=re.DOTALL)
        assert count == 1
    path = folder / f"words-{version}.ttl"
    path.write_text(text, encoding="utf-8")
    return path


Listed = Callable[[], list[tuple[str, str]]]


@pytest.fixture
def listed(database: psycopg.Connection[Any]) -> Listed:
    """Return a function that gives IRI and version of what is current and not withdrawn."""
    newest = "SELECT DISTINCT ON (iri) iri, version, withdrawn FROM dafab.ontology ORDER BY iri, number DESC"

    def call() -> list[tuple[str, str]]:
        return [row[:2] for row in database.execute(newest).fetchall() if not row[2]]

    return call


@pytest.fixture
def publish_words(site: Any, listed: Listed) -> Iterator[Any]:
    """Return a function that publishes a file and gives the report; afterwards all is as it was installed."""

    def call(path: Path, *options: str) -> Any:
        return json.loads(site.dafab("ontology", "publish", str(path), "--json", *options))

    yield call
    for iri, _version in listed():
        site.dafab("ontology", "withdraw", iri)


def found(site: Any, question: str) -> set[str]:
    """Return the names that the running server finds."""
    return {
        each.name
        for each in site.client("user_dafab").search("dafab", {"op": "isA", "args": [{"property": "theme"}, question]})
    }


def refused(site: Any, *arguments: str) -> str:
    ran = site.run_dafab("ontology", *arguments)
    assert ran.returncode == 1, ran.stdout
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr
    return str(ran.stderr)


def test_a_new_class_is_known_to_a_running_server_at_once(
    site: Any, publish: Any, make_item: Any, publish_words: Any, tmp_path: Path, database: psycopg.Connection[Any]
) -> None:
    with pytest.raises(Refused, match="no class"):
        found(site, "Gletscherlauf")
    # Its IRI was written before any version knew it.
    publish(make_item("ON_lake", "water_analysis", theme=f"{BASE}Jokulhlaup"))
    publish(make_item("ON_flood", "water_analysis", theme="Flood"))
    rows = "SELECT name, xmin::text, classes FROM dafab.document WHERE name LIKE 'ON_%%' ORDER BY name"
    before = database.execute(rows).fetchall()
    assert not {"ON_lake"} & found(site, "WaterAnomaly")
    report = publish_words(turtle(tmp_path, "1.9.0", JOKULHLAUP))
    assert report["outcome"] == "published"
    assert report["changes"]["added"] == [f"{BASE}Jokulhlaup"]
    for question in ("Gletscherlauf", "JÖKULHLAUP", "dafab:Jokulhlaup"):
        assert found(site, question) == {"ON_lake"}
    assert {"ON_lake", "ON_flood"} <= found(site, "WaterAnomaly")
    listing = site.rucio("user_dafab", "did", "list", "dafab:ON_*", "--filter", "theme.isa=Gletscherlauf")
    assert "ON_lake" in listing
    assert "ON_flood" not in listing
    assert site.dafab("catalogue", "facets", "--filter", "theme.isa=Gletscherlauf").strip() == "1"
    shown = json.loads(site.dafab("ontology", "show", "Gletscherlauf", "--json"))
    assert shown["finds"] == ["dafab:Jokulhlaup"]
    assert database.execute(rows).fetchall() == before


def test_a_class_that_items_use_is_kept(
    site: Any, publish: Any, make_item: Any, publish_words: Any, tmp_path: Path, listed: Listed
) -> None:
    publish(make_item("ON_marsh", "water_analysis", theme="Marsh"))
    # No item names a beach; nor is there one below it.
    assert publish_words(turtle(tmp_path, "2.0.0", less="Island"))["kept"] == {}
    report = publish_words(turtle(tmp_path, "2.1.0", less="Marsh"), "--dry-run")
    assert report["kept"] == {f"{BASE}Marsh": 1}
    assert listed() == [(DAFAB, "2.0.0")]
    assert publish_words(turtle(tmp_path, "2.1.0", less="Marsh"))["kept"] == {f"{BASE}Marsh": 1}
    told = site.dafab("ontology", "show", "Marsh")
    assert "deprecated: True" in told
    assert "ON_marsh" in found(site, "Marsh") & found(site, "Wetland") & found(site, "WaterBody")
    # And through every version that still lacks it.
    report = publish_words(turtle(tmp_path, "2.2.0", JOKULHLAUP, less="Marsh"))
    assert report["kept"] == {f"{BASE}Marsh": 1}
    assert "ON_marsh" in found(site, "Wetland")


def test_a_version_is_published_once(site: Any, publish_words: Any, tmp_path: Path, listed: Listed) -> None:
    # A class of its own, since one that items name would be kept.
    more = JOKULHLAUP.replace("dafab:Jokulhlaup", "dafab:GlacialFlood")
    first, second = turtle(tmp_path, "3.0.0"), turtle(tmp_path, "3.1.0", more)
    assert publish_words(first)["outcome"] == "published"
    assert publish_words(first)["outcome"] == "unchanged"
    assert publish_words(second)["outcome"] == "published"
    assert "added " + BASE + "GlacialFlood" in site.dafab("ontology", "diff", "3.0.0", "3.1.0")
    assert site.dafab("ontology", "diff", str(second)) == "no class differs\n"
    other = turtle(tmp_path, "3.0.0", more)
    assert "was published on" in refused(site, "publish", str(other))
    # What was current before can be again.
    assert publish_words(turtle(tmp_path, "3.0.0"))["changes"]["removed"] == [f"{BASE}GlacialFlood"]
    assert "no class" in refused(site, "show", "Gletscherlauf")
    assert "no version 9.9.9" in refused(site, "diff", "9.9.9", "3.0.0")
    assert listed() == [(DAFAB, "3.0.0")]
    told = json.loads(site.dafab("ontology", "versions", "--json"))["published"]
    assert [(each["version"], each["current"]) for each in told][:2] == [("3.0.0", True), ("3.1.0", False)]
    assert "3.1.0" in site.dafab("ontology", "versions")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("dafab:Flood rdfs:subClassOf dafab:FlashFlood .", "lies below itself"),
        ("dafab:Flood rdfs:subClassOf dafab:Nothing .", "is named as a class and not defined"),
        ('dafab:Lake skos:altLabel "flood"@en .', "shares the label"),
        ("dafab:X a owl:Class .", "dafab/ontology#X: .* more: `rucio-dafab ontology check` lists them"),
        ("this is no Turtle", "cannot be read"),
    ],
)
def test_what_is_wrong_changes_nothing(site: Any, listed: Listed, tmp_path: Path, more: str, message: str) -> None:
    before = listed()
    assert re.search(message, refused(site, "publish", str(turtle(tmp_path, "4.0.0", more))))
    assert listed() == before


def test_another_content_under_the_installed_version_is_refused(site: Any, tmp_path: Path) -> None:
    assert f"{INSTALLED} of {DAFAB} is installed with another content" in refused(
        site, "publish", str(turtle(tmp_path, INSTALLED, JOKULHLAUP))
    )


def test_a_foreign_vocabulary_stands_beside_ours(
    site: Any, publish: Any, make_item: Any, publish_words: Any, tmp_path: Path
) -> None:
    path = tmp_path / "other.ttl"
    path.write_text(FOREIGN, encoding="utf-8")
    publish(make_item("ON_crue", "water_analysis", theme="https://other.example/v#CrueDecennale"))
    assert "ON_crue" not in found(site, "Flood")
    assert "needs a" in refused(site, "publish", str(path))
    assert publish_words(path, "--foreign")["version"] == "7"
    for question in ("Flood", "Hazard", "crue", "crue décennale", "https://other.example/v#Crue"):
        assert "ON_crue" in found(site, question), question
    site.dafab("ontology", "withdraw", "https://other.example/v")
    assert "ON_crue" not in found(site, "Flood")
    assert "no ontology https://other.example/v was published" in refused(site, "withdraw", "https://other.example/v")


def test_numbers_give_classes_when_items_are_written_and_anew(
    site: Any, publish: Any, make_item: Any, publish_words: Any, tmp_path: Path
) -> None:
    sizes = {"number": 1} | {f"{each}_area(km2)": 1.5 for each in ("total", "mean", "max", "min")}
    water = {
        "water_analysis_algorithm_version": 1,
        "excess_total_water_observed_area(km2)": 1.5,
        "deficit_water_observed_area(km2)": 1.5,
        "excess_total_water": sizes,
        "deficit_water": sizes,
        "difference_water_mask": {"water_excess_observed": 0.2, "water_deficit_observed": 0.01},
        "reference_permanent_water": 1.0,
        "reference_permanent_water_visible": 1.0,
    }
    publish(make_item("ON_numbers", "water_analysis", **{"dafab:water-analysis": water}))
    publish(make_item("ON_typed", "water_analysis", **{"dafab:anomaly_type": "drought"}))
    assert "ON_numbers" in found(site, "Flood")
    assert "ON_typed" in found(site, "Drought")
    # 20 % is no flood any more.
    text = turtle(tmp_path, "5.0.0").read_text(encoding="utf-8").replace("dafab:above 10.0", "dafab:above 25.0")
    (tmp_path / "words-5.0.0.ttl").write_text(text, encoding="utf-8")
    publish_words(tmp_path / "words-5.0.0.ttl")
    assert "ON_numbers" in found(site, "Flood")
    site.dafab("ontology", "reindex")
    assert "ON_numbers" not in found(site, "WaterAnomaly")
    site.dafab("ontology", "withdraw", DAFAB)
    site.dafab("ontology", "reindex")
    assert "ON_numbers" in found(site, "Flood")


def test_alignments_are_proposed_for_a_person(site: Any, tmp_path: Path) -> None:
    path, proposed = tmp_path / "other.ttl", tmp_path / "proposed.sssom.tsv"
    path.write_text(FOREIGN.replace('"crue"@fr', '"Floods"@en'), encoding="utf-8")
    assert "proposals in" in site.dafab("ontology", "align", str(path), "--output", str(proposed))
    assert "dafab:Flood\tFlood\tskos:exactMatch\thttps://other.example/v#Crue" in proposed.read_text(encoding="utf-8")
    assert "must end with one of" in refused(site, "align", str(proposed))
    assert "cannot be written" in refused(site, "align", str(path), "--output", str(tmp_path))


@pytest.mark.parametrize("case", re.findall(r'^    "(.*)": _', READERS.read_text(encoding="utf-8"), re.MULTILINE))
def test_while_versions_are_published(site: Any, case: str) -> None:
    environment = os.environ | {"RUCIO_CONFIG": str(site.home.server_config)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.integration.catalogue.ontology_readers", case]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert ran.returncode == 0, ran.stderr
