"""What the tests of ontologies share: small ontologies in Turtle."""

from pathlib import Path

from rucio_dafab.vocabulary.ontology_reader import Reading, read

HEAD = """
@prefix : <https://e.example/t#> .
@prefix dafab: <https://w3id.org/dafab/ontology#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
"""
SSSOM = "#curie_map:\n#  t: https://e.example/t#\n#  x: https://x.example/\n#license: L\n#mapping_set_id: https://e.example/m\n"
COLUMNS = ("subject_id", "predicate_id", "object_id", "mapping_justification")
CURATED = "semapv:ManualMappingCuration"


def described(name: str, above: str = "", label: str = "") -> str:
    """Return a class that lacks nothing."""
    label = label or f"the {name}"
    labels = ", ".join(f'"{label} {each}"@{each}' for each in ("en", "fr", "de"))
    over = f"rdfs:subClassOf {above} ; " if above else ""
    return f':{name} a owl:Class ; {over}rdfs:label {labels} ; skos:definition "What {name} is."@en .\n'


def ontology_file(
    folder: Path, triples: str, *, version: str = "1.0.0", imports: str = "", name: str = "t.ttl"
) -> Path:
    """Write an ontology in Turtle."""
    path = folder / name
    header = f'<https://e.example/t> a owl:Ontology ; {imports} owl:versionInfo "{version}" .\n'
    path.write_text(HEAD + header + triples, encoding="utf-8")
    return path


def reading(folder: Path, triples: str, **options: str) -> Reading:
    """Write and read an ontology."""
    return read(ontology_file(folder, triples, **options))


def alignments(folder: Path, *rows: str, name: str = "t-x.sssom.tsv") -> Path:
    """Write alignments beside it: subject, predicate and object of each row."""
    lines = ["\t".join(COLUMNS), *("\t".join([*row.split(), CURATED]) for row in rows)]
    path = folder / name
    path.write_text(SSSOM + "\n".join(lines) + "\n", encoding="utf-8")
    return path
