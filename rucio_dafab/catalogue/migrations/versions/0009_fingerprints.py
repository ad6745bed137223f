"""Fingerprints of documents, in place of an index of every member.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_FORMER = "document_searchable"
_OF_FEW_VALUES = ("document_classes", "document_instruments")


def upgrade() -> None:
    """Add the column, empty. It is filled and indexed afterwards, as columns of queryables are: nobody waits for it.

    The index that it replaces goes when its own is ready. Those of a value or two a document no longer keep lists of
    what is to be indexed.
    """
    op.add_column("document", sa.Column("fingerprints", sa.ARRAY(sa.Integer)), schema="dafab")
    for name in _OF_FEW_VALUES:
        op.execute(f"ALTER INDEX IF EXISTS dafab.{name} SET (fastupdate = off)")


def downgrade() -> None:
    """Drop the column with its index, and make those of before."""
    for name in _OF_FEW_VALUES:
        op.execute(f"ALTER INDEX IF EXISTS dafab.{name} RESET (fastupdate)")
    op.drop_column("document", "fingerprints", schema="dafab")
    op.create_index(
        _FORMER,
        "document",
        ["searchable"],
        schema="dafab",
        postgresql_using="gin",
        postgresql_ops={"searchable": "jsonb_path_ops"},
        if_not_exists=True,
    )
