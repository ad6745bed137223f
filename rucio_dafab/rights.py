"""``etc/permissions.toml``: which account may do what in which collections."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from rucio_dafab.errors import DafabError
from rucio_dafab.resources import resources


class Operation(StrEnum):
    """What an account may be allowed to do."""

    PUBLISH = "publish"
    REGISTER = "register"
    ATTACH = "attach"
    LINK = "link"
    DESCRIBE = "describe"
    DELETE = "delete"


class RightsError(DafabError):
    """The table of rights cannot be read."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The table: patterns of collections by account and operation, and the scopes that it governs."""

    scopes: frozenset[str]
    accounts: Mapping[str, Mapping[Operation, tuple[str, ...]]]

    def governs(self, account: str) -> bool:
        """Return whether the table says anything about an account."""
        return account in self.accounts

    def some(self, account: str, operation: Operation) -> bool:
        """Return whether an account may do something in at least one collection."""
        return bool(self._patterns(account, operation))

    def everywhere(self, account: str, operation: Operation) -> bool:
        """Return whether an account may do something in all collections and outside of them."""
        return "*" in self._patterns(account, operation)

    def all_of(self, account: str, operation: Operation, collections: Iterable[str]) -> bool:
        """Return whether an account may do something in each of these collections, and there is at least one."""
        wanted = list(collections)
        patterns = self._patterns(account, operation)
        return bool(wanted) and all(any(fnmatchcase(each, pattern) for pattern in patterns) for each in wanted)

    def _patterns(self, account: str, operation: Operation) -> tuple[str, ...]:
        return self.accounts.get(account, {}).get(operation, ())


def read(path: Path) -> Rights:
    """Read a table of rights.

    Raises:
        RightsError: if it cannot be read, or names an operation that there is not.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        accounts = {
            account: {Operation(operation): tuple(map(str, patterns)) for operation, patterns in rows.items()}
            for account, rows in table["accounts"].items()
        }
        return Rights(frozenset(table["scopes"]), accounts)
    except (OSError, UnicodeDecodeError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise RightsError(f"{path.name} is no table of rights: {error}") from error


@cache
def load() -> Rights:
    """Return the rights of this installation (``etc/permissions.toml``)."""
    return read(resources() / "etc" / "permissions.toml")
