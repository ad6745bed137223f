"""Opening addresses: which of a file's addresses can be used here, and the store through which obstore reads it."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import HTTPStore, S3Store

from rucio_dafab.eo.sources.credentials import Secrets, Token, load_secrets, missing
from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.providers import Bucket, Provider, Sources, is_address
from rucio_dafab.eo.sources.web import CONNECT_SECONDS, READ_SECONDS, USER_AGENT, Web, plain

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

# obstore tries again by itself, but without a look at Retry-After: it is told not to, and asked again from here.
_ONCE: Final["RetryConfig"] = {"max_retries": 0, "retry_timeout": timedelta(seconds=1)}


@dataclass(frozen=True)
class Opened:
    """A file that can be read: obstore's store and path, and how its server is asked for headers.

    Attributes:
        store: Of obstore.
        path: In that store.
        url: The address that was opened, signed where it has to be.
        token: The token that goes with each request, or None.
        headers: Sent with each request.
        asks_plainly: Whether a plain HTTP request with the headers is answered (signed S3 is not).
    """

    store: HTTPStore | S3Store = field(repr=False)
    path: str
    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    asks_plainly: bool = True


class Access:
    """What one archive lets us open. Threads may share one."""

    def __init__(self, sources: Sources, provider: Provider, web: Web) -> None:
        self._sources, self._provider, self.web = sources, provider, web
        self._secrets: dict[str, Secrets] = {}
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    def choose(self, urls: Sequence[str]) -> str:
        """Return the first address that can be used with the credentials that are here.

        Raises:
            CredentialsMissing: if an account is wanted and none is known.
            SourceError: if none of the addresses is of a kind that can be opened.
        """
        wanting = None
        for url in urls:
            account, what = self._wants(url)
            if account is None and what:
                return url
            if account is not None:
                if getattr(self._of(account), what):
                    return url
                wanting = wanting or account
        if wanting:
            raise missing(wanting, self._sources.accounts[wanting])
        raise SourceError(f"{', '.join(map(plain, urls)) or 'the file'}: neither https nor a bucket that is known here")

    def _wants(self, url: str) -> tuple[str | None, str]:
        """Return the account that an address wants and which of its secrets; the second is empty for no usable one."""
        parts = urlsplit(url)
        if parts.scheme == "s3":
            bucket = self._sources.buckets.get(parts.netloc)
            return (bucket.account, "has_keys") if bucket else (None, "")
        # An archive elsewhere has no business with servers on this machine.
        if not is_address(url) or parts.scheme not in ("https", urlsplit(self._provider.url).scheme):
            return None, ""
        return self._sources.account_of(parts.hostname or ""), "has_login"

    def _of(self, account: str) -> Secrets:
        with self._lock:
            if account not in self._secrets:
                self._secrets[account] = load_secrets(account, self._sources.accounts[account])
            return self._secrets[account]

    def open(self, url: str, refused: str | None = None) -> Opened:
        """Return a file that can be read.

        Args:
            url: From :meth:`choose`.
            refused: The token that the server did not take a moment ago.

        Raises:
            SourceBusy: if a server of tokens or signatures is busy or away.
            SourceError: if it refuses.
        """
        parts = urlsplit(url)
        if parts.scheme == "s3":
            return self._open_bucket(url, self._sources.buckets[parts.netloc])
        headers: dict[str, str] = {}
        token = self._token(parts.hostname or "", refused)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        address = self._signed(url) if parts.hostname in self._provider.sign_hosts else url
        try:
            store = HTTPStore.from_url(address, client_options=_client(url, headers), retry_config=_ONCE)
        except (BaseError, ValueError) as error:
            raise _not_opened(url, error) from error
        return Opened(store, "", address, token, headers)

    def _open_bucket(self, url: str, bucket: Bucket) -> Opened:
        parts = urlsplit(url)
        keys = self._of(bucket.account) if bucket.account else Secrets()
        path = parts.path.lstrip("/")
        try:
            store = S3Store(
                parts.netloc,
                endpoint=bucket.endpoint,
                region=bucket.region,
                virtual_hosted_style_request=False,
                client_options=_client(bucket.endpoint, {}),
                retry_config=_ONCE,
                **({"access_key_id": keys.access_key, "secret_access_key": keys.secret_key} if bucket.account
                   else {"skip_signature": True}),
            )  # fmt: skip
        except (BaseError, ValueError) as error:
            raise _not_opened(url, error) from error
        return Opened(store, path, f"{bucket.endpoint}/{parts.netloc}/{path}", asks_plainly=not bucket.account)

    def _token(self, host: str, refused: str | None) -> str | None:
        account = self._sources.account_of(host)
        if account is None:
            return None
        secrets = self._of(account)
        with self._lock:
            if account not in self._tokens:
                self._tokens[account] = Token(self._sources.accounts[account], secrets, self.web)
        return self._tokens[account].get(refused)

    def _signed(self, url: str) -> str:
        answer = self.web.json(self._provider.sign_url, params={"href": url})
        signed = answer.get("href") if isinstance(answer, dict) else None
        if not isinstance(signed, str) or urlsplit(signed)[:3] != urlsplit(url)[:3]:
            raise SourceError(f"{plain(self._provider.sign_url)} does not sign {plain(url)}")
        return signed

    def entity_tag_is_md5(self, url: str) -> bool:
        """Tell whether the entity tags of an address's host are MD5s."""
        return urlsplit(url).hostname in self._provider.entity_tag_is_md5


def _client(url: str, headers: dict[str, str]) -> "ClientConfig":
    """Return obstore's settings: a connection a request, none idle; as long as bytes come, no end."""
    return {
        "allow_http": urlsplit(url).scheme == "http",
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        "read_timeout": timedelta(seconds=READ_SECONDS),
        "timeout": timedelta(days=1),
        "pool_max_idle_per_host": "0",
        "user_agent": USER_AGENT,
        "default_headers": headers,
    }


def _not_opened(url: str, error: Exception) -> SourceError:
    return SourceError(f"{plain(url)} cannot be opened: {first_line(error)}")


def first_line(error: Exception) -> str:
    """Return the first line of what obstore says, without queries, which may carry signatures."""
    text = str(error).strip().partition("\n")[0]
    return re.sub(r"\?[^\s)]*", "", text)[:300]
