"""A batch of prepared items on its way into Rucio's tables and ours: copied once, then moved by a few statements.

The rows are those that Rucio's ``add_dids`` and ``attach_dids`` write, defaults taken from Rucio's own models; its
messages and its mark for the judge among them. All of it happens in the caller's transaction.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rucio.common.config import config_get_list
from rucio.common.constants import DEFAULT_VO
from rucio.common.types import InternalAccount, InternalScope
from rucio.common.utils import generate_uuid
from rucio.db.sqla import models
from rucio.db.sqla.constants import DIDReEvaluation, DIDType
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, and_, delete, func, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import links
from rucio_dafab.catalogue.prepared import PreparedItem
from rucio_dafab.catalogue.tables import KEPT_BY_DATABASE, fixed_columns, typed_column
from rucio_dafab.catalogue.tables import document as table
from rucio_dafab.catalogue.typed import typed_queryables
from rucio_dafab.vocabulary.queryables import load as load_queryables

_DIDS: Final = models.DataIdentifier.__table__
_CONTENTS: Final = models.DataIdentifierAssociation.__table__

_staged: Final = Table(
    "dafab_staged_items",
    MetaData(),
    Column("line", BigInteger),
    *(column for column in fixed_columns() if column.name not in KEPT_BY_DATABASE),
    *(typed_column(queryable, name) for queryable, name in typed_queryables(load_queryables())),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
_COLUMNS: Final = [column.name for column in table.columns if column.name not in KEPT_BY_DATABASE]


def stage(scope: InternalScope, items: Sequence[PreparedItem], *, session: Session) -> None:
    """Copy a batch, no id twice, into a temporary table that goes with the transaction."""
    # Values are moved as they lie: packed here as in the table, they are packed once.
    session.execute(text("SET LOCAL default_toast_compression = 'lz4'"))
    _staged.create(session.connection())
    names = [name for name in _COLUMNS if name not in {"scope", "name"}]
    into = ", ".join(_quoted(session, name) for name in ("line", "scope", "name", *names))
    with _cursor(session) as cursor, cursor.copy(f"COPY {_staged.name} ({into}) FROM STDIN") as copy:
        for item in items:
            copy.write_row((item.line, scope.internal, item.name, *(item.columns[name] for name in names)))


def add_containers(account: InternalAccount, *, session: Session) -> set[str]:
    """Add a container for each staged item without a DID, awaiting who is adding one too; return their names."""
    names = ["scope", "name", "account", "did_type", "monotonic", "is_open"]
    values = [literal(account, _DIDS.c.account.type), _container(_DIDS.c.did_type), literal(False), literal(True)]
    rows = select(_staged.c.scope, _staged.c.name, *values).order_by(_staged.c.name)
    statement = insert(_DIDS).from_select(names, rows).on_conflict_do_nothing().returning(_DIDS.c.name)
    return set(session.scalars(statement))


def hold_others(added: set[str], *, session: Session) -> dict[str, Any]:
    """Return the rows of those staged items that had a DID before, by name, and keep others from writing them.

    Each row says its ``did_type``, whether its document is ``partial`` (``None`` where it has none), whether that is
    the ``same``, its ``collection`` and ``document``.
    """
    same = table.c.document == _staged.c.document
    own = and_(table.c.scope == _DIDS.c.scope, table.c.name == _DIDS.c.name)
    statement = (
        select(_DIDS.c.name, _DIDS.c.did_type, table.c.partial, same.label("same"), table.c.collection)
        .add_columns(table.c.document)
        .select_from(
            _staged.join(_DIDS, and_(_DIDS.c.scope == _staged.c.scope, _DIDS.c.name == _staged.c.name)).outerjoin(
                table, own
            )
        )
        .where(_staged.c.name.not_in(added))
        .order_by(_DIDS.c.name)
        .with_for_update(key_share=True, of=_DIDS)
    )
    return {row.name: row for row in session.execute(statement)}


def leave_out(names: Iterable[str], *, session: Session) -> None:
    """Take items out of the batch."""
    wanted = list(names)
    if wanted:
        session.execute(delete(_staged).where(_staged.c.name.in_(wanted)))


def attach(*, session: Session) -> list[tuple[str, str]]:
    """Attach each staged item below its collection, unless it is; return (collection, item) of the new attachments."""
    names = ["scope", "name", "child_scope", "child_name", "did_type", "child_type", "rule_evaluation"]
    types = [_container(_CONTENTS.c.did_type), _container(_CONTENTS.c.child_type), literal(True)]
    rows = select(_staged.c.scope, _staged.c.collection, _staged.c.scope, _staged.c.name, *types)
    statement = insert(_CONTENTS).from_select(names, rows.order_by(_staged.c.name)).on_conflict_do_nothing()
    made = session.execute(statement.returning(_CONTENTS.c.name, _CONTENTS.c.child_name))
    return [(collection, item) for collection, item in made]


def write_documents(*, all_new: bool = False, session: Session) -> None:
    """Write the documents of all that is staged still, in place of any they had.

    Args:
        all_new: whether every DID is a container of this transaction: the database need not look what it is.
        session: the caller's transaction.
    """
    latest = links.without_successor(_staged.c.scope, _staged.c.name)
    did_type = literal(DIDType.CONTAINER.value if all_new else None, Text)
    statement = insert(table).from_select(
        [*_COLUMNS, "latest", "did_type"], select(*(_staged.c[name] for name in _COLUMNS), latest, did_type)
    )
    changed: dict[str, Any] = {name: statement.excluded[name] for name in _COLUMNS if name not in {"scope", "name"}}
    session.execute(
        statement.on_conflict_do_update(index_elements=["scope", "name"], set_=changed | {"updated_at": func.now()})
    )


def write_links(
    scope: InternalScope, items: Sequence[PreparedItem], replaced: Iterable[str], *, session: Session
) -> None:
    """Write the links of items whose documents are written, in place of those of documents that were replaced."""
    names = list(replaced)
    if names:
        session.execute(delete(links.link).where(links.link.c.scope == scope, links.link.c.name.in_(names)))
    into = ", ".join(column.name for column in links.link.columns)
    with _cursor(session) as cursor, cursor.copy(f"COPY {links.link.fullname} ({into}) FROM STDIN") as copy:
        for item in items:
            for _, name, rel, to, target in links.rows(scope, item.name, item.links):
                copy.write_row((scope.internal, name, rel, to.internal, target))


def tell_rucio(
    scope: InternalScope,
    account: InternalAccount,
    added: Iterable[str],
    attached: Sequence[tuple[str, str]],
    *,
    session: Session,
) -> None:
    """Leave what Rucio's daemons wait for: messages, and one mark a collection for the rules on it."""
    who = {"account": account.external, "scope": scope.external}
    vo = {} if account.vo == DEFAULT_VO else {"vo": account.vo}
    created = (("CREATE_CNT", who | {"name": name, "expired_at": None} | vo) for name in sorted(added))
    registered = (
        (
            "REGISTER_CNT",
            who | {"name": collection, "childscope": scope.external, "childname": item, "childtype": "CONTAINER"} | vo,
        )
        for collection, item in attached
    )
    _add_messages([*created, *registered], session)
    marks = [
        {"scope": scope, "name": name, "rule_evaluation_action": DIDReEvaluation.ATTACH}
        for name in sorted({collection for collection, _ in attached})
    ]
    if marks:
        session.execute(insert(models.UpdatedDID), marks)


def _add_messages(messages: Sequence[tuple[str, dict[str, Any]]], session: Session) -> None:
    """Do as ``rucio.core.message.add_messages``, by COPY; none of these is for the service ``email``."""
    services = config_get_list(
        "hermes", "services_list", raise_exception=False, default="activemq,email", session=session
    )
    now = datetime.now(UTC).replace(tzinfo=None)
    columns = "id, event_type, payload, services, created_at, updated_at"
    into = models.Message.__table__.fullname
    with _cursor(session) as cursor, cursor.copy(f"COPY {into} ({columns}) FROM STDIN") as copy:
        for service in (each for each in services if each != "email"):
            for event, payload in messages:
                copy.write_row((generate_uuid(), event, json.dumps(payload), service, now, now))


def _cursor(session: Session) -> Any:
    """Return a cursor of psycopg on the session's own connection: COPY is nothing that SQLAlchemy knows."""
    return session.connection().connection.cursor()


def _container(column: Column[Any]) -> Any:
    return literal(DIDType.CONTAINER, column.type)


def _quoted(session: Session, name: str) -> str:
    return str(session.connection().dialect.identifier_preparer.quote(name))
