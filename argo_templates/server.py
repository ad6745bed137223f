"""An Argo server, asked by REST as its user interface asks it.

The address is ``ARGO_SERVER`` (``host:port`` or a URL), the token ``ARGO_TOKEN``, with or without ``Bearer``, both as
Argo's own command has them. Certificates are always verified; ``REQUESTS_CA_BUNDLE`` names an authority of one's own.
"""

import ipaddress
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import requests

from argo_templates import answers
from rucio_dafab.errors import DafabError

ADDRESS: Final = "ARGO_SERVER"
TOKEN: Final = "ARGO_TOKEN"  # noqa: S105 - the name of a variable
_CONNECT, _READ = 10.0, 60.0


class ServerError(DafabError):
    """The server refuses; the text is its reason."""


class ServerUnreachable(ServerError):
    """The server does not answer."""

    exit_code: int = os.EX_TEMPFAIL


class TokenRefused(ServerError):
    """The server does not take the token, or does not let its owner do this."""


class ArgoServer:
    """One namespace of an Argo server.

    Args:
        address: of the server.
        token: of its user; nothing where the server asks for none.
        namespace: of the workflows.

    Raises:
        ServerError: if the address is none, or would carry the token unencrypted over a network.
    """

    def __init__(self, address: str, token: str, namespace: str) -> None:
        self.url = (address if "://" in address else f"https://{address}").rstrip("/")
        scheme, host = _parts(self.url)
        if scheme == "http" and token and not _is_loopback(host):
            raise ServerError(f"{self.url}: a token is not sent unencrypted, use https")
        if not (token.isascii() and token.isprintable()):
            raise ServerError(f"{TOKEN} holds no token: a line end or a letter that no token has is in it")
        self.namespace = namespace
        self._session = requests.Session()
        # A file of passwords (.netrc) would replace the token.
        self._session.trust_env = False
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        if token:
            self._session.headers["Authorization"] = f"Bearer {token.removeprefix('Bearer ')}"

    @classmethod
    def from_environment(cls, namespace: str) -> Self:
        """Return the server that the environment names.

        Raises:
            ServerError: if it names none.
        """
        address = os.environ.get(ADDRESS)
        if not address:
            raise ServerError(f"{ADDRESS} is not set: name an Argo server, or run the workflow here with --local")
        return cls(address, os.environ.get(TOKEN, ""), namespace)

    def submit(self, template: str, parameters: Mapping[str, str], name: str | None = None) -> str:
        """Start a workflow from a template that the server has; return its name."""
        answer = self._json("POST", "/submit", submission(self.namespace, template, parameters, name))
        with as_argo_answers():
            return str(answer["metadata"]["name"])

    def every(self) -> list[dict[str, Any]]:
        """Return the workflows of the namespace."""
        fields = "items.metadata.name,items.metadata.creationTimestamp,items.status.phase,items.status.message"
        return list(self._json("GET", f"?fields={quote(fields)}").get("items") or [])

    def workflow(self, name: str) -> dict[str, Any]:
        """Return one workflow."""
        return self._json("GET", f"/{quote(name, safe='')}")

    def stop(self, name: str) -> None:
        """Stop a workflow; its exit handler runs."""
        self._json("PUT", f"/{quote(name, safe='')}/stop", {"name": name, "namespace": self.namespace})

    def logs(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield pods and the lines that they wrote."""
        path = f"/{quote(name, safe='')}/log?logOptions.container=main"
        for line in self._lines(self._send("GET", path, stream=True)):
            with as_argo_answers():
                result = _object(line).get("result", {})
                said = str(result.get("podName", "")), str(result.get("content", ""))
            yield said

    def _lines(self, answer: requests.Response) -> Iterator[bytes]:
        try:
            yield from filter(None, answer.iter_lines())
        except requests.exceptions.RequestException as error:
            raise ServerUnreachable(f"{self.url} does not go on ({answers.reason(error)})") from error

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return _object(self._send(method, path, body).content)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, stream: bool = False
    ) -> requests.Response:
        url = f"{self.url}/api/v1/workflows/{quote(self.namespace, safe='')}{path}"
        try:
            # A redirection would carry the token to wherever it points.
            answer = self._session.request(
                method, url, json=body, timeout=(_CONNECT, _READ), allow_redirects=False, stream=stream
            )
        except requests.exceptions.SSLError as error:
            raise ServerError(f"{self.url}: its certificate is not trusted ({answers.reason(error)})") from error
        except requests.exceptions.RequestException as error:
            raise ServerUnreachable(f"{self.url} does not answer ({answers.reason(error)})") from error
        if answer.status_code in (401, 403):
            raise TokenRefused(f"{self.url} refuses the token of {TOKEN}: {answers.message(answer)}")
        if answer.status_code in (502, 503, 504):
            raise ServerUnreachable(f"{self.url} cannot answer now: {answers.message(answer)}")
        if answer.status_code != 200:
            raise ServerError(f"{self.url} refuses ({answer.status_code}): {answers.message(answer)}")
        return answer


@contextmanager
def as_argo_answers() -> Iterator[None]:
    """Turn what an answer that is built otherwise does to its reader into one line.

    Raises:
        ServerError: saying what it lacks.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise ServerError(f"the server does not answer as an Argo server does: {error}") from error


def _parts(url: str) -> tuple[str, str]:
    """Return the scheme and the host of an address.

    Raises:
        ServerError: if it is none.
    """
    # It is not shown: a password may stand in it.
    refusal = ServerError(f"{ADDRESS} holds no address: host:port, or an https URL without a name or a question in it")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read for the refusal of what is no port
    except ValueError as error:
        raise refusal from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise refusal
    return parts.scheme, parts.hostname


def submission(namespace: str, template: str, parameters: Mapping[str, str], name: str | None) -> dict[str, Any]:
    """Return the body that starts a workflow (``WorkflowSubmitRequest``)."""
    options: dict[str, Any] = {"parameters": [f"{key}={value}" for key, value in parameters.items()]}
    return {
        "namespace": namespace,
        "resourceKind": "WorkflowTemplate",
        "resourceName": template,
        "submitOptions": options | ({"name": name} if name else {}),
    }


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ServerError("the server does not answer as an Argo server does: no JSON") from error
    if not isinstance(found, dict):
        raise ServerError("the server does not answer as an Argo server does: no JSON object")
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
