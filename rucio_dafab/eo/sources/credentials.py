"""Who is asking: secrets from the environment or a private file, and the short-lived tokens that they buy."""

import os
import stat
import threading
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rucio_dafab.eo.sources.errors import SourceBusy, SourceError
from rucio_dafab.eo.sources.providers import Account
from rucio_dafab.eo.sources.web import Web

CREDENTIALS_FILE: Final = "DAFAB_SOURCE_CREDENTIALS"
"""The environment variable that names the file of secrets."""

_DEFAULT_FILE: Final = Path("~/.config/rucio-dafab/sources.toml")
_SECRETS: Final = ("username", "password", "access_key", "secret_key")
_EARLY_SECONDS: Final = 30.0


class CredentialsMissing(SourceError):
    """An archive wants an account and none is known here."""


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """The secrets of one account; empty where there are none. They are never shown."""

    username: str = ""
    password: str = ""
    access_key: str = ""
    secret_key: str = ""

    @property
    def has_login(self) -> bool:
        """Whether a token can be had."""
        return bool(self.username and self.password)

    @property
    def has_keys(self) -> bool:
        """Whether object storage can be read."""
        return bool(self.access_key and self.secret_key)


def load_secrets(name: str, account: Account) -> Secrets:
    """Return the secrets of an account: from the environment, what is missing there from the file.

    Raises:
        SourceError: if the file is open to others, cannot be read or is malformed.
    """
    found = {
        secret: os.environ[variable]
        for secret, variable in account.environment.items()
        if secret in _SECRETS and os.environ.get(variable)
    }
    if not all(secret in found for secret in _SECRETS):
        found = _from_file(name) | found
    return Secrets(**found)


def missing(name: str, account: Account) -> CredentialsMissing:
    """Return the refusal that says which secrets are wanted and where they may stand."""
    known = account.environment
    kinds = (("username", "password"), ("access_key", "secret_key"))
    pairs = [
        " and ".join(known[secret] for secret in kind) for kind in kinds if all(secret in known for secret in kind)
    ]
    return CredentialsMissing(
        f"an account of {account.title} is needed: set {', or '.join(pairs)}, or write [{name}] into {_file()}"
        " (mode 0600)"
    )


def _file() -> Path:
    return Path(os.environ.get(CREDENTIALS_FILE) or _DEFAULT_FILE.expanduser())


def _from_file(name: str) -> dict[str, str]:
    path = _file()
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise SourceError(f"{path} holds secrets and others may use it: chmod 600 {path}")
            table = tomllib.load(stream).get(name, {})
    except FileNotFoundError:
        if os.environ.get(CREDENTIALS_FILE):
            raise SourceError(f"{path} is not there, and {CREDENTIALS_FILE} names it") from None
        return {}
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        # The parser's own words may quote a line of the file, which holds secrets.
        raise SourceError(f"{path} is not TOML") from error
    entries = table.items() if isinstance(table, dict) else [("", None)]
    if not all(key in _SECRETS and isinstance(value, str) for key, value in entries):
        raise SourceError(f"{path}: [{name}] holds texts {', '.join(_SECRETS)} alone")
    return dict(table)


@dataclass(frozen=True, slots=True, repr=False)
class _Bought:
    access: str
    until: float
    refresh: str
    refresh_until: float


class Token:
    """The token of one account, had when it is first wanted and renewed before it ends.

    OpenID Connect: the password grant, then the refresh grant while it lasts. Several threads may share one.
    """

    def __init__(self, account: Account, secrets: Secrets, web: Web) -> None:
        self._account, self._secrets, self._web = account, secrets, web
        self._bought: _Bought | None = None
        self._lock = threading.Lock()

    def get(self, refused: str | None = None) -> str:
        """Return a token that is good for now.

        Args:
            refused: A token that a server did not take, although its time has not come.

        Raises:
            SourceError: if the account is refused.
            SourceBusy: if the server of tokens is busy or away.
        """
        with self._lock:
            bought = self._bought
            if bought is None or time.monotonic() >= bought.until or bought.access == refused:
                bought = self._bought = self._buy(bought)
            return bought.access

    def _buy(self, old: _Bought | None) -> _Bought:
        if old is not None and time.monotonic() < old.refresh_until:
            try:
                return self._ask({"grant_type": "refresh_token", "refresh_token": old.refresh})
            except SourceBusy:
                raise
            except SourceError:
                pass  # The session has ended there: the password begins another.
        login = {"username": self._secrets.username, "password": self._secrets.password}
        try:
            return self._ask({"grant_type": "password", **login})
        except SourceBusy:
            raise
        except SourceError as error:
            raise SourceError(f"the account of {self._account.title} is refused: {error}") from error

    def _ask(self, grant: Mapping[str, str]) -> _Bought:
        now = time.monotonic()
        form = {"client_id": self._account.client_id, **grant}
        answer = self._web.json(self._account.token_url, method="POST", form=form)
        try:
            return _Bought(
                str(answer["access_token"]),
                _end(now, answer["expires_in"]),
                str(answer.get("refresh_token", "")),
                _end(now, answer.get("refresh_expires_in", 0)) if answer.get("refresh_token") else 0.0,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(f"{self._account.token_url} answers no token") from error


def _end(now: float, seconds: Any) -> float:
    """Return when something ends for us: a little early, as the request that uses it takes its time."""
    return now + max(0.0, float(seconds) - _EARLY_SECONDS)
