"""What a pod asks of Kubernetes with the service account that it was given: a config map, quotas of its namespace."""

import ipaddress
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, Self

import requests

from argo_templates import answers
from argo_templates.local.process import command_of
from argo_templates.scaling.errors import NoAnswer, ScaleError
from argo_templates.scaling.limits import Changes

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts ``token``, ``ca.crt`` and ``namespace`` of a pod's account."""

HOST, PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
"""Variables of every pod: the address of the API server."""

CONFIGURATION: Final = "KUBECONFIG"
"""The variable by which a user says which cluster is meant."""

MERGE_PATCH: Final = "application/merge-patch+json"
_CONNECT, _READ = 10.0, 30.0
_GONE_WRONG: Final = (429, 500, 502, 503, 504)


def is_pod() -> bool:
    """Tell whether this process is a pod that was given a service account."""
    return bool(os.environ.get(HOST) and os.environ.get(PORT)) and (ACCOUNT / "token").is_file()


class Asked(Protocol):
    """Something that answers for one namespace of Kubernetes."""

    def read(self, path: str) -> dict[str, Any]:
        """Return something of the namespace, or a list of them; :class:`ScaleError` where it does not answer."""


def at_hand() -> Asked | None:
    """Return whom a Kubernetes can be asked by: the account of this pod, or ``kubectl`` where ``KUBECONFIG`` is set.

    A ``kubectl`` without that variable says nothing: it may be here for other things, or lead to another cluster.
    """
    if is_pod():
        return Account.of_this_pod()
    return Kubectl() if os.environ.get(CONFIGURATION) and shutil.which("kubectl") else None


class Kubectl:
    """The namespace of the present context of ``kubectl``, with whatever rights its user has."""

    def read(self, path: str) -> dict[str, Any]:
        """Return something of the namespace, or a list of them.

        Raises:
            NoAnswer: if the API server does not answer now.
            ScaleError: if it refuses, or there is no context.
        """
        namespace = self._said("config", "view", "--minify", "--output=jsonpath={..namespace}").strip() or "default"
        said = self._said("get", "--raw", f"/api/v1/namespaces/{namespace}/{path}", f"--request-timeout={_READ:.0f}s")
        try:
            found = json.loads(said)
        except ValueError as error:
            raise ScaleError("kubectl does not answer as Kubernetes does: no JSON") from error
        return found if isinstance(found, dict) else {}

    def _said(self, *arguments: str) -> str:
        try:
            asked = subprocess.run(  # noqa: S603
                [str(command_of("kubectl")), *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=2 * _READ,
            )
        except subprocess.TimeoutExpired as error:
            raise NoAnswer(f"kubectl does not answer in {2 * _READ:.0f} s") from error
        if asked.returncode:
            raise NoAnswer(f"kubectl does not answer: {' '.join(asked.stderr.split())[:300]}")
        return asked.stdout


class Account:
    """What a service account may ask in its namespace.

    Args:
        url: of the API server, ``https://…``.
        account: the folder of the service account.

    Raises:
        ScaleError: if the account's files cannot be read.
    """

    def __init__(self, url: str, account: Path) -> None:
        self._account = account
        self._url = f"{url}/api/v1/namespaces/{self._file('namespace')}"
        self._session = requests.Session()
        # A file of passwords or a proxy of the environment is no business of the API server's.
        self._session.trust_env = False
        self._session.verify = str(account / "ca.crt")

    @classmethod
    def of_this_pod(cls, account: Path | None = None) -> Self:
        """Return the account of the cluster in which this process is a pod.

        Raises:
            ScaleError: if it is none.
        """
        account = account or ACCOUNT
        host, port = os.environ.get(HOST), os.environ.get(PORT)
        if not host or not port or not (account / "token").is_file():
            raise ScaleError(
                f"this is no pod with a service account: {HOST}, {PORT} and {account}/token say where Kubernetes is"
            )
        return cls(f"https://{_bracketed(host)}:{port}", account)

    def url_of(self, path: str) -> str:
        """Return the address of something in the namespace, such as ``configmaps/NAME``."""
        return f"{self._url}/{path}"

    def read(self, path: str) -> dict[str, Any]:
        """Return something of the namespace, or a list of them.

        Raises:
            NoAnswer: if the API server does not answer now.
            ScaleError: if it refuses, or answers otherwise than it should.
        """
        return self._asked("GET", path)

    def patch(self, path: str, body: Mapping[str, Any]) -> None:
        """Merge a patch into something of the namespace.

        Raises:
            NoAnswer: if somebody else has changed it, or the API server does not answer now.
            ScaleError: as :meth:`read` has it.
        """
        self._asked("PATCH", path, body)

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        # Kubernetes writes the token anew while a pod runs.
        headers = {"Authorization": f"Bearer {self._file('token')}"}
        headers |= {"Content-Type": MERGE_PATCH} if body is not None else {}
        url = self.url_of(path)
        try:
            # A redirection would carry the token to wherever it points.
            answer = self._session.request(
                method, url, json=body, headers=headers, timeout=(_CONNECT, _READ), allow_redirects=False
            )
        except requests.exceptions.SSLError as error:
            raise ScaleError(f"{url}: its certificate is not trusted ({answers.reason(error)})") from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise NoAnswer(f"{url} does not answer ({answers.reason(error)})") from error
        _refuse(answer, url)
        try:
            found = answer.json()
        except ValueError as error:
            raise ScaleError(f"{url} does not answer as Kubernetes does: no JSON") from error
        return found if isinstance(found, dict) else {}

    def _file(self, name: str) -> str:
        try:
            text = (self._account / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ScaleError(f"the service account cannot be read: {self._account / name}") from error
        if not text.isprintable() or not text or " " in text:
            raise ScaleError(f"the service account cannot be used: {self._account / name} holds no {name}")
        return text


class ConfigMap:
    """A config map whose values are texts; what is written takes the place of what was read, and of nothing newer.

    Args:
        account: whose namespace it is in.
        name: of the config map.
    """

    def __init__(self, account: Account, name: str) -> None:
        self._account, self._path = account, f"configmaps/{name}"
        self.where = f"the config map {name}"
        self._version = ""

    @classmethod
    def of_this_pod(cls, name: str) -> Self:
        """Return a config map of the cluster in which this process is a pod.

        Raises:
            ScaleError: if it is none.
        """
        return cls(Account.of_this_pod(), name)

    def read(self) -> Mapping[str, str]:
        """Return its values by key.

        Raises:
            NoAnswer: if the API server does not answer now.
            ScaleError: if it refuses, or answers otherwise than it should.
        """
        found = self._account.read(self._path)
        try:
            self._version = str(found["metadata"]["resourceVersion"])
            return {str(key): str(value) for key, value in (found.get("data") or {}).items()}
        except (KeyError, TypeError, AttributeError) as error:
            url = self._account.url_of(self._path)
            raise ScaleError(f"{url} does not answer as Kubernetes does: no {error}") from error

    def write(self, changes: Changes) -> None:
        """Set some values, if nobody has changed the config map since it was read.

        Raises:
            NoAnswer: if somebody has, or the API server does not answer now.
            ScaleError: as :meth:`read` has it.
        """
        data = {key: str(value) for key, value in changes.items()}
        self._account.patch(self._path, {"metadata": {"resourceVersion": self._version}, "data": data})


def _refuse(answer: requests.Response, url: str) -> None:
    status, said = answer.status_code, answers.message(answer)
    if status == 409:
        raise NoAnswer(f"{url}: somebody else has changed it meanwhile")
    if status in _GONE_WRONG:
        raise NoAnswer(f"{url} cannot answer now ({status}): {said}")
    if status in (401, 403):
        raise ScaleError(f"{url} refuses the service account ({status}): {said}")
    if status != 200:
        raise ScaleError(f"{url} refuses ({status}): {said}")


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host
