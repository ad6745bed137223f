"""Clients of a site's accounts, without reading any global configuration."""

import tempfile
from pathlib import Path
from typing import Any

from rucio_dafab import tokens
from rucio_dafab.client import DafabClient
from rucio_dafab.site import credentials, record
from rucio_dafab.site.environment import UnknownAccount
from rucio_dafab.site.home import ACCOUNTS, Home


def client(home: Home, account: str) -> DafabClient:
    """Return the client of the catalogue for one account.

    Raises:
        UnknownAccount: naming the accounts there are.
        ClientError: if the site does not answer.
    """
    _check(account)
    return DafabClient.of_account(account, home)


def rucio_client(home: Home, account: str) -> Any:
    """Return Rucio's own whole client (``rucio.client.client.Client``) for one account.

    Raises:
        UnknownAccount: naming the accounts there are.
    """
    # Importing it takes a second, and few commands need it.
    from rucio.client.client import Client  # noqa: PLC0415

    class OwnTokens(Client):  # type: ignore[misc]  # Rucio ships no types
        """A client that keeps its tokens apart: a configured token file is read for every account and site alike."""

        def _get_auth_tokens(self) -> tuple[None, str, str, str]:
            folder = tokens.folder(Path(tempfile.gettempdir()), self.auth_host, str(self.account), str(self.vo))
            return None, str(folder / "expires"), str(folder / "token"), str(folder)

    _check(account)
    known, passwords = record.require(home), credentials.load(home)
    return OwnTokens(
        rucio_host=known.url,
        auth_host=known.url,
        account=account,
        auth_type="userpass",
        creds={"username": account, "password": passwords.accounts[account]},
    )


def _check(account: str) -> None:
    if account not in ACCOUNTS:
        raise UnknownAccount(f"the site has no account {account!r}: it has {', '.join(ACCOUNTS)}")
