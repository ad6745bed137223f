"""Links between documents, and which documents are the latest of their versions.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from rucio.db.sqla.models import DataIdentifier

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DID = DataIdentifier.__table__

# The links of the documents of before, read as catalogue/links.py reads them: an address that ends with
# /collections/<collection>/items/<id> or /dids/<scope>/<name>, a DID, or a name alone.
FILL = r"""
INSERT INTO dafab.link (scope, name, rel, target_scope, target_name)
SELECT DISTINCT scope, name, rel, target_scope, target_name
FROM (
  SELECT scope, name, rel,
    coalesce(did[1], did[3], scope) AS target_scope,
    coalesce(item[1], item[2], did[2], did[4]) AS target_name
  FROM (
    SELECT d.scope, d.name, link ->> 'rel' AS rel,
      regexp_match(split_part(split_part(link ->> 'href', '?', 1), '#', 1),
        '(?:^|/)collections/[^/]+/items/([A-Za-z0-9][A-Za-z0-9._-]{0,249})/?$'
        '|^([A-Za-z0-9][A-Za-z0-9._-]{0,249})$') AS item,
      regexp_match(split_part(split_part(link ->> 'href', '?', 1), '#', 1),
        '(?:^|/)dids/([A-Za-z0-9_.-]{1,25})/([A-Za-z0-9][A-Za-z0-9._-]{0,249})/?$'
        '|^([A-Za-z0-9_.-]{1,25}):([A-Za-z0-9][A-Za-z0-9._-]{0,249})$') AS did
    FROM dafab.document d
    CROSS JOIN LATERAL jsonb_array_elements(
      CASE jsonb_typeof(d.document::jsonb -> 'links') WHEN 'array' THEN d.document::jsonb -> 'links' ELSE '[]' END
    ) AS link
    WHERE jsonb_typeof(link -> 'rel') = 'string' AND length(link ->> 'rel') BETWEEN 1 AND 100
      AND link ->> 'rel' NOT IN
        ('self', 'root', 'parent', 'child', 'item', 'items', 'collection', 'canonical', 'alternate')
  ) AS written
) AS found
WHERE target_name IS NOT NULL AND (target_scope, target_name) <> (scope, name)
"""

# Whoever writes or removes a link, the undertaker's cascade included, keeps `latest` right by these.
TRIGGER = """
CREATE FUNCTION dafab.note_predecessor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    UPDATE dafab.document SET latest = false
    WHERE scope = NEW.target_scope AND name = NEW.target_name AND latest;
  ELSE
    UPDATE dafab.document AS d SET latest = true
    WHERE d.scope = OLD.target_scope AND d.name = OLD.target_name AND NOT d.latest AND NOT EXISTS (
      SELECT FROM dafab.link AS l
      WHERE l.target_scope = d.scope AND l.target_name = d.name AND l.rel = 'predecessor-version'
    );
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER link_made AFTER INSERT ON dafab.link FOR EACH ROW
  WHEN (NEW.rel = 'predecessor-version') EXECUTE FUNCTION dafab.note_predecessor();
CREATE TRIGGER link_gone AFTER DELETE ON dafab.link FOR EACH ROW
  WHEN (OLD.rel = 'predecessor-version') EXECUTE FUNCTION dafab.note_predecessor();
"""

SUPERSEDED = """
UPDATE dafab.document AS d SET latest = false
FROM dafab.link AS l
WHERE l.target_scope = d.scope AND l.target_name = d.name AND l.rel = 'predecessor-version'
"""


def upgrade() -> None:
    """Create the table of links and fill it; mark the documents that have a successor."""
    op.create_table(
        "link",
        sa.Column("scope", DID.c.scope.type, nullable=False),
        sa.Column("name", DID.c.name.type, nullable=False),
        sa.Column("rel", sa.Text, nullable=False),
        sa.Column("target_scope", DID.c.scope.type, nullable=False),
        sa.Column("target_name", DID.c.name.type, nullable=False),
        sa.ForeignKeyConstraint(
            ["scope", "name"],
            ["dafab.document.scope", "dafab.document.name"],
            ondelete="CASCADE",
            name="link_document",
        ),
        schema="dafab",
    )
    op.execute(FILL)
    op.create_index("link_source", "link", ["scope", "name", "rel"], schema="dafab")
    op.create_index("link_target", "link", ["target_scope", "target_name", "rel"], schema="dafab")
    # Last, since it locks the documents: with a constant default nothing is rewritten.
    op.add_column("document", sa.Column("latest", sa.Boolean, nullable=False, server_default=sa.true()), schema="dafab")
    op.execute(SUPERSEDED)
    op.execute(TRIGGER)


def downgrade() -> None:
    """Drop the table of links, and the knowledge which documents are the latest."""
    op.drop_table("link", schema="dafab")
    op.execute("DROP FUNCTION dafab.note_predecessor()")
    op.drop_column("document", "latest", schema="dafab")
