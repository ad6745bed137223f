"""The classes of this installation's ontology with their closure, kept beside its Turtle: rdflib is slow to import.

After a change of anything in ``etc/ontology`` write them anew::

    python -m rucio_dafab.vocabulary.ontology_compiled
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from rucio_dafab.resources import resources
from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_classes import OntologyClass
from rucio_dafab.vocabulary.ontology_relations import OntologyRelation, Place
from rucio_dafab.vocabulary.ontology_rules import Condition, Rule


def source() -> Path:
    """Return the path of this installation's ontology."""
    return resources() / "etc" / "ontology" / "dafab.ttl"


def alignment_files(path: Path) -> tuple[Path, ...]:
    """Return the alignments that stand beside an ontology's file: ``<its name>-*.sssom.tsv``."""
    return tuple(sorted(path.parent.glob(f"{path.stem}-*.sssom.tsv")))


def load() -> Ontology:
    """Return the kept classes while they carry the checksum of what they were made from; else those of the Turtle."""
    path = source()
    try:
        document = orjson.loads(path.with_suffix(".json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        document = {}
    if document.get("sha256") == checksum(path):
        return from_document(document)
    from rucio_dafab.vocabulary.ontology_reader import read  # noqa: PLC0415 - slow to import, rarely needed

    return read(path).ontology


def write(ontology: Ontology) -> None:
    """Write the classes of this installation's ontology beside its Turtle."""
    path = source()
    document = {"sha256": checksum(path)} | to_document(ontology)
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    path.with_suffix(".json").write_bytes(orjson.dumps(document, option=options))


def checksum(path: Path) -> str:
    """Return the SHA-256 of an ontology's file and of the alignments beside it, hexadecimal."""
    return sha256(b"\0".join(each.read_bytes() for each in (path, *alignment_files(path)))).hexdigest()


def to_document(ontology: Ontology) -> dict[str, Any]:
    """Return an ontology as JSON, without those beside it; members that came later stand only where they hold any."""
    later = {
        "close": dict(ontology.close),
        "relations": [asdict(each) for each in ontology.relations],
        "places": [asdict(each) for each in ontology.places],
    }
    return {
        "iri": ontology.iri,
        "version": ontology.version,
        "prefixes": dict(ontology.prefixes),
        "rules": rules_to_json(ontology.rules),
        "classes": [asdict(each) for each in ontology.classes.values()],
    } | {member: value for member, value in later.items() if value}


def from_document(document: Mapping[str, Any]) -> Ontology:
    """Return the ontology that :func:`to_document` wrote."""
    classes = {table["id"]: class_from_json(table) for table in document["classes"]}
    rules = rules_from_json(document["rules"])
    return Ontology(
        document["iri"],
        document["version"],
        classes,
        document["prefixes"],
        rules,
        close={each: tuple(matches) for each, matches in document.get("close", {}).items()},
        relations=relations_from_json(document.get("relations", ())),
        places=places_from_json(document.get("places", ())),
    )


def class_from_json(table: Mapping[str, Any]) -> OntologyClass:
    """Return a class of its members."""
    return OntologyClass(**_frozen(table))


def rules_to_json(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Return rules as JSON."""
    return [asdict(each) for each in rules]


def rules_from_json(tables: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """Return the rules that :func:`rules_to_json` wrote."""
    return tuple(Rule(each["name"], each["class_id"], _conditions(each["conditions"])) for each in tables)


def relations_from_json(tables: Iterable[Mapping[str, Any]]) -> tuple[OntologyRelation, ...]:
    """Return relations of their members."""
    return tuple(OntologyRelation(**_frozen(each)) for each in tables)


def places_from_json(tables: Iterable[Mapping[str, Any]]) -> tuple[Place, ...]:
    """Return places of their members."""
    return tuple(Place(**_frozen(each)) for each in tables)


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    labels = {language: tuple(texts) for language, texts in table["labels"].items()}
    lists = {name: tuple(value) for name, value in table.items() if isinstance(value, list)}
    return {**table, **lists, "labels": labels}


def _conditions(tables: Iterable[Mapping[str, Any]]) -> tuple[Condition, ...]:
    return tuple(Condition(**{**each, "values": tuple(each["values"])}) for each in tables)


if __name__ == "__main__":
    from rucio_dafab.vocabulary.ontology_reader import read

    write(read(source()).ontology)
