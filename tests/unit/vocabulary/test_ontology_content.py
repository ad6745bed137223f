"""What the installed ontology says: every class described, every key of the catalogue classified, every IRI real."""

import gzip
import re
from collections import defaultdict
from pathlib import Path

import pytest
from rdflib import OWL, RDF, RDFS, SKOS, XSD, Graph, Literal, URIRef

from rucio_dafab.vocabulary import ontology, ontology_compiled, queryables
from rucio_dafab.vocabulary.ontology_alignments import EXACT, read_alignments
from rucio_dafab.vocabulary.ontology_classes import squash
from rucio_dafab.vocabulary.ontology_reader import DAFAB
from rucio_dafab.vocabulary.ontology_rules import classify
from rucio_dafab.vocabulary.queryables import ValueType

ONTOLOGY = ontology.shipped()
BASE = str(DAFAB)
SOURCE = ontology_compiled.source()
QUDT = "http://qudt.org/schema/qudt/"
KINDS = {f"{each}Metadata" for each in ("Identifying", "Technical", "Structural", "Provenance", "Descriptive")}
RANGES = {
    ValueType.NUMBER: XSD.double,
    ValueType.INTEGER: XSD.integer,
    ValueType.STRING: XSD.string,
    ValueType.STRINGS: XSD.string,
    ValueType.BOOLEAN: XSD.boolean,
    ValueType.DATETIME: XSD.dateTime,
    ValueType.CONCEPTS: XSD.anyURI,
    ValueType.GEOMETRY: URIRef("http://www.opengis.net/ont/geosparql#wktLiteral"),
}
OF_THE_FIRST_VERSION = """
    Phenomenon Hazard WaterCondition NormalWaterCondition WaterAnomaly Flood RiverineFlood FlashFlood CoastalFlood
    PluvialFlood UrbanFlood Drought HydrologicalDrought AgriculturalDrought Wildfire WaterBody InlandWater River Canal
    Lake Reservoir Pond Wetland MarineWater Lagoon PermanentWater SeasonalWater AgriculturalFeature CropField
    IrrigatedField RiceField Orchard Vineyard CropSeason WinterCropSeason SpringCropSeason SummerCropSeason
    AutumnCropSeason LandCover TreeCover Shrubland Grassland Cropland BuiltUp BareGround SnowAndIce HerbaceousWetland
    Mangroves MossAndLichen SkyCondition ClearSky Cloud CirrusCloud CloudShadow Product SceneProduct OpticalScene
    RadarScene DerivedProduct WaterProduct WaterMask WaterDifferenceMask FieldProduct FieldBoundaries
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph().parse(SOURCE, format="turtle")


def test_every_class_is_described_in_three_languages() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", ONTOLOGY.version)
    assert 120 <= len(ONTOLOGY.classes) <= 180
    owners: dict[str, set[str]] = defaultdict(set)
    for each in ONTOLOGY.classes.values():
        assert each.definition.endswith("."), each.id
        assert {"en", "fr", "de"} <= set(each.labels), each.id
        assert set(each.parents) <= set(ONTOLOGY.classes), each.id
        for label in (*each.texts(), each.name):
            owners[squash(label)].add(each.id)
    assert {label: ids for label, ids in owners.items() if len(ids) > 1} == {}
    assert not [
        a for a in ONTOLOGY.classes for b in ONTOLOGY.classes[a].below if b != a and a in ONTOLOGY.classes[b].below
    ]


def test_every_class_has_an_example(graph: Graph) -> None:
    lacking = [each for each in ONTOLOGY.classes if (URIRef(each), SKOS.example, None) not in graph]
    assert lacking == []


def test_no_published_class_has_vanished() -> None:
    assert {BASE + each for each in OF_THE_FIRST_VERSION.split()} <= set(ONTOLOGY.classes)


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ("Product", "Sentinel2Scene"),
        ("Hazard", "Flood"),
        ("Event", "Wildfire"),
        ("Event", "Gathering"),
        ("DetectableObject", "Ship"),
        ("GeographicFeature", "Lake"),
        ("Crop", "Wheat"),
        ("Metadata", "ProvenanceMetadata"),
    ],
)
def test_what_people_ask_for_lies_where_they_look(above: str, below: str) -> None:
    assert BASE + below in ONTOLOGY.expand(BASE + above)


def test_it_stands_on_the_standards() -> None:
    for name, below in [
        ("sosa:Platform", "Satellite"),
        ("sosa:Sensor", "MultispectralImager"),
        ("geo:Feature", "Building"),
    ]:
        assert BASE + below in ONTOLOGY.expand(ONTOLOGY.resolve(name))
    assert BASE + "WaterMask" in ONTOLOGY.expand(ONTOLOGY.resolve("prov:Entity"))


def test_every_key_of_the_catalogue_is_classified_once(graph: Graph) -> None:
    keys = {str(key): node for node, key in graph.subject_objects(DAFAB.key)}
    declared = {each.name: each for each in queryables.load()}
    assert set(keys) == set(declared)
    assert len(list(graph.subject_objects(DAFAB.key))) == len(keys)
    for key, node in keys.items():
        assert (node, RDF.type, OWL.DatatypeProperty) in graph
        (kind,) = graph.objects(node, DAFAB.metadataKind)
        assert str(kind).removeprefix(BASE) in KINDS, key
        (domain,) = graph.objects(node, RDFS.domain)
        assert str(domain) in ONTOLOGY.classes, key
        assert list(graph.objects(node, RDFS.range)) == [RANGES[declared[key].type]], key
        assert {label.language for label in graph.objects(node, RDFS.label) if isinstance(label, Literal)} == {
            "en",
            "fr",
            "de",
        }
        units = list(graph.objects(node, URIRef(QUDT + "hasUnit")))
        codes = [str(code) for unit in units for code in graph.objects(unit, URIRef(QUDT + "ucumCode"))]
        # A score is a share, though its queryable names no unit.
        assert codes == ([declared[key].unit] if declared[key].unit else []) or key == "dafab:anomaly_score"


def test_every_kind_of_metadata_has_keys(graph: Graph) -> None:
    assert {str(each).removeprefix(BASE) for each in graph.objects(None, DAFAB.metadataKind)} == KINDS


def test_relations_name_classes_that_are_there(graph: Graph) -> None:
    relations = set(graph.subjects(RDF.type, OWL.ObjectProperty))
    assert {DAFAB.observedIn, DAFAB.hasCause, DAFAB.partOf, DAFAB.derivedFrom} <= relations
    for each in relations:
        for end in (*graph.objects(each, RDFS.domain), *graph.objects(each, RDFS.range)):
            assert str(end) in ONTOLOGY.classes, each
        for other in graph.objects(each, OWL.inverseOf):
            assert other in relations
    for each in (DAFAB.partOf, DAFAB.derivedFrom):
        assert (each, RDF.type, OWL.TransitiveProperty) in graph


def test_rules_assign_classes_that_are_there() -> None:
    covers = {row.subject for row in read_alignments(SOURCE.with_name("dafab-worldcover.sssom.tsv")).rows}
    waters = {BASE + each for each in ("Flood", "Drought", "NormalWaterCondition")}
    assert {each.class_id for each in ONTOLOGY.rules} == waters | covers


def test_a_code_of_land_cover_gives_the_class_that_it_is_aligned_with() -> None:
    rows = read_alignments(SOURCE.with_name("dafab-worldcover.sssom.tsv")).rows
    assert len(rows) == 11
    for row in rows:
        document = {"properties": {"dafab:land_cover": int(row.object.rpartition("#")[2])}}
        assert classify(document, ONTOLOGY.rules) == {row.subject}
    for other in (0, 15, "10", None, True):
        assert classify({"properties": {"dafab:land_cover": other}}, ONTOLOGY.rules) == set()


def test_alignments_name_our_classes_by_their_labels() -> None:
    for path in ontology_compiled.alignment_files(SOURCE):
        for row in read_alignments(path).rows:
            assert ONTOLOGY.label(row.subject) == row.subject_label, path.name
            assert row.object_label or path.name == "dafab-gcmd.sssom.tsv"
            assert row.confidence is not None


@pytest.mark.shared
def test_what_is_aligned_exists_in_envo_and_sweet(shared: Path) -> None:
    known: dict[str, str] = {}
    with gzip.open(shared / "vocab" / "envo.obo.gz", "rt") as lines:
        for line in lines:
            if line.startswith("id: "):
                iri = "http://purl.obolibrary.org/obo/" + line[4:].strip().replace(":", "_")
            elif line.startswith("name: "):
                known[iri] = line[6:].strip()
    with gzip.open(shared / "vocab" / "sweet.nt.gz", "rt") as lines:
        for line in lines:
            if match := re.match(r'<(\S+)> <http://www.w3.org/2000/01/rdf-schema#label> "(.*)"@en', line):
                known[match[1]] = match[2]
    for name in ("envo", "sweet"):
        rows = read_alignments(SOURCE.with_name(f"dafab-{name}.sssom.tsv")).rows
        assert len(rows) > 50
        assert {row.object: known.get(row.object) for row in rows} == {row.object: row.object_label for row in rows}


@pytest.mark.shared
def test_what_is_aligned_to_gcmd_is_so_by_way_of_sweet(shared: Path) -> None:
    mapping = Graph().parse(shared / "vocab" / "sweet_alignments" / "sweet-gcmd-mapping.ttl", format="turtle")
    to_sweet = read_alignments(SOURCE.with_name("dafab-sweet.sssom.tsv")).rows
    for row in read_alignments(SOURCE.with_name("dafab-gcmd.sssom.tsv")).rows:
        (same,) = mapping.objects(URIRef(row.object), SKOS.exactMatch)
        assert row.subject in {other.subject for other in to_sweet if other.object == str(same)}
        # What is exact on both steps is exact; anything less stays less.
        assert (row.predicate in EXACT) <= all(
            other.predicate in EXACT for other in to_sweet if other.object == str(same)
        )
