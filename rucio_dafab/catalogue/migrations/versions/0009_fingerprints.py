"""Fingerprints of documents, in place of an index of every member.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

from rucio_dafab.catalogue.columns import restore_former_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_OF_FEW_VALUES = ("document_classes", "document_instruments")


def upgrade() -> None:
    """Add the column, empty. It is filled and indexed afterwards, as columns of queryables are: nobody waits for it.

    The index that it replaces goes when its own is ready. Those of a value or two a document no longer keep lists of
    what is to be indexed.
    """
    op.add_column("document", sa.Column("fingerprints", sa.ARRAY(sa.Integer)), schema="dafab")
    for name in _OF_FEW_VALUES:
        op.execute(f"ALTER INDEX IF EXISTS dafab.{name} SET (fastupdate = off)")


def before_downgrade(engine: sa.Engine) -> None:
    """Make the index of before while readers still have the other one."""
    restore_former_index(engine)


def downgrade() -> None:
    """Drop the column with its indexes."""
    for name in _OF_FEW_VALUES:
        op.execute(f"ALTER INDEX IF EXISTS dafab.{name} RESET (fastupdate)")
    op.drop_column("document", "fingerprints", schema="dafab")
