"""``GET /dafab/health``: whether database, Rucio and catalogue work, each in one word or line."""

from typing import Any

from fastapi import APIRouter, Response
from rucio.db.sqla.session import get_engine
from rucio.db.sqla.util import is_old_db
from rucio.version import version_string
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from rucio_dafab.catalogue import migrations
from rucio_dafab.catalogue.errors import MigrationError

router = APIRouter(prefix="/dafab", tags=["operation"])


@router.get("/health")
def health(response: Response) -> dict[str, Any]:
    """Answer 200 and ``status: ok`` when everything works, otherwise 503 with what does not; nobody needs a token."""
    try:
        database, rucio, catalogue = _database(), _rucio(), _catalogue()
    except (SQLAlchemyError, MigrationError) as error:
        line = " ".join(str(error).split())
        response.status_code = 503
        return {"status": "down", "database": f"out of reach: {line[:200]}", "rucio": None, "catalogue": None}
    well = rucio[0] and catalogue[0]
    response.status_code = 200 if well else 503
    return {"status": "ok" if well else "degraded", "database": database, "rucio": rucio[1], "catalogue": catalogue[1]}


def _database() -> str:
    with get_engine().connect() as connection:
        postgres = connection.scalar(text("SHOW server_version"))
        postgis = connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'postgis'"))
    return f"PostgreSQL {str(postgres).split()[0]}, PostGIS {postgis}"


def _rucio() -> tuple[bool, str]:
    with get_engine().connect() as connection:
        tables = connection.scalar(text("SELECT to_regclass('rucio.alembic_version')"))
    if tables is None:
        return False, "its tables are missing"
    if is_old_db():
        return False, "its tables are of another version"
    return True, f"Rucio {version_string()}"


def _catalogue() -> tuple[bool, str]:
    # Rows that servers of before wrote harm nobody, and are ordinary while servers are being replaced.
    differences = migrations.check(get_engine(), rows=False)
    return (False, differences[0]) if differences else (True, "ready")
