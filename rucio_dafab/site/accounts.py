"""Clients of a site's accounts, without reading any global configuration."""

from typing import Any

from rucio_dafab import tokens
from rucio_dafab.client import DafabClient
from rucio_dafab.site import credentials, record
from rucio_dafab.site.environment import check_account
from rucio_dafab.site.home import Home


def client(home: Home, account: str) -> DafabClient:
    """Return the client of the catalogue for one account.

    Raises:
        UnknownAccount: naming the accounts there are.
        ClientError: if the site does not answer.
    """
    check_account(account)
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
            return tokens.places(self.auth_host, self.account, self.vo)

    check_account(account)
    known, passwords = record.require(home), credentials.load(home)
    return OwnTokens(
        rucio_host=known.url,
        auth_host=known.url,
        account=account,
        auth_type="userpass",
        creds={"username": account, "password": passwords.accounts[account]},
    )
