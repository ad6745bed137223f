"""The passwords of a site: generated once, kept in one file of mode 0600."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rucio_dafab.errors import DafabError
from rucio_dafab.files import PRIVATE, read_json, write_json
from rucio_dafab.site.home import ACCOUNTS, Home

SUPERUSER: Final = "postgres"
"""The database role that makes databases and extensions; servers never use it."""

OWNER: Final = "rucio"
"""The database role that owns Rucio's and our tables, and the name of the database."""


class CredentialsError(DafabError):
    """The passwords are missing or readable by others; the text names the file."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords by Rucio account and by database role."""

    accounts: dict[str, str]
    database: dict[str, str]

    def __repr__(self) -> str:
        """Name whose passwords these are, never the passwords."""
        return f"Credentials(accounts={sorted(self.accounts)}, database={sorted(self.database)})"


def load(home: Home) -> Credentials:
    """Return the passwords of a site.

    Raises:
        CredentialsError: if the file is missing, readable by others, or incomplete.
    """
    path = home.credentials_file
    value = read_json(path)
    if value is None:
        raise CredentialsError(f"{path} is missing: start the site with rucio-dafab up")
    _check_mode(path)
    accounts, database = value.get("accounts", {}), value.get("database", {})
    missing = [name for name in ACCOUNTS if name not in accounts]
    missing += [name for name in (SUPERUSER, OWNER) if name not in database]
    if missing:
        raise CredentialsError(f"{path} lacks the password of {', '.join(missing)}")
    return Credentials(accounts, database)


def load_or_make(home: Home) -> Credentials:
    """Return the passwords of a site, making them when there is no database yet.

    Raises:
        CredentialsError: if the file is gone although the database exists: its passwords cannot be told any more.
    """
    if not home.credentials_file.exists():
        if home.postgres.exists():
            raise CredentialsError(
                f"{home.credentials_file} is gone but {home.postgres} is there: "
                f"put the file back, or remove {home.root}"
            )
        made = {
            "accounts": {name: _password() for name in ACCOUNTS},
            "database": {name: _password() for name in (SUPERUSER, OWNER)},
        }
        write_json(home.credentials_file, made, PRIVATE)
    return load(home)


def _password() -> str:
    # Hexadecimal passes through every configuration file without quoting.
    return secrets.token_hex(20)


def _check_mode(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise CredentialsError(f"{path} has mode {mode:o}: others can read the passwords; chmod 600 it")
