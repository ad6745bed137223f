"""An archive on this machine: STAC, OData, tokens and files with byte ranges, and every way in which it may fail.

A real HTTP server on a free port of the loopback interface. It replays recorded answers and serves real bytes as S3
does (``Range``, ``ETag``, ``Content-Range``), and notes what it was asked.
"""

import hashlib
import json
import math
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    time: float


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request for a file.

    Attributes:
        status: Answered instead of the file.
        headers: With it.
        cut_after: Bytes of the body after which the connection is cut.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Archive:
    """The server's state; tests fill it and look at it.

    Attributes:
        url: Its address.
        files: Bytes by path.
        tags: The entity tag of a path, where it is not the MD5 of the bytes; empty for none.
        faults: By path, used up one after the other by GET requests.
        limited: By path, until when (monotonic seconds) it is refused as asked for too often.
        routes: Answers by pattern of the path, before files are looked for.
        private: Prefixes of paths that want a token of ``tokens``.
        tokens: The tokens that are taken.
        ranges: Whether ranges are served.
        seconds: Each answer with a file takes, so that some run at once.
        hold: While it is not set, the second half of each file is kept back.
        asked: Every request.
        most_at_once: The greatest number of requests that were in work at once.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    limited: dict[str, float] = field(default_factory=dict)
    routes: list[tuple[str, Callable[[Asked], Answer]]] = field(default_factory=list)
    private: tuple[str, ...] = ()
    tokens: set[str] = field(default_factory=set)
    ranges: bool = True
    seconds: float = 0.0
    hold: threading.Event = field(default_factory=_set)
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def gets(self, path: str) -> list[Asked]:
        """Return the GET requests for a path."""
        return [asked for asked in self.asked if asked.method == "GET" and asked.path == path]

    def route(self, pattern: str, answer: Callable[[Asked], Answer]) -> None:
        """Answer a path in a way of its own."""
        self.routes.append((pattern, answer))

    def entity_tag(self, path: str) -> str:
        """Return what S3 gives: the quoted MD5."""
        return self.tags.get(path, f'"{hashlib.md5(self.files[path]).hexdigest()}"')


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    """Return an answer of JSON."""
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: Archive

    def log_message(self, *_: Any) -> None:
        """Say nothing: ``asked`` remembers."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        archive, parts = self.archive, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(
            self.command, unquote(parts.path), parse_qs(parts.query), dict(self.headers), body, time.monotonic()
        )
        with archive.lock:
            archive.asked.append(asked)
            archive.at_once += 1
            archive.most_at_once = max(archive.most_at_once, archive.at_once)
        done = threading.Event()
        try:
            self._choose(asked, lambda: self._leave(done))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self._leave(done)

    def _leave(self, done: threading.Event) -> None:
        """Count a request out, once: before its last bytes, after which the client may come with the next."""
        with self.archive.lock:
            if not done.is_set():
                done.set()
                self.archive.at_once -= 1

    def _choose(self, asked: Asked, leave: Callable[[], None]) -> None:
        archive = self.archive
        if any(asked.path.startswith(prefix) for prefix in archive.private):
            token = asked.headers.get("Authorization", asked.headers.get("authorization", "")).removeprefix("Bearer ")
            if token not in archive.tokens:
                self._send((401, {}, b'{"detail": "Expired signature!"}'), leave)
                return
        for pattern, answer in archive.routes:
            if re.fullmatch(pattern, asked.path):
                self._send(answer(asked), leave)
                return
        if asked.path in archive.files:
            self._file(asked, leave)
        else:
            self._send((404, {}, b'{"detail": "not found"}'), leave)

    def _send(self, answer: Answer, leave: Callable[[], None]) -> None:
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        leave()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, asked: Asked, leave: Callable[[], None]) -> None:
        archive, content = self.archive, self.archive.files[asked.path]
        waiting = archive.faults.get(asked.path, [])
        with archive.lock:
            fault = waiting.pop(0) if waiting and asked.method == "GET" else waiting[0] if waiting else Fault()
        left = archive.limited.get(asked.path, 0.0) - time.monotonic()
        if left > 0:
            fault = Fault(429, {"Retry-After": str(math.ceil(left))})
        if fault.status:
            self._send((fault.status, fault.headers, b"{}"), leave)
            return
        begin, status = 0, 200
        span = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", asked.headers.get("Range", "")))
        if span and archive.ranges:
            begin, status = int(span[1]), 206
            if begin >= len(content):
                self._send((416, {"Content-Range": f"bytes */{len(content)}"}, b""), leave)
                return
        self.send_response(status)
        headers = {"Content-Length": str(len(content) - begin), "Last-Modified": "Mon, 03 Jun 2024 10:00:00 GMT"}
        if archive.ranges:
            headers["Accept-Ranges"] = "bytes"
        if status == 206:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        if tag := archive.entity_tag(asked.path):
            headers["ETag"] = tag
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._body(content[begin:], fault.cut_after, leave)

    def _body(self, content: bytes, cut_after: int | None, leave: Callable[[], None]) -> None:
        if self.command == "HEAD":
            return
        time.sleep(self.archive.seconds)
        half = len(content) // 2 if cut_after is None else cut_after
        self.wfile.write(content[:half])
        self.wfile.flush()
        if cut_after is not None:
            self.close_connection = True
            leave()
            return
        time.sleep(self.archive.seconds)
        self.archive.hold.wait()
        leave()
        self.wfile.write(content[half:])


@contextmanager
def running(certificate: Path | None = None) -> Iterator[Archive]:
    """Run an archive while the block runs; with a certificate (and its key, PEM) over TLS."""
    archive = Archive()
    handler = type("Handler", (_Handler,), {"archive": archive})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    archive.url = f"http://127.0.0.1:{server.server_port}"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        archive.url = archive.url.replace("http", "https")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
