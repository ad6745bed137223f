"""The relations and places of published ontologies.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was published before names none."""
    for name in ("relations", "places"):
        column = sa.Column(name, JSONB, nullable=False, server_default=sa.text("'[]'"))
        op.add_column("ontology", column, schema="dafab")


def downgrade() -> None:
    """Drop the columns."""
    for name in ("relations", "places"):
        op.drop_column("ontology", name, schema="dafab")
