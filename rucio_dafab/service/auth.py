"""Who asks: Rucio's token, checked by Rucio."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header
from rucio.common.constants import DEFAULT_VO
from rucio.common.exception import CannotAuthenticate
from rucio.common.types import InternalAccount
from rucio.gateway.authentication import validate_auth_token

from rucio_dafab.service.settings import settings


@dataclass(frozen=True, slots=True)
class Issuer:
    """The account behind a request, as Rucio's gateway names it, and its virtual organisation."""

    account: str
    vo: str

    @property
    def internal(self) -> InternalAccount:
        """The account as Rucio's core wants it."""
        return InternalAccount(self.account, vo=self.vo)


def _authenticated(token: str | None) -> Issuer:
    if not token:
        raise CannotAuthenticate("the header X-Rucio-Auth-Token is missing")
    found = validate_auth_token(token)
    return Issuer(str(found["account"]), str(found.get("vo", DEFAULT_VO)))


def writer(x_rucio_auth_token: Annotated[str | None, Header()] = None) -> Issuer:
    """Return the account of the request's token.

    Raises:
        CannotAuthenticate: if there is none, or it is unknown or expired.
    """
    return _authenticated(x_rucio_auth_token)


def reader(x_rucio_auth_token: Annotated[str | None, Header()] = None) -> Issuer:
    """Return the account of the request's token, or the anonymous account where the operator named one.

    Raises:
        CannotAuthenticate: if neither is there, or the token is unknown or expired.
    """
    anonymous = settings().anonymous_account
    if not x_rucio_auth_token and anonymous:
        return Issuer(anonymous, DEFAULT_VO)
    return _authenticated(x_rucio_auth_token)


Writer = Annotated[Issuer, Depends(writer)]
"""A parameter of a route that changes something."""

Reader = Annotated[Issuer, Depends(reader)]
"""A parameter of a route that only reads."""
