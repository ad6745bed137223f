"""What the tests of documents share: changes, reading one back, requests of any shape."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import requests

from rucio_dafab.client import DafabClient

Put = Callable[..., str]


def change(op: str, path: str, *value: Any) -> dict[str, Any]:
    return {"op": op, "path": path} | ({"value": value[0]} if value else {})


def read(client: DafabClient, name: str) -> dict[str, Any]:
    return next(client.read_documents([name])).document


def send(site: Any, client: DafabClient, method: str, path: str, body: Any) -> requests.Response:
    """Send any body to a route; text and bytes as they are."""
    headers = {"X-Rucio-Auth-Token": client.auth_token, "Content-Type": "application/json"}
    data = body if isinstance(body, str | bytes | Iterator) else json.dumps(body)
    return requests.request(method, f"{site.url}{path}", data=data, headers=headers, timeout=60)


def one_line(answer: requests.Response) -> str:
    told = answer.json()
    assert len(told["ExceptionMessage"].splitlines()) == 1
    return f"{told['ExceptionClass']}: {told['ExceptionMessage']}"
