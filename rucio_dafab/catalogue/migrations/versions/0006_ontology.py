"""The tables of published ontologies.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables: a publication a row, with its classes and alignments."""
    op.create_table(
        "ontology",
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("iri", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("checksum", sa.Text, nullable=False),
        sa.Column("prefixes", JSONB, nullable=False),
        sa.Column("rules", JSONB, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema="dafab",
    )
    op.create_index("ontology_newest", "ontology", ["iri", sa.text("number DESC")], schema="dafab")
    op.create_table(
        "ontology_class",
        _publication("ontology_class_publication"),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("parents", ARRAY(sa.Text), nullable=False),
        sa.Column("matches", ARRAY(sa.Text), nullable=False),
        sa.Column("below", ARRAY(sa.Text), nullable=False),
        sa.Column("deprecated", sa.Boolean, nullable=False),
        schema="dafab",
    )
    op.create_table(
        "ontology_alignment",
        _publication("ontology_alignment_publication"),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("predicate", sa.Text, primary_key=True),
        sa.Column("object", sa.Text, primary_key=True),
        sa.Column("justification", sa.Text, nullable=False),
        sa.Column("confidence", sa.Double),
        schema="dafab",
    )


def downgrade() -> None:
    """Drop the tables, and with them what was published: the installed ontology is the current one again."""
    for name in ("ontology_alignment", "ontology_class", "ontology"):
        op.drop_table(name, schema="dafab")


def _publication(name: str) -> sa.Column[int]:
    cascading = sa.ForeignKey("dafab.ontology.number", ondelete="CASCADE", name=name)
    return sa.Column("ontology", sa.BigInteger, cascading, primary_key=True, autoincrement=False)
