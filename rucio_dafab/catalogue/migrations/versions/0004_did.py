"""What listings say of a DID, beside its document: type, size, length and whether it is suppressed.

Revision ID: 0004
Revises: 0003
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from rucio.db.sqla.models import DataIdentifier

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DIDS = DataIdentifier.__table__.fullname

OTHERS = f"""
CREATE TEMPORARY TABLE dafab_others ON COMMIT DROP AS
SELECT d.scope, d.name, d.did_type, d.suppressed, d.bytes, d.length
FROM dafab.document AS t JOIN {DIDS} AS d ON d.scope = t.scope AND d.name = t.name
WHERE d.did_type <> 'C' OR d.suppressed OR d.bytes IS NOT NULL OR d.length IS NOT NULL
"""  # noqa: S608 - the name of Rucio's table
FILL = """
UPDATE dafab.document AS t
SET did_type = d.did_type, did_suppressed = d.suppressed, did_bytes = d.bytes, did_length = d.length
FROM dafab_others AS d WHERE d.scope = t.scope AND d.name = t.name
"""

# A DID is held while its first document is written, so that no change of it is missed. Whoever knows that the DID is
# new may say its type, and saves the look.
TRIGGERS = f"""
CREATE FUNCTION dafab.copy_did() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  did record;
BEGIN
  SELECT d.did_type, d.suppressed, d.bytes, d.length INTO did
  FROM {DIDS} AS d WHERE d.scope = NEW.scope AND d.name = NEW.name FOR SHARE;
  IF FOUND THEN
    NEW.did_type := did.did_type;
    NEW.did_suppressed := did.suppressed;
    NEW.did_bytes := did.bytes;
    NEW.did_length := did.length;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER document_did_copied BEFORE INSERT ON dafab.document FOR EACH ROW
  WHEN (NEW.did_type IS NULL) EXECUTE FUNCTION dafab.copy_did();
CREATE FUNCTION dafab.note_did() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE dafab.document
  SET did_type = NEW.did_type, did_suppressed = NEW.suppressed, did_bytes = NEW.bytes, did_length = NEW.length
  WHERE scope = NEW.scope AND name = NEW.name;
  RETURN NULL;
END $$;
CREATE TRIGGER dafab_did_changed AFTER UPDATE OF did_type, suppressed, bytes, length ON {DIDS} FOR EACH ROW
  WHEN ((OLD.did_type, OLD.suppressed, OLD.bytes, OLD.length)
    IS DISTINCT FROM (NEW.did_type, NEW.suppressed, NEW.bytes, NEW.length))
  EXECUTE FUNCTION dafab.note_did();
"""  # noqa: S608 - the name of Rucio's table


def upgrade() -> None:
    """Add the columns, fill them and let triggers keep them."""
    # Writers wait, so that nothing slips by; readers do until the end, when a constant default rewrites nothing.
    op.execute(f"LOCK TABLE {DIDS}, dafab.document IN SHARE ROW EXCLUSIVE MODE")
    op.execute(OTHERS)
    for column in _columns():
        op.add_column("document", column, schema="dafab")
    op.alter_column("document", "did_type", server_default=None, schema="dafab")
    op.execute(FILL)
    op.execute(TRIGGERS)


def downgrade() -> None:
    """Drop the columns and what kept them."""
    op.execute(f"DROP TRIGGER dafab_did_changed ON {DIDS}")
    op.execute("DROP TRIGGER document_did_copied ON dafab.document")
    op.execute("DROP FUNCTION dafab.note_did()")
    op.execute("DROP FUNCTION dafab.copy_did()")
    for column in _columns():
        op.drop_column("document", column.name, schema="dafab")


def _columns() -> list[sa.Column[Any]]:
    # Nearly every document hangs on an open container, as the defaults say: only the others are written.
    return [
        sa.Column("did_type", sa.Text, nullable=False, server_default="C"),
        sa.Column("did_suppressed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("did_bytes", sa.BigInteger),
        sa.Column("did_length", sa.BigInteger),
    ]
