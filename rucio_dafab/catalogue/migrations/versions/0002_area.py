"""The table of users' areas of interest.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table: a named polygon a row."""
    op.create_table(
        "area",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("geometry", Geometry(srid=4326, spatial_index=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema="dafab",
    )


def downgrade() -> None:
    """Drop the table, and with it every area that a user named."""
    op.drop_table("area", schema="dafab")
