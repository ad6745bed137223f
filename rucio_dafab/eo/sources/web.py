"""Small questions over HTTP: JSON asked and answered, tried again while it may help.

Each request has a connection of its own, closed with its answer, so that none idles beside those of the downloads.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import orjson
import requests

from rucio_dafab import __version__
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError, TokenRefused
from rucio_dafab.eo.sources.retry import UNAUTHORISED, Attempts, Patience, is_temporary, seconds_to_wait

USER_AGENT: Final = f"rucio-dafab/{__version__}"
CONNECT_SECONDS: Final = 15
READ_SECONDS: Final = 90
_MOST_BYTES: Final = 64 * 2**20


class Web:
    """Asks servers; no credential leaves it but those that a caller hands over."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience

    def json(self, url: str, **how: Any) -> Any:
        """Return the JSON that an address answers; ``how`` is that of :meth:`text`.

        Raises:
            SourceBusy: if the server is busy or away.
            SourceError: if it refuses, or answers something else.
        """
        text = self.text(url, **how)
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise SourceError(f"{plain(url)} answers something that is not JSON: {error}") from error

    def text(
        self,
        url: str,
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> str:
        """Return what an address answers, as text.

        Args:
            url: Asked.
            method: ``GET`` or ``POST``.
            params: Of the query.
            body: Sent as JSON.
            form: Sent as a form.

        Raises:
            SourceBusy: if the server is busy or away, after all tries.
            TokenRefused: if it wants credentials or other ones.
            SourceError: if it refuses.
        """
        attempts = Attempts(self.patience)
        while True:
            try:
                return _once(method, url, params=params, json=body, data=form)
            except SourceBusy as busy:
                attempts.pause_after(busy)

    def retry_after(self, url: str, headers: Mapping[str, str]) -> float | None:
        """Return the pause in seconds that a server asks for when it is asked for a file's headers, or None."""
        try:
            answer = _send("HEAD", url, headers=headers, allow_redirects=True)
        except SourceError:
            return None
        with answer:
            return seconds_to_wait(answer.headers.get("Retry-After")) if is_temporary(answer.status_code) else None


def _once(method: str, url: str, **how: Any) -> str:
    with _send(method, url, stream=True, **how) as answer:
        status = answer.status_code
        if is_temporary(status):
            wait = seconds_to_wait(answer.headers.get("Retry-After"))
            raise SourceBusy(f"{plain(url)} answers {status} {answer.reason}", wait)
        content = _content(answer, url)
    if status == UNAUTHORISED:
        raise TokenRefused(f"{plain(url)} answers 401{_said(content) or ': it does not know the caller'}")
    if not 200 <= status < 300:
        raise SourceError(f"{plain(url)} answers {status} {answer.reason}{_said(content)}")
    return content.decode("utf-8", "replace")


def _content(answer: requests.Response, url: str) -> bytes:
    content = bytearray()
    try:
        for chunk in answer.iter_content(2**16):
            content += chunk
            if len(content) > _MOST_BYTES:
                raise SourceError(f"{plain(url)} answers more than {_MOST_BYTES // 2**20} MiB")
    except requests.RequestException as error:
        raise SourceBusy(f"{plain(url)}: the answer broke off") from error
    # urllib3 1.26 takes the end of the connection for the end of the answer.
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and answer.raw.tell() < int(announced):
        raise SourceBusy(f"{plain(url)}: the answer broke off")
    return bytes(content)


def _send(method: str, url: str, **how: Any) -> requests.Response:
    headers = {"User-Agent": USER_AGENT, "Connection": "close", **how.pop("headers", {})}
    try:
        return requests.request(method, url, headers=headers, timeout=(CONNECT_SECONDS, READ_SECONDS), **how)
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise SourceError(f"{plain(url)} is no address that can be asked") from error
    except requests.RequestException as error:
        raise SourceBusy(f"{plain(url)} does not answer ({type(error).__name__})") from error


def _said(content: bytes) -> str:
    """Return the reason that an error's body gives, shortened, as the end of a line."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(body, dict):
        return ""
    said = next((body[key] for key in ("detail", "message", "description", "error_description") if key in body), "")
    return f": {' '.join(said.split())[:200]}" if isinstance(said, str) and said else ""


def plain(url: str) -> str:
    """Return an address for a message: without query, which may be long or carry a signature, and without user."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
