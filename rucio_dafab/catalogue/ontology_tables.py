"""The tables of published ontologies. Rows are added and never changed, so that who has read them may keep them."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from rucio_dafab.catalogue.tables import SCHEMA, metadata


def _publication(name: str) -> Column[int]:
    # Named, since Rucio names what is not, and does not know of schemas then.
    cascading = ForeignKey(f"{SCHEMA}.ontology.number", ondelete="CASCADE", name=name)
    return Column("ontology", BigInteger, cascading, primary_key=True, autoincrement=False)


ontology: Final = Table(
    "ontology",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("iri", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("checksum", Text, nullable=False),
    Column("prefixes", JSONB, nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("withdrawn", Boolean, nullable=False, server_default=false()),
    Column("published_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("relations", JSONB, nullable=False, server_default=text("'[]'")),
    Column("places", JSONB, nullable=False, server_default=text("'[]'")),
)
"""``dafab.ontology``: a publication; the one with the highest number of an IRI is current.

``checksum`` is that of what was published, ``withdrawn`` says that from here on there is none of that IRI.
"""

Index("ontology_newest", ontology.c.iri, ontology.c.number.desc())

ontology_class: Final = Table(
    "ontology_class",
    metadata,
    _publication("ontology_class_publication"),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("definition", Text, nullable=False),
    Column("parents", ARRAY(Text), nullable=False),
    Column("matches", ARRAY(Text), nullable=False),
    Column("below", ARRAY(Text), nullable=False),
    Column("deprecated", Boolean, nullable=False),
)
"""``dafab.ontology_class``: a class of a publication, with its closure (``below``, itself included)."""

ontology_alignment: Final = Table(
    "ontology_alignment",
    metadata,
    _publication("ontology_alignment_publication"),
    Column("source", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("predicate", Text, primary_key=True),
    Column("object", Text, primary_key=True),
    Column("justification", Text, nullable=False),
    Column("confidence", Double),
)
"""``dafab.ontology_alignment``: what was said of other vocabularies, with the mapping set that says it."""
