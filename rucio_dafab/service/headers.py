"""Headers that HTTP can carry: Rucio repeats its error messages in one, whatever characters they hold."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

Application = Callable[..., Iterable[bytes]]
"""A WSGI application (PEP 3333)."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def plain(text: str) -> str:
    """Return a text as a header's value: Latin-1 without control characters (RFC 9110, 5.5); others become ``?``."""
    return _CONTROL.sub("?", text).encode("latin-1", "replace").decode("latin-1")


def with_plain_headers(application: Application) -> Application:
    """Return a WSGI application whose headers can all be sent.

    The user's own characters stand in the messages of refusals; left as they are, they break the answer off and the
    client reports a lost connection instead of the reason. The body keeps the message whole.
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [(name, plain(value)) for name, value in headers], *error)

        return application(environ, start)

    return call
