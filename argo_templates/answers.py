"""What a server says of itself when it refuses or does not answer, in one line: of Argo, of Kubernetes."""

import json
from typing import Final

import requests

_MOST: Final = 300
"""Characters of a server's own words that are shown."""


def message(answer: requests.Response) -> str:
    """Return the ``message`` of an answer of JSON, else the reason that its status line gives."""
    try:
        found = json.loads(answer.content)
    except ValueError:
        found = None
    said = str(found.get("message", "")) if isinstance(found, dict) else answer.reason or ""
    return " ".join(said.split())[:_MOST]


def reason(error: BaseException) -> str:
    """Return the innermost cause of a connection that failed."""
    while error.__context__ is not None:
        error = error.__context__
    return " ".join(str(error).split())[:120]
