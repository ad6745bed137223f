"""The table of documents.

Revision ID: 0001
Revises:
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from geoalchemy2 import Geometry
from rucio.db.sqla.models import DataIdentifier
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DID = DataIdentifier.__table__


def upgrade() -> None:
    """Create the table with the columns and indexes that every catalogue has."""
    op.create_table(
        "document",
        sa.Column("scope", DID.c.scope.type, primary_key=True),
        sa.Column("name", DID.c.name.type, primary_key=True),
        sa.Column("id", sa.Text),
        sa.Column("collection", sa.Text),
        sa.Column("geometry", Geometry(srid=4326, spatial_index=False)),
        sa.Column("extent_start", sa.DateTime(timezone=True)),
        sa.Column("extent_end", sa.DateTime(timezone=True)),
        sa.Column("classes", ARRAY(sa.Text)),
        sa.Column("partial", sa.Boolean, nullable=False),
        sa.Column("searchable", JSONB, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.ForeignKeyConstraint(["scope", "name"], [DID.c.scope, DID.c.name], ondelete="CASCADE", name="document_did"),
        schema="dafab",
    )
    # Sent unparsed as it is written: lz4 unpacks several times faster than the default.
    op.execute("ALTER TABLE dafab.document ALTER COLUMN document SET COMPRESSION lz4")
    op.execute("ALTER TABLE dafab.document ALTER COLUMN searchable SET COMPRESSION lz4")
    newest = [sa.text("extent_start DESC NULLS LAST"), sa.text("name DESC")]
    _index("geometry_extent_start", ["geometry", "extent_start"], postgresql_using="gist")
    _index("collection_newest", ["collection", *newest])
    _index("newest", ["scope", *newest])
    _index("extent_end", ["extent_end"])
    _index("id", ["id"])
    _index("classes", ["classes"], postgresql_using="gin")
    _index("searchable", ["searchable"], postgresql_using="gin", postgresql_ops={"searchable": "jsonb_path_ops"})


def downgrade() -> None:
    """Drop the table, and with it every document."""
    op.drop_table("document", schema="dafab")


def _index(name: str, columns: list[str | sa.TextClause], **options: Any) -> None:
    op.create_index(f"document_{name}", "document", columns, schema="dafab", **options)
