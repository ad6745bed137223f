"""How often, and after which pauses, a request is made again: exponential back-off with jitter, and Retry-After."""

import math
import random
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from rucio_dafab.eo.sources.errors import SourceBusy

TOO_MANY_REQUESTS = 429
UNAUTHORISED = 401
_SERVER_ERRORS = range(500, 600)
_NEVER_SERVED = (501, 505)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request is kept at.

    Attributes:
        tries: Attempts in a row that bring nothing before the refusal is passed on.
        first: Seconds of the first pause at most; each further one may be twice as long.
        longest: Seconds of any pause at most. A server that asks for more is not waited for.
    """

    tries: int = 6
    first: float = 1.0
    longest: float = 120.0


class Attempts:
    """The failed attempts of one request, with the pauses between them."""

    def __init__(self, patience: Patience, stop: threading.Event | None = None) -> None:
        self._patience, self._stop = patience, stop or threading.Event()
        self._failed = 0

    def progressed(self) -> None:
        """Forget the failures: the last attempt brought something."""
        self._failed = 0

    def pause_after(self, refusal: SourceBusy) -> None:
        """Wait until the next attempt may be made, or all are told to stop.

        Raises:
            SourceBusy: the refusal itself, if there have been enough attempts or the server asks for a longer pause.
        """
        self._failed += 1
        if self._failed >= self._patience.tries:
            raise refusal
        if refusal.retry_after is not None and refusal.retry_after > self._patience.longest:
            raise SourceBusy(f"{refusal}; it asks to come back in {refusal.retry_after:.0f} s", refusal.retry_after)
        self._stop.wait(pause(self._patience, self._failed, refusal.retry_after))


def pause(patience: Patience, failed: int, retry_after: float | None) -> float:
    """Return the seconds to wait after so many failures.

    Full jitter (uniform between nothing and the exponential bound) keeps clients that failed together apart; what the
    server asks for is a minimum, to which the jitter of the first pause is added.
    """
    if retry_after is not None:
        return retry_after + random.uniform(0, min(patience.first, patience.longest))  # noqa: S311 - no secret
    return random.uniform(0, min(patience.longest, patience.first * 2.0 ** min(failed - 1, 30)))  # noqa: S311


def is_temporary(status: int) -> bool:
    """Tell whether an HTTP status may be another one a little later."""
    return status in (408, TOO_MANY_REQUESTS) or (status in _SERVER_ERRORS and status not in _NEVER_SERVED)


def seconds_to_wait(header: str | None, now: datetime | None = None) -> float | None:
    """Return what a ``Retry-After`` header asks for in seconds (RFC 9110: seconds or a date), or None."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
