"""The archives that are known by name: ``etc/sources.toml``, and a table of the user's own beside it."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.retry import Patience
from rucio_dafab.resources import resources

OWN_TABLE: Final = "DAFAB_SOURCES"
"""The environment variable that names a table of the user's own."""

MOST_CONNECTIONS: Final = 4
"""Connections that are open to one archive at once, whatever a table says."""

_STRICT: Final = ConfigDict(extra="forbid")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class CollectionName:
    """What an archive calls a collection of ours: its name and, where one collection holds several, the kind."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    name: str
    product_type: str | None = None


@dataclass(frozen=True)
class Account:
    """How an archive lets its users in.

    Attributes:
        title: Whose account it is, for messages.
        environment: Names of the variables with ``username``, ``password``, ``access_key``, ``secret_key``.
        token_url: Where a token is had (OpenID Connect, password and refresh grants).
        client_id: The client's name there.
        hosts: The hosts that get the token; no other does.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    title: str
    environment: Mapping[str, str]
    token_url: str = ""
    client_id: str = ""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bucket:
    """How a bucket of object storage is reached; anonymously where no account is named."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    endpoint: str
    region: str
    account: str | None = None


@dataclass(frozen=True)
class Provider:
    """An archive.

    Attributes:
        kind: How it is asked: a STAC API, or OData as CDSE speaks it.
        url: Its address, without a slash at the end.
        name: Its name here; the address of one that is not in the table.
        title: What a list shows.
        download_url: Where the files of products are (OData).
        collections: Its names of our collections.
        connections: Connections at once, 1…4.
        requests_per_minute: Requests at most, of one process.
        bytes_per_second: Of each connection at most; None for no limit.
        tile_property: The property with the MGRS tile (STAC).
        tile_prefix: What stands before the tile there.
        entity_tag_is_md5: Hosts whose entity tags are the MD5 of what they serve.
        sign_url: Where addresses of files are signed before they are fetched.
        sign_hosts: The hosts whose addresses are.
        patience: How long it is kept at when it is busy.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    kind: Literal["stac", "odata"]
    url: str
    name: str = ""
    title: str = ""
    download_url: str = ""
    collections: Mapping[str, CollectionName] = field(default_factory=dict)
    connections: int = Field(default=MOST_CONNECTIONS, ge=1, le=MOST_CONNECTIONS)
    requests_per_minute: int = Field(default=2000, ge=1)
    bytes_per_second: int | None = Field(default=None, ge=1)
    tile_property: str = "grid:code"
    tile_prefix: str = "MGRS-"
    entity_tag_is_md5: tuple[str, ...] = ()
    sign_url: str = ""
    sign_hosts: tuple[str, ...] = ()
    patience: Patience = field(default_factory=Patience)

    def collection(self, name: str) -> CollectionName:
        """Return its name of a collection of ours; any other name is taken as its own."""
        return self.collections.get(name, CollectionName(name))


@dataclass(frozen=True)
class Sources:
    """The whole table: archives, accounts and buckets by name."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    providers: Mapping[str, Provider] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    buckets: Mapping[str, Bucket] = field(default_factory=dict)

    def provider(self, name: str) -> Provider:
        """Return the archive of that name, or the STAC API at that address.

        Raises:
            SourceError: if it is neither.
        """
        if name in self.providers:
            return self.providers[name]
        if is_address(name):
            return Provider("stac", name.rstrip("/"), name.rstrip("/"), name)
        known = ", ".join(sorted(self.providers))
        raise SourceError(f"no source {name!r}: known are {known}, and the https address of any STAC API")

    def of_address(self, url: str) -> Provider:
        """Return the archive that an address belongs to; an unknown one is a STAC API without an account."""
        for provider in self.providers.values():
            if url.startswith(f"{provider.url}/"):
                return provider
        parts = urlsplit(url)
        return self.provider(f"{parts.scheme}://{parts.netloc}")

    def account_of(self, host: str) -> str | None:
        """Return the name of the account whose token a host gets, or None."""
        return next((name for name, account in self.accounts.items() if host in account.hosts), None)


def is_address(text: str) -> bool:
    """Tell whether a text is an address that may be asked: https, or http on this machine."""
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK))


def load_sources() -> Sources:
    """Return the table that ships, with the user's own (``DAFAB_SOURCES``) laid over it.

    Raises:
        SourceError: if a table cannot be read or says something that it cannot say.
    """
    tables = [resources() / "etc" / "sources.toml"]
    own = os.environ.get(OWN_TABLE)
    if own:
        tables.append(Path(own))
    merged: dict[str, dict[str, Any]] = {"providers": {}, "accounts": {}, "buckets": {}}
    for path in tables:
        for section, entries in _read(path).items():
            merged[section] |= entries
    for name, provider in merged["providers"].items():
        merged["providers"][name] = {"title": name, **provider, "name": name}
    return _sources(tables[-1], merged)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SourceError(f"{path} is not TOML: {error}") from error
    for section, entries in table.items():
        if section not in ("providers", "accounts", "buckets") or not isinstance(entries, dict):
            raise SourceError(f"{path}: [{section}] is none of providers, accounts, buckets")
    return table


def _sources(path: Path, merged: Mapping[str, Any]) -> Sources:
    try:
        found = TypeAdapter(Sources).validate_python(merged)
    except ValidationError as error:
        first = error.errors()[0]
        raise SourceError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    addresses = [provider.url for provider in found.providers.values()]
    addresses += [url for provider in found.providers.values() for url in (provider.download_url, provider.sign_url)]
    addresses += [account.token_url for account in found.accounts.values()]
    addresses += [bucket.endpoint for bucket in found.buckets.values()]
    for url in filter(None, addresses):
        if not is_address(url):
            raise SourceError(f"{path}: {url!r} is no https address")
    return found
