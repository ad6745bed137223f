"""Keeping to what an archive allows: connections at once, requests a minute, bytes a second of each connection."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Shared by all threads that ask one archive."""

    def __init__(self, connections: int, requests_per_minute: int, bytes_per_second: int | None) -> None:
        self._slots = threading.BoundedSemaphore(connections)
        self._between = 60.0 / requests_per_minute
        self._rate = bytes_per_second
        self._next = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def connection(self) -> Iterator["Speed"]:
        """Hold one of the connections, begun no sooner than the requests a minute allow."""
        with self._slots:
            with self._lock:
                begin = max(self._next, time.monotonic())
                self._next = begin + self._between
            time.sleep(max(0.0, begin - time.monotonic()))
            yield Speed(self._rate)


class Speed:
    """The bytes a second of one connection."""

    def __init__(self, bytes_per_second: int | None) -> None:
        self._rate, self._begun, self._bytes = bytes_per_second, time.monotonic(), 0

    def took(self, count: int) -> None:
        """Wait until this many more bytes are no faster than allowed."""
        if self._rate is None:
            return
        self._bytes += count
        time.sleep(max(0.0, self._begun + self._bytes / self._rate - time.monotonic()))
