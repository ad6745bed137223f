"""Place and time in one index, whatever an extent's length, and spatial predicates whose cost the planner knows.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PREDICATES = ("intersects", "within", "contains", "crosses", "touches", "overlaps", "equals")

# PostGIS names a cost that fits outlines of thousands of points, so that the planner reads half of another index rather
# than compare a few hundred footprints. These cost what a footprint against a small area takes, about 5 µs.
COST = 200


def upgrade() -> None:
    """Make the functions and the index; the index of before, of begins alone, goes."""
    for name in PREDICATES:
        op.execute(
            f"CREATE FUNCTION dafab.{name}(one geometry, other geometry) RETURNS boolean LANGUAGE plpgsql"
            f" IMMUTABLE STRICT PARALLEL SAFE COST {COST} AS $$ BEGIN RETURN ST_{name}(one, other); END $$"
        )
    op.execute(
        "CREATE FUNCTION dafab.dwithin(one geometry, other geometry, metres double precision) RETURNS boolean"
        f" LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST {2 * COST}"
        " AS $$ BEGIN RETURN ST_DWithin(one::geography, other::geography, metres); END $$"
    )
    op.execute(
        "CREATE INDEX document_geometry_extent ON dafab.document"
        " USING gist (geometry, tstzrange(extent_start, extent_end, '[]'))"
    )
    op.drop_index("document_geometry_extent_start", "document", schema="dafab")


def downgrade() -> None:
    """Restore the index of before and drop the functions."""
    op.create_index(
        "document_geometry_extent_start",
        "document",
        ["geometry", "extent_start"],
        schema="dafab",
        postgresql_using="gist",
    )
    op.drop_index("document_geometry_extent", "document", schema="dafab")
    op.execute("DROP FUNCTION dafab.dwithin(geometry, geometry, double precision)")
    for name in PREDICATES:
        op.execute(f"DROP FUNCTION dafab.{name}(geometry, geometry)")
