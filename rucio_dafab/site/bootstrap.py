"""Make a database into a site. A process of its own: Rucio reads its configuration once, when it is imported.

Standard output carries one JSON line a step for ``rucio-dafab up``: ``{"phase": …}`` or ``{"refusal": …}``.
"""

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Final

from rucio_dafab.errors import DafabError
from rucio_dafab.site import cluster, credentials, record
from rucio_dafab.site.home import Home

PATIENCE: Final = 60.0
"""Seconds to wait for PostgreSQL; recovery after a crash may take some."""

Say = Callable[[str], None]


def prepare(home: Home, say: Say) -> None:
    """Bring the database of a site to what this version expects; again is harmless.

    Args:
        home: the site; its cluster is starting or runs.
        say: told the name of each phase as it begins.

    Raises:
        DafabError: what prevents it, in one line.
    """
    # Loading Rucio takes longer than initdb: it happens while the cluster is being made.
    from rucio.db.sqla.constants import DatabaseOperationType  # noqa: PLC0415
    from rucio.db.sqla.session import db_session, get_engine  # noqa: PLC0415

    from rucio_dafab.catalogue import migrations  # noqa: PLC0415
    from rucio_dafab.site import provision  # noqa: PLC0415

    chosen, passwords = record.require(home), credentials.load(home)
    say("database")
    cluster.wait_until_ready(chosen.postgres_port, passwords.database[credentials.SUPERUSER], PATIENCE)
    cluster.make_database(chosen.postgres_port, passwords.database)
    say("tables of Rucio")
    _ensure_tables()
    say("tables of the catalogue")
    migrations.upgrade(get_engine())
    say("accounts, storage, collections")
    with db_session(DatabaseOperationType.WRITE) as session:
        provision.ensure_accounts(passwords, session)
        provision.ensure_scope(session)
        provision.ensure_rses(home, session)
        provision.ensure_store(home, session)
        provision.ensure_tree(session)


def _ensure_tables() -> None:
    """Make Rucio's tables unless its own migration table says that they are complete.

    Raises:
        DafabError: if they are those of another version of Rucio.
    """
    from rucio.alembicrevision import ALEMBIC_REVISION  # noqa: PLC0415
    from rucio.common.constants import DEFAULT_VO  # noqa: PLC0415
    from rucio.core.vo import vo_exists  # noqa: PLC0415
    from rucio.db.sqla.constants import DatabaseOperationType  # noqa: PLC0415
    from rucio.db.sqla.session import db_session, get_engine  # noqa: PLC0415
    from rucio.db.sqla.util import build_database, create_base_vo  # noqa: PLC0415
    from sqlalchemy import inspect, text  # noqa: PLC0415

    found = None
    if inspect(get_engine()).has_table("alembic_version", schema="rucio"):
        with get_engine().connect() as connection:
            found = connection.execute(text("SELECT version_num FROM rucio.alembic_version")).scalar()
    if found is None:
        build_database()
    elif found != ALEMBIC_REVISION:
        raise DafabError(
            f"the database holds Rucio's tables at revision {found}, this version expects {ALEMBIC_REVISION}"
        )
    with db_session(DatabaseOperationType.READ) as session:
        known = vo_exists(DEFAULT_VO, session=session)
    if not known:
        create_base_vo()


def main() -> int:
    """Prepare the site of ``DAFAB_HOME`` and return the exit status."""
    lines = sys.stdout

    def tell(kind: str, text: str) -> None:
        lines.write(json.dumps({kind: text}) + "\n")
        lines.flush()

    # Rucio prints as it goes; standard output carries our lines alone.
    with contextlib.redirect_stdout(sys.stderr):
        try:
            prepare(Home.from_environment(), lambda phase: tell("phase", phase))
        except DafabError as refusal:
            tell("refusal", str(refusal))
            return refusal.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
