"""An API server of Kubernetes on loopback: one config map and quotas; TLS of its own authority, token, merge patch."""

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from jsonschema import Draft7Validator
from typing_extensions import override

NAMESPACE = "dafab"
PATCH = {
    "type": "object",
    "additionalProperties": False,
    "required": ["metadata", "data"],
    "properties": {
        "metadata": {
            "type": "object",
            "additionalProperties": False,
            "required": ["resourceVersion"],
            "properties": {"resourceVersion": {"type": "string", "minLength": 1}},
        },
        "data": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": r"^[-._a-zA-Z0-9]{1,253}$"},
            "additionalProperties": {"type": "string"},
        },
    },
}
"""What of a ConfigMap a merge patch of its values may hold: Kubernetes refuses values that are no texts."""


@dataclass(frozen=True)
class Request:
    """What was sent."""

    method: str
    path: str
    kind: str
    body: Any


class ApiServer(ThreadingHTTPServer):
    """Keeps one config map, ``dafab-limits``, for whoever has the token."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.data = {"downloads": "4", "hpk-cpu": "8", "hpk-gpu": "1"}
        self.quotas: list[dict[str, Any]] = []
        self.version, self.token = 7, "a-token"
        self.answer: tuple[int, bytes] | None = None
        self.authority = folder / "authority.pem"
        certificate, key = self_signed()
        self.authority.write_bytes(certificate)
        both = folder / "server.pem"
        both.write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.server_address[1]}"

    def faults(self, body: Any) -> list[str]:
        """Return what is wrong with the body of a patch."""
        return [error.message for error in Draft7Validator(PATCH).iter_errors(body)]

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that does not trust the certificate."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: ApiServer

    def do_GET(self) -> None:
        self._serve()

    do_PATCH = do_PUT = do_POST = do_DELETE = do_GET

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body, kind = json.loads(text) if text else None, self.headers.get("Content-Type") or ""
        self.server.requests.append(Request(self.command, self.path, kind, body))
        status, answer = self.server.answer or self._answer(kind, body)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "https://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self, kind: str, body: Any) -> tuple[int, bytes]:
        kept = self.server
        if self.headers.get("Authorization") != f"Bearer {kept.token}":
            return 401, b'{"kind": "Status", "message": "Unauthorized"}'
        # The role of the pods of workflows lets them list quotas; kubectl says in a question how long it waits.
        if (self.command, self.path.partition("?")[0]) == ("GET", f"/api/v1/namespaces/{NAMESPACE}/resourcequotas"):
            return 200, json.dumps({"kind": "ResourceQuotaList", "apiVersion": "v1", "items": kept.quotas}).encode()
        # The role lets it get and patch this one config map by its name: no other verb, no other path.
        allowed = self.command in ("GET", "PATCH")
        if not allowed or self.path != f"/api/v1/namespaces/{NAMESPACE}/configmaps/dafab-limits":
            return 403, b'{"kind": "Status", "message": "forbidden"}'
        if self.command == "PATCH":
            if kind != "application/merge-patch+json" or kept.faults(body):
                return 422, json.dumps({"message": f"{kind}: {kept.faults(body)}"}).encode()
            if body["metadata"]["resourceVersion"] != str(kept.version):
                return 409, b'{"message": "the object has been modified"}'
            kept.data |= body["data"]
            kept.version += 1
        metadata = {"name": "dafab-limits", "namespace": NAMESPACE, "resourceVersion": str(kept.version)}
        found = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": kept.data}
        return 200, json.dumps(found).encode()


@contextmanager
def serving(folder: Path) -> Iterator[ApiServer]:
    """Run an API server with an authority of its own."""
    with ApiServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def account_of(server: ApiServer, folder: Path) -> Path:
    """Return the folder of a service account, as Kubernetes mounts it in a pod."""
    (folder / "token").write_text(server.token)
    (folder / "namespace").write_text(NAMESPACE)
    (folder / "ca.crt").write_bytes(server.authority.read_bytes())
    return folder


def self_signed() -> tuple[bytes, bytes]:
    """Return a certificate for 127.0.0.1 that is its own authority, and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=1))
        .not_valid_after(now + datetime.timedelta(hours=3))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(pem), plain
