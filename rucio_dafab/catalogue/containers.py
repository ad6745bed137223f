"""A batch of items in Rucio's tables: containers, attachments, and what Rucio's daemons wait for.

The rows are those that Rucio's ``add_dids`` and ``attach_dids`` write, defaults taken from Rucio's own models; its
messages and its mark for the judge among them. All of it happens in the caller's transaction.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from rucio.common.config import config_get_list
from rucio.common.constants import DEFAULT_VO
from rucio.common.types import InternalAccount, InternalScope
from rucio.db.sqla import models
from rucio.db.sqla.constants import DIDReEvaluation, DIDType
from sqlalchemy import ARRAY, Column, ColumnElement, Text, bindparam, column, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

_DIDS: Final = models.DataIdentifier.__table__
_CONTENTS: Final = models.DataIdentifierAssociation.__table__
_ITEM: Final = "%ITEM%"


def add(scope: InternalScope, names: Collection[str], account: InternalAccount, *, session: Session) -> set[str]:
    """Add a container for each name without a DID, awaiting who is adding one too; return the names of these."""
    values = {
        "scope": literal(scope, _DIDS.c.scope.type),
        "name": column("name"),
        "account": literal(account, _DIDS.c.account.type),
        "did_type": _container(_DIDS.c.did_type),
        "monotonic": literal(False),
        "is_open": literal(True),
    }
    # In one order: two who add the same names never wait for each other.
    rows = select(*values.values()).select_from(_unnested(name=sorted(names)))
    statement = insert(_DIDS).from_select(list(values), rows).on_conflict_do_nothing().returning(_DIDS.c.name)
    return set(session.scalars(statement))


def attach(
    scope: InternalScope, collections: Mapping[str, str], *, new: bool, session: Session
) -> list[tuple[str, str]]:
    """Attach items below their collections, unless they are.

    Args:
        scope: of items and collections.
        collections: name of the collection by that of the item.
        new: whether this transaction added all of the items: nobody can have attached one, and none is looked for.
        session: the caller's transaction.

    Returns:
        Collection and item of each new attachment.
    """
    own = literal(scope, _CONTENTS.c.scope.type)
    values = {
        "scope": own,
        "name": column("collection"),
        "child_scope": own,
        "child_name": column("item"),
        "did_type": _container(_CONTENTS.c.did_type),
        "child_type": _container(_CONTENTS.c.child_type),
        "rule_evaluation": literal(True),
    }
    items = sorted(collections)
    pairs = _unnested(collection=[collections[item] for item in items], item=items)
    rows = select(*values.values()).select_from(pairs)
    statement = insert(_CONTENTS).from_select(list(values), rows)
    if not new:
        statement = statement.on_conflict_do_nothing()
    made = session.execute(statement.returning(_CONTENTS.c.name, _CONTENTS.c.child_name))
    return [(collection, item) for collection, item in made]


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
    children: dict[str, list[str]] = {}
    for collection, item in attached:
        children.setdefault(collection, []).append(item)
    _add_messages("CREATE_CNT", who | {"name": _ITEM, "expired_at": None} | vo, sorted(added), session)
    for collection, items in sorted(children.items()):
        child = {"childscope": scope.external, "childname": _ITEM, "childtype": "CONTAINER"}
        _add_messages("REGISTER_CNT", who | {"name": collection} | child | vo, items, session)
    marks = [
        {"scope": scope, "name": name, "rule_evaluation_action": DIDReEvaluation.ATTACH} for name in sorted(children)
    ]
    if marks:
        session.execute(insert(models.UpdatedDID), marks)


def _add_messages(event: str, payload: dict[str, Any], items: Sequence[str], session: Session) -> None:
    """Do as ``rucio.core.message.add_messages`` with a payload an item; none of these is for the service ``email``.

    Args:
        event: type of the messages.
        payload: what they say; :data:`_ITEM` stands for the name of the item, which no character of needs an escape.
        items: names.
        session: the caller's transaction.
    """
    services = config_get_list(
        "hermes", "services_list", raise_exception=False, default="activemq,email", session=session
    )
    before, after = json.dumps(payload).split(_ITEM)
    for service in (each for each in services if each != "email"):
        values = {
            "id": func.gen_random_uuid(),
            "event_type": literal(event),
            "payload": literal(before) + column("item", Text) + literal(after),
            "services": literal(service),
        }
        rows = select(*values.values()).select_from(_unnested(item=items))
        session.execute(insert(models.Message).from_select(list(values), rows))


def _unnested(**columns: Sequence[str]) -> Any:
    """Return rows made of lists of one length: one parameter a column, however many rows."""
    lists: list[ColumnElement[Any]] = [
        bindparam(f"all_{name}", values, type_=ARRAY(Text)) for name, values in columns.items()
    ]
    return func.unnest(*lists).table_valued(*columns).render_derived()


def _container(of: Column[Any]) -> Any:
    return literal(DIDType.CONTAINER, of.type)
