"""What a source refuses, each in one line; what another try may mend has an exit status of its own."""

import os

from rucio_dafab.errors import DafabError


class SourceError(DafabError):
    """An archive, a product of it or a download that cannot be used: which, and why."""


class SourceBusy(SourceError):
    """A refusal that another try may mend: too many requests, a server that is down, a connection that was cut.

    Attributes:
        retry_after: The seconds that the server asks to wait, where it says so.
    """

    exit_code: int = os.EX_TEMPFAIL

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class TokenRefused(SourceError):
    """The archive does not take the token or the keys that were sent (status 401)."""
