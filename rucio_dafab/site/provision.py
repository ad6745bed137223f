"""What a site contains before anybody uses it: accounts, a scope, storage elements and the tree of collections.

Every function may run again: it adds what is missing and leaves what is there. Runs inside a process whose
``RUCIO_CONFIG`` is the server's, see :mod:`rucio_dafab.site.bootstrap`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rucio.common.exception import DataIdentifierNotFound, IdentityError, IdentityNotFound, RSENotFound
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import account as accounts
from rucio.core import account_limit, identity, rse
from rucio.core import did as dids
from rucio.core import scope as scopes
from rucio.db.sqla.constants import AccountType, DIDType, IdentityType
from sqlalchemy.orm import Session

from rucio_dafab.catalogue import documents
from rucio_dafab.resources import resources
from rucio_dafab.site.credentials import Credentials, CredentialsError
from rucio_dafab.site.home import ACCOUNTS, RSES, SCOPE, STORE_RSE, Home

ADMINISTRATOR: Final = "dafab_admin"
WRITERS: Final = ("root", "dafab_admin", "dafab_dasi", "dafab_skim")
ROOT_CATALOGUE: Final = "stac"
UNLIMITED: Final = -1
"""What Rucio's database holds for an account limit without end."""

_EVERYTHING: Final = {"read": 1, "write": 1, "delete": 1}
_DOMAINS: Final = {
    "lan": _EVERYTHING,
    "wan": _EVERYTHING | {"third_party_copy_read": 1, "third_party_copy_write": 1},
}


def ensure_accounts(credentials: Credentials, session: Session) -> None:
    """Add the accounts and their ``userpass`` identities.

    Raises:
        CredentialsError: if the database knows an account under another password.
    """
    for name in ACCOUNTS:
        account = InternalAccount(name)
        if not accounts.account_exists(account, session=session):
            kind = AccountType.USER if name not in WRITERS else AccountType.SERVICE
            accounts.add_account(account, kind, None, session=session)
        _ensure_identity(account, credentials.accounts[name], session)
    administrator = InternalAccount(ADMINISTRATOR)
    if not accounts.has_account_attribute(administrator, "admin", session=session):
        accounts.add_account_attribute(administrator, "admin", True, session=session)


def ensure_scope(session: Session) -> None:
    """Add the scope of the catalogue, owned by the administrator."""
    scope = InternalScope(SCOPE)
    if not scopes.check_scope(scope, session=session):
        scopes.add_scope(scope, InternalAccount(ADMINISTRATOR), session=session)


def ensure_rses(home: Home, session: Session) -> None:
    """Add the storage elements, each a folder of the site, and give the writing accounts all of their room."""
    for name in RSES:
        home.rse(name).mkdir(parents=True, exist_ok=True)
        try:
            rse_id = rse.get_rse_id(name, session=session)
        except RSENotFound:
            rse_id = _add_rse(name, home.rse(name), session)
        for writer in WRITERS:
            account_limit.set_local_account_limit(InternalAccount(writer), rse_id, UNLIMITED, session=session)


def ensure_store(home: Home, session: Session) -> None:
    """Add the storage element that is the rolling store: volatile, since files leave it without Rucio.

    Its protocol is ours (:mod:`dasi_backend.rse_protocol`) under the scheme ``file``, which clients ask for by
    themselves; Rucio neither writes there nor deletes.
    """
    try:
        rse.get_rse_id(STORE_RSE, session=session)
    except RSENotFound:
        rse_id = rse.add_rse(STORE_RSE, deterministic=False, volatile=True, availability_delete=False, session=session)
        protocol = _protocol(
            home.store, "dasi_backend.rse_protocol.Default", {domain: {"read": 1} for domain in _DOMAINS}
        )
        rse.add_protocol(rse_id, protocol, session=session)


def ensure_tree(session: Session) -> None:
    """Add the root catalogue and the collections below it, each with its document."""
    _ensure_container(ROOT_CATALOGUE, session)
    scope = InternalScope(SCOPE)
    for path in sorted((resources() / "etc" / "collections").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        name = document["id"]
        if _ensure_container(name, session):
            child = [{"scope": scope, "name": name}]
            dids.attach_dids(scope, ROOT_CATALOGUE, child, InternalAccount(ADMINISTRATOR), session=session)
        if documents.get(scope, name, session=session) is None:
            documents.put(scope, name, document, session=session)


def _ensure_identity(account: InternalAccount, password: str, session: Session) -> None:
    name = account.external
    try:
        identity.verify_identity(name, IdentityType.USERPASS, password, session=session)
    except IdentityNotFound as error:
        raise CredentialsError(
            f"the database knows account {name} under another password than credentials.json"
        ) from error
    except IdentityError:
        identity.add_account_identity(
            name, IdentityType.USERPASS, account, f"{name}@localhost", default=True, password=password, session=session
        )


def _add_rse(name: str, folder: Path, session: Session) -> str:
    rse_id = str(rse.add_rse(name, deterministic=True, session=session))
    rse.add_protocol(rse_id, _protocol(folder, "rucio.rse.protocols.posix.Default", _DOMAINS), session=session)
    # identity: a path says what it holds. greedyDeletion: what no rule keeps goes, not only when room is short.
    for key, value in (("lfn2pfn_algorithm", "identity"), ("greedyDeletion", True)):
        rse.add_rse_attribute(rse_id, key, value, session=session)
    return rse_id


def _protocol(folder: Path, implementation: str, domains: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    return {
        "scheme": "file",
        "hostname": "localhost",
        "port": 0,
        "prefix": f"{folder}/",
        "impl": implementation,
        "domains": dict(domains),
        "extended_attributes": None,
    }


def _ensure_container(name: str, session: Session) -> bool:
    scope = InternalScope(SCOPE)
    try:
        dids.get_did(scope, name, session=session)
    except DataIdentifierNotFound:
        dids.add_did(scope, name, DIDType.CONTAINER, InternalAccount(ADMINISTRATOR), session=session)
        return True
    return False
