"""The rule that made a link.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty: before, nothing but people made links. Nothing is rewritten."""
    op.add_column("link", sa.Column("rule", sa.Text), schema="dafab")
    op.create_index(
        "link_rule",
        "link",
        ["scope", "rule"],
        schema="dafab",
        postgresql_ops={"rule": "text_pattern_ops"},
        postgresql_where=sa.text("rule IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop the column and its index; the documents keep what they say."""
    op.drop_column("link", "rule", schema="dafab")
