"""What an operator may set for the service, each by an environment variable ``DAFAB_…``."""

from functools import cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from rucio_dafab.stac.validate import MAX_BYTES


class Settings(BaseSettings):
    """Settings of the service.

    Attributes:
        anonymous_account: the account that requests without a token read as; ``None`` asks everybody for a token.
        root_url: the address that links in documents begin with, without a slash at its end; ``None`` takes the one
            that each request was sent to.
        rucio_threads: how many requests Rucio's own application works on at a time.
        max_body: bytes of a request's body that are read, ours and Rucio's alike: room for a document of the largest
            size and the list of its files.
        search_page: documents in a page of ``POST /dafab/search`` when the request names no limit.
        send_timeout: seconds after which an answer is broken off whose client takes nothing of it.
        max_streams: streamed answers that an account may have under way at a time.
    """

    model_config = SettingsConfigDict(env_prefix="DAFAB_", extra="ignore")

    anonymous_account: str | None = None
    root_url: str | None = None
    rucio_threads: int = Field(default=8, ge=1, le=64)
    max_body: int = Field(default=4 * MAX_BYTES, ge=MAX_BYTES)
    search_page: int = Field(default=1000, ge=1, le=10_000)
    send_timeout: float = Field(default=60, gt=0, le=3600)
    max_streams: int = Field(default=32, ge=1)


@cache
def settings() -> Settings:
    """Return the settings, read once."""
    return Settings()
