"""The client of the catalogue: search, publish and upload through Rucio's own client library and tokens.

Steps, commands and the DASI backend use it and nothing else to reach a site; it never opens a database.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Any, Final, NoReturn, Self, cast

import requests
from rucio.client.didclient import DIDClient
from rucio.client.replicaclient import ReplicaClient
from rucio.client.rseclient import RSEClient
from rucio.client.ruleclient import RuleClient
from rucio.common.config import get_config
from rucio.common.constants import HTTPMethod
from rucio.common.exception import (
    AccessDenied,
    CannotAuthenticate,
    ConfigNotFound,
    DataIdentifierNotFound,
    InvalidRSEExpression,
    RSENotFound,
    RucioException,
    ServerConnectionException,
)
from rucio.common.utils import build_url
from typing_extensions import override

from rucio_dafab import tokens
from rucio_dafab.client_documents import DocumentRoutes
from rucio_dafab.client_values import (
    Asset,
    Filter,
    FilterLanguage,
    Found,
    PlacedFile,
    PublishReport,
    PublishRequest,
    Replica,
    Versions,
    body_of,
    found_of,
    report_of,
)
from rucio_dafab.errors import DafabError, first_line
from rucio_dafab.site.home import SCOPE, Home
from rucio_dafab.storage import OtherBytes, UploadedFile, remove_file, store_file

__all__ = [
    "Asset",
    "ClientError",
    "Conflict",
    "DafabClient",
    "Found",
    "NotAuthenticated",
    "NotFound",
    "NotPermitted",
    "PlacedFile",
    "PublishReport",
    "PublishRequest",
    "Refused",
    "Replica",
    "ServerUnreachable",
]

CONNECT_SECONDS: Final = 10
READ_SECONDS: Final = 600
_WITHDRAWN: Final = 1000
"""Files of one request that withdraws; what is more follows by the next."""

_LOGGER: Final = logging.getLogger(__name__)
# Whoever wants Rucio's retries on screen adds a handler; our errors already say in one line what went wrong.
_LOGGER.addHandler(logging.NullHandler())
_LOGGER.propagate = False


class ClientError(DafabError):
    """The catalogue could not do what was asked; the text names the address and the reason."""


class ServerUnreachable(ClientError):
    """Nothing answers at the address, or it answered that it is not able to (502, 503, 504)."""

    exit_code = 75  # EX_TEMPFAIL: what a workflow may try again


class NotAuthenticated(ClientError):
    """The server does not accept the account's credentials."""


class NotPermitted(ClientError):
    """The account may not do this."""


class NotFound(ClientError):
    """The server does not know what was named."""


class Conflict(ClientError):
    """What is registered already differs from what was sent."""


class Refused(ClientError):
    """The server read the request and refuses it: the text is its reason."""


class DafabClient(RSEClient, DIDClient, ReplicaClient, RuleClient, DocumentRoutes):  # type: ignore[misc]  # Rucio ships no types
    """A Rucio client of one account at one site, with the routes that this project adds.

    Takes the arguments of ``rucio.client.baseclient.BaseClient``; :meth:`from_config` and :meth:`of_account` read them
    from one file, so that clients of several accounts and sites live in one process.

    Raises:
        ServerUnreachable: if nothing answers at the address.
        NotAuthenticated: if the credentials are refused.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("timeout", (CONNECT_SECONDS, READ_SECONDS))
        settings.setdefault("user_agent", "rucio-dafab")
        settings.setdefault("logger", _LOGGER)
        # The base class shortens sys.argv[0], which others need whole (multiprocessing, tracebacks).
        script = sys.argv[0]
        try:
            super().__init__(*arguments, **settings)
        except CannotAuthenticate as error:
            raise NotAuthenticated(f"{self.auth_host} refuses account {self.account}: {first_line(error)}") from error
        except RucioException as error:
            raise ClientError(f"the Rucio client cannot start: {first_line(error)}") from error
        finally:
            sys.argv[0] = script

    @classmethod
    def from_config(cls, path: Path) -> Self:
        """Return the client that one ``rucio.cfg`` (section ``[client]``, authentication ``userpass``) describes.

        Raises:
            ClientError: if the file cannot be read or lacks an option.
        """
        parser = ConfigParser(interpolation=None)
        try:
            with path.open(encoding="utf-8") as lines:
                parser.read_file(lines)
            section = parser["client"]
            _configure_rucio(path)
            return cls(
                rucio_host=section["rucio_host"],
                auth_host=section["auth_host"],
                account=section["account"],
                auth_type=section["auth_type"],
                creds={"username": section["username"], "password": section["password"]},
                ca_cert=section.get("ca_cert"),
                vo=section.get("vo"),
            )
        except FileNotFoundError as error:
            raise ClientError(f"no client configuration at {path}: is the site up (rucio-dafab up)?") from error
        except (OSError, ConfigError, KeyError) as error:
            raise ClientError(f"{path} is no client configuration: {first_line(error)}") from error

    @classmethod
    def of_account(cls, account: str, home: Home | None = None) -> Self:
        """Return the client of one account of a site; the site of ``DAFAB_HOME`` when none is given."""
        return cls.from_config((home or Home.from_environment()).client_config(account))

    def check(self) -> None:
        """Ask the server whether it is there.

        Raises:
            ServerUnreachable: if nothing answers at the address, or it answers that it cannot serve.
        """
        response = self._send_request(build_url(self.host, path="ping"), method=HTTPMethod.GET)
        if response.status_code != requests.codes.ok:
            self._raise("ping", response)

    def search(
        self,
        scope: str = SCOPE,
        filter: Filter | None = None,
        *,
        filter_lang: FilterLanguage = "cql2-json",
        collections: Sequence[str] = (),
        did_type: str | None = None,
        versions: Versions = "latest",
        limit: int | None = None,
    ) -> Iterator[Found]:
        """Return what yields the DIDs that satisfy a filter, asked for page by page as they are taken.

        Args:
            scope: where to look.
            filter: the filter; everything when absent. ``docs/query.md`` has the languages.
            filter_lang: its language: CQL2 as JSON values (see ``rucio_dafab.query.cql2.to_json``) or as text, DaFab's
                filter as JSON values, or Rucio's as a string, a dictionary, or a list of alternatives.
            collections: ids of STAC collections; all of them when empty.
            did_type: ``container``, ``dataset``, ``file`` or ``all``.
            versions: only the latest of each item, unless the filter says it or names items by id, or all of them.
            limit: how many to yield at most.

        Raises:
            Refused: if the server does not understand the filter.
        """
        wanted = {"filter": filter, "collections": list(collections) or None, "did_type": did_type, "limit": limit}
        request: dict[str, Any] = {"scope": scope, "filter-lang": filter_lang, "versions": versions}
        request |= {key: value for key, value in wanted.items() if value is not None}
        return self._pages(request, limit)

    def _pages(self, request: dict[str, Any], limit: int | None) -> Iterator[Found]:
        """Yield what is found, asking for page after page."""
        left = limit
        while left is None or left > 0:
            cursor = None
            for line in self._lines("dafab/search", request):
                if "next" in line and "name" not in line:
                    cursor = line["next"]
                    continue
                yield found_of(line)
                left = None if left is None else left - 1
                if left == 0:
                    return
            if cursor is None:
                return
            request |= {"cursor": cursor} | ({} if left is None else {"limit": left})

    def publish(self, request: PublishRequest) -> PublishReport:
        """Register an item, its files and its document in one transaction of the server; again is harmless.

        Raises:
            Conflict: if another document is published under this id and ``update`` is not set, or the predecessor has
                another successor.
            NotFound: if the collection, the parent or the predecessor is not there.
            NotPermitted: if the account may not publish in this collection, or not delete what shall leave.
            Refused: if the document or a file is not valid.
        """
        return report_of(self._send("dafab/publish", body_of(request)).json())

    def withdraw(self, rse: str, names: Sequence[str], *, scope: str = SCOPE) -> tuple[str, ...]:
        """Say that files are no longer on a volatile RSE; return those that were known there. Their DIDs stay.

        Raises:
            NotFound: if there is no such RSE.
            NotPermitted: if the account may not delete in the collection of one of them.
            Refused: if the RSE is not volatile.
        """
        found: list[str] = []
        for begin in range(0, len(names), _WITHDRAWN):
            body = {"scope": scope, "rse": rse, "names": list(names[begin : begin + _WITHDRAWN])}
            found += self._send("dafab/withdraw", body).json()["withdrawn"]
        return tuple(found)

    def places(self, rse: str, collections: Sequence[str], *, scope: str = SCOPE) -> Iterator[tuple[str, str]]:
        """Yield name and address of every file below collections that Rucio thinks on an RSE.

        Raises:
            NotFound: if a collection or the RSE is not there.
        """
        dids = [{"scope": scope, "name": name} for name in collections]
        try:
            for found in self.list_replicas(dids, rse_expression=rse):
                yield from ((found["name"], str(pfn)) for pfn in found["rses"].get(rse, ()))
        except (DataIdentifierNotFound, InvalidRSEExpression) as error:
            raise NotFound(f"{self.host} says: {first_line(error)}") from error
        except RucioException as error:
            raise ClientError(f"{self.host} does not say what is on {rse}: {first_line(error)}") from error

    def upload(self, path: Path, rse: str, name: str, *, scope: str = SCOPE) -> UploadedFile:
        """Store the bytes of a file where an RSE keeps ``scope:name``; nothing is registered.

        Other bytes under that name are replaced when no DID owns them: a run that was killed left them there.

        Raises:
            NotFound: if there is no such RSE.
            StorageError: if the file cannot be stored, or other bytes are registered under that name.
        """
        settings = self.rse_settings(rse)
        try:
            return store_file(path, settings, scope, name)
        except OtherBytes:
            if self._is_registered(scope, name):
                raise
        remove_file(settings, scope, name)
        return store_file(path, settings, scope, name)

    def _is_registered(self, scope: str, name: str) -> bool:
        try:
            self.get_did(scope, name)
        except DataIdentifierNotFound:
            return False
        return True

    def rse_settings(self, rse: str) -> dict[str, Any]:
        """Return what Rucio's protocols need to know of an RSE.

        Raises:
            NotFound: if there is no such RSE.
        """
        try:
            return cast("dict[str, Any]", self.get_rse(rse))
        except RSENotFound as error:
            raise NotFound(f"{self.host} knows no RSE {rse}") from error
        except RucioException as error:
            raise ClientError(f"{self.host} says of RSE {rse}: {first_line(error)}") from error

    @override
    def _lines(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        with self._send(path, body, stream=True) as response:
            try:
                for line in response.iter_lines():
                    if line:
                        yield cast("dict[str, Any]", json.loads(line))
            except (requests.RequestException, json.JSONDecodeError) as error:
                raise ClientError(f"the answer of {self.host} broke off: {first_line(error)}") from error

    def _send(self, path: str, body: Mapping[str, Any], *, stream: bool = False) -> requests.Response:
        sent, headers = json.dumps(body, allow_nan=False), {"Content-Type": "application/json"}
        url = build_url(self.host, path=path)
        response = self._send_request(url, method=HTTPMethod.POST, data=sent, headers=headers, stream=stream)
        if response.status_code != requests.codes.ok:
            self._raise(path.removeprefix("dafab/"), response)
        return cast("requests.Response", response)

    @override
    def _send_request(self, url: str, *arguments: Any, **settings: Any) -> Any:
        send = self._send_patch if settings.get("method") is HTTPMethod.PATCH else super()._send_request
        try:
            return send(url, *arguments, **settings)
        except (ServerConnectionException, requests.RequestException) as error:
            raise ServerUnreachable(f"no Rucio server answers at {self.host}") from error

    @override
    def _raise(self, route: str, response: requests.Response) -> NoReturn:
        kind, message = self._get_exception(response.headers, response.status_code, response.content)
        # Rucio answers 401 to what an account may not do, too.
        known = NotPermitted if issubclass(kind, AccessDenied) else _ERRORS.get(response.status_code, ClientError)
        what = f"{self.host} answers {response.status_code} to {route} as {self.account}"
        raise known(f"{what}: {' '.join(str(message).split())}")

    @override
    def _get_auth_tokens(self) -> tuple[None, str, str, str]:
        return tokens.places(self.auth_host, self.account, self.vo)


_ERRORS: Final[dict[int, type[ClientError]]] = {
    400: Refused,
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    409: Conflict,
    413: Refused,
    422: Refused,
    502: ServerUnreachable,
    503: ServerUnreachable,
    504: ServerUnreachable,
}


def _configure_rucio(path: Path) -> None:
    """Let Rucio's library have a configuration: the first one, unless the environment names one.

    The library knows one a process and refuses to tell even a file's place on an RSE without it. Nothing that differs
    between accounts or sites is read from there: that is handed to each client.
    """
    try:
        get_config()
    except ConfigNotFound:
        os.environ["RUCIO_CONFIG"] = str(path)
