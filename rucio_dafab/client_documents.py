"""The part of the client that reads and changes documents: many DIDs a request, single values, changes by pointer."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import requests
from rucio.common.constants import HTTPMethod
from rucio.common.utils import build_url

from rucio_dafab.site.home import SCOPE

_ROUTE: Final = "dids/bulkmetadoc"
_READ: Final = 1000
"""DIDs of one request that reads; what is more follows by the next."""

Mode = Literal["atomic", "best_effort", "each_operation"]
"""What is kept where a change is refused: nothing, the other DIDs, or all other operations."""


@dataclass(frozen=True, slots=True)
class Document:
    """The document of a DID as it was written (``{}`` where it has none), and the schema that it names itself."""

    scope: str
    name: str
    document: dict[str, Any]
    schema: str | None


@dataclass(frozen=True, slots=True)
class Values:
    """Members of a DID's document by JSON pointer; those that it has."""

    scope: str
    name: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PatchFailure:
    """What was refused: on which DID, which operation (its number; ``None`` is the result of all), and why.

    ``kind`` is the server's name of the error; ``violations`` are (pointer, message) where a schema was violated.
    """

    scope: str
    name: str
    operation: int | None
    kind: str
    reason: str
    violations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PatchReport:
    """Names of the DIDs whose documents were changed, and what was refused."""

    updated: tuple[str, ...]
    failures: tuple[PatchFailure, ...]


class DocumentRoutes:
    """Methods of :class:`rucio_dafab.client.DafabClient`."""

    def read_documents(self, names: Iterable[str], *, scope: str = SCOPE) -> Iterator[Document]:
        """Yield the documents of DIDs in their order, streamed.

        Raises:
            NotFound: if one of the DIDs is not there.
        """
        for line in self._read(names, scope, None):
            schema = line["schema"]
            yield Document(line["scope"], line["name"], line["document"], None if schema is None else schema["uri"])

    def read_values(self, names: Iterable[str], pointers: Sequence[str], *, scope: str = SCOPE) -> Iterator[Values]:
        """Yield single members of the documents of DIDs, in the order of the names, streamed.

        Raises:
            NotFound: if one of the DIDs is not there.
            Refused: if one of the JSON pointers is none.
        """
        for line in self._read(names, scope, pointers):
            found = {pointer: each["value"] for pointer, each in line["values"].items() if each["found"]}
            yield Values(line["scope"], line["name"], found)

    def patch_documents(
        self,
        names: Iterable[str],
        operations: Sequence[Mapping[str, Any]],
        *,
        scope: str = SCOPE,
        mode: Mode = "atomic",
        schema: str | None = None,
    ) -> PatchReport:
        """Change the documents of DIDs by operations in their order; concurrent changes of one follow each other.

        Args:
            names: the DIDs, 1000 at most.
            operations: each ``{"op": "insert" | "update" | "delete" | "upsert", "path": JSON pointer, "value": …}``;
                delete takes no value.
            scope: scope of the DIDs.
            mode: what is kept where something is refused.
            schema: a schema that each result must satisfy, beside that of its collection: ``<collection>/<version>``.

        Raises:
            Conflict: in mode atomic, if an insert finds something at its place.
            NotFound: if a DID is not there; in mode atomic also if an update or delete finds nothing.
            NotPermitted: if the account may not change one of the documents.
            Refused: if an operation or a result is not valid.
        """
        body = {
            "dids": [{"scope": scope, "name": name} for name in names],
            "operations": [dict(each) for each in operations],
            "mode": mode,
        } | ({} if schema is None else {"schema": schema})
        answer = self._change(body)
        updated = tuple(str(did["name"]) for did in answer["updated_dids"])
        return PatchReport(updated, tuple(_failure(line) for line in answer["failed_dids"]))

    def _read(self, names: Iterable[str], scope: str, paths: Sequence[str] | None) -> Iterator[dict[str, Any]]:
        dids = [{"scope": scope, "name": name} for name in names]
        wanted = {} if paths is None else {"paths": list(paths)}
        for begin in range(0, len(dids), _READ):
            yield from self._lines(_ROUTE, {"dids": dids[begin : begin + _READ]} | wanted)

    def _change(self, body: Mapping[str, Any]) -> Any:
        """Send a change, with a new token where the account's has expired, and return the answer."""
        url, data = build_url(self.host, path=_ROUTE), json.dumps(body, allow_nan=False)
        response = self._send_request(url, method=HTTPMethod.PATCH, data=data)
        if response.status_code == requests.codes.unauthorized:
            # Rucio's client renews a token when one of its own requests is refused.
            self._send_request(build_url(self.host, path="accounts/whoami"), method=HTTPMethod.GET)
            response = self._send_request(url, method=HTTPMethod.PATCH, data=data)
        if response.status_code != requests.codes.ok:
            self._raise(_ROUTE, response)
        return response.json()

    def _send_patch(self, url: str, *, method: HTTPMethod, data: str) -> requests.Response:
        """Send what Rucio's client cannot: it knows no PATCH. Once: a change that was made must not be made again."""
        headers = {
            "X-Rucio-Auth-Token": self.auth_token,
            "X-Rucio-Account": self.account,
            "X-Rucio-VO": self.vo,
            "User-Agent": self.user_agent,
            "Content-Type": "application/json",
        }
        return self.session.request(
            method.value, url, headers=headers, data=data, verify=self.ca_cert or False, timeout=self.timeout
        )

    # What the client itself has.
    host: str
    session: requests.Session
    auth_token: str
    account: str
    vo: str
    user_agent: str
    ca_cert: str | None
    timeout: tuple[float, float]

    def _lines(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def _send_request(self, url: str, *arguments: Any, **settings: Any) -> Any:
        raise NotImplementedError

    def _raise(self, route: str, response: requests.Response) -> NoReturn:
        raise NotImplementedError


def _failure(line: Mapping[str, Any]) -> PatchFailure:
    return PatchFailure(
        scope=line["scope"],
        name=line["name"],
        operation=line["operation"],
        kind=line["exception"],
        reason=line["error"],
        violations=tuple((each["pointer"], each["message"]) for each in line.get("violations", ())),
    )
