"""How far a step has come, told to whoever listens: a progress bar, a log, or nobody.

A step takes one value and gives one back, so that Argo and a test can call it: the listener is no argument of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Listener = Callable[[int, int], None]
"""Called with how much is done and how much there is to do."""


def _nobody(done: int, total: int) -> None:
    """Listen to nothing."""


_LISTENER: Final[ContextVar[Listener]] = ContextVar("listener", default=_nobody)


def report(done: int, total: int) -> None:
    """Tell the listener that ``done`` of ``total`` is done."""
    _LISTENER.get()(done, total)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let ``listener`` hear what the steps in the block report."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
