"""Rucio's own routes at a running site: what is wrong with a request is told its sender, what fails the log."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from rucio.common import exception as rucio

from rucio_dafab.site import credentials
from rucio_dafab.site.home import SCOPE

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

Ask = Callable[..., requests.Response]

INTERNALS = ("SQL", "psycopg", "builtins", "object has no attribute", "object is not", "Traceback", "<ast.")


@pytest.fixture(scope="module")
def ask(site: Any) -> Ask:
    """Return what sends a request as an account and returns the answer."""
    tokens: dict[str, str] = {}

    def send(method: str, path: str, account: str = "user_dafab", **options: Any) -> requests.Response:
        if account not in tokens:
            password = credentials.load(site.home).accounts[account]
            headers = {"X-Rucio-Account": account, "X-Rucio-Username": account, "X-Rucio-Password": password}
            tokens[account] = requests.get(f"{site.url}/auth/userpass", headers=headers, timeout=60).headers[
                "X-Rucio-Auth-Token"
            ]
        headers = {"X-Rucio-Auth-Token": tokens[account]}
        return requests.request(method, site.url + path, headers=headers, timeout=60, **options)

    return send


@pytest.fixture(scope="module")
def container(site: Any) -> Iterator[str]:
    """Return the name of a container of the administrator."""
    name = f"routes_{uuid.uuid4().hex[:12]}"
    client = site.rucio_client("dafab_admin")
    client.add_container(SCOPE, name)
    yield name
    client.set_metadata(SCOPE, name, "lifetime", 1)


def refused(answer: requests.Response, status: int, name: str, said: str) -> None:
    """Check that an answer is one line of Rucio's form, in body and headers, and nothing of the inside."""
    told = json.loads(answer.text)
    assert (answer.status_code, told["ExceptionClass"]) == (status, name), answer.text
    assert said in told["ExceptionMessage"]
    assert "\n" not in told["ExceptionMessage"]
    assert not [word for word in INTERNALS if word in answer.text]
    assert answer.headers["ExceptionClass"] == name
    assert answer.headers["ExceptionMessage"][:100] == told["ExceptionMessage"][:100]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/dids/dafab/{name}/meta", {"meta": {"x": 1}}),
        ("POST", "/dids/dafab/{name}/meta/x", {"value": 1}),
        (
            "POST",
            "/rules/",
            {
                "dids": [{"scope": SCOPE, "name": "stac"}],
                "account": "user_dafab",
                "copies": 1,
                "rse_expression": "CLOUD",
                "lifetime": 1,
            },
        ),
        ("GET", "/config", None),
    ],
    ids=["meta", "one key", "rules", "config"],
)
def test_a_refused_permission_is_no_fault_of_the_server(
    ask: Ask, container: str, method: str, path: str, body: Any
) -> None:
    refused(ask(method, path.format(name=container), json=body), 403, "AccessDenied", "user_dafab can")


def test_the_stock_client_raises_what_was_refused(site: Any, container: str) -> None:
    with pytest.raises(rucio.AccessDenied, match="can not add metadata"):
        site.rucio_client("user_dafab").set_metadata(SCOPE, container, "x", 1)
    with pytest.raises(rucio.InvalidMetadata, match="lifetime takes a number, not 'abc'"):
        site.rucio_client("dafab_admin").set_metadata(SCOPE, container, "lifetime", "abc")


COLUMNS = [
    ("lifetime", "abc", "takes a number"),
    ("lifetime", 1e308, "end in no year"),
    ("guid", "x" * 300, "takes a UUID"),
    ("eol_at", "garbage", "takes a time"),
    ("hidden", {}, "takes true or false"),
    ("project", "x" * 51, "50 characters at most"),
    ("project", "a\x00b", "NUL"),
    ("project", {}, "takes a text"),
    ("run_number", 2**31, "up to 2147483647"),
    ("events", "x", "takes an integer"),
]


@pytest.mark.parametrize(("key", "value", "said"), COLUMNS, ids=[f"{key}-{said}" for key, _, said in COLUMNS])
def test_a_value_that_no_column_holds_names_its_key(ask: Ask, container: str, key: str, value: Any, said: str) -> None:
    answer = ask("POST", f"/dids/{SCOPE}/{container}/meta", "dafab_admin", json={"meta": {key: value}})
    refused(answer, 400, "InvalidMetadata", said)
    assert json.loads(answer.text)["ExceptionMessage"].startswith(key)


def test_columns_take_what_command_lines_and_clients_send(site: Any, container: str) -> None:
    client = site.rucio_client("dafab_admin")
    set_to = {"eol_at": "2031-12-24", "hidden": "true", "run_number": "7", "project": "dafab", "lifetime": "86400"}
    client.set_metadata_bulk(SCOPE, container, set_to)
    found = client.get_metadata(SCOPE, container)
    assert (found["hidden"], found["run_number"], found["project"]) == (True, 7, "dafab")
    assert found["eol_at"].strftime("%Y-%m-%d") == "2031-12-24"
    client.set_metadata_bulk(SCOPE, container, {"eol_at": None, "hidden": False, "lifetime": None})


@pytest.mark.parametrize(
    "filters", ["5", "garbage", "[5]", "[{5: 5}]", "(", "[" * 300 + "]" * 300, '[{"x": null}]', "__import__('os')"]
)
def test_filters_of_another_form_are_refused(ask: Ask, filters: str) -> None:
    answer = ask("GET", f"/dids/{SCOPE}/dids/search?filters={quote(filters)}")
    refused(answer, 400, "InputValidationError", "has another form than GET /dids/dafab/dids/search takes")


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ('[{"name": 5}]', "name takes a text, not 5"),
        ('[{"type": 5}]', "type takes a text, not 5"),
        ('[{"guid": "x"}]', "guid takes a UUID, not 'x'"),
        ('[{"hidden": "x"}]', "hidden takes true or false, not 'x'"),
    ],
)
def test_a_value_that_a_column_cannot_be_compared_with_names_its_key(ask: Ask, filters: str, said: str) -> None:
    answer = ask("GET", f"/dids/{SCOPE}/dids/search?filters={quote(filters)}")
    refused(answer, 400, "DIDFilterSyntaxError", said)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"/dids/{SCOPE}/dids/search?limit=-1", "must not be negative"),
        (f"/dids/{SCOPE}/dids/search?limit=99999999999999999999", "out of range"),
        (f"/dids/{SCOPE}/dids/search?name=%00", "NUL"),
        (f"/dids/{SCOPE}/a%00b/meta?plugin=DAFAB", "NUL"),
        ("/rses/%00", "NUL"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused(ask: Ask, path: str, said: str) -> None:
    refused(ask("GET", path), 400, "InputValidationError", said)


@pytest.mark.parametrize("path", ["/dids/dafab/stac/meta", "/dids", "/dids/bulkmeta"])
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"meta":' * 100_000, "nested too deeply"),
        (b'{"meta": {"a": ' + b"9" * 5000 + b"}}", "has another form than POST"),
    ],
    ids=["lists", "objects", "digits"],
)
def test_a_body_that_python_cannot_hold_is_refused(ask: Ask, path: str, body: bytes, said: str) -> None:
    refused(ask("POST", path, data=body), 400, "InputValidationError", said)


def test_what_is_there_already_is_no_fault(ask: Ask, container: str) -> None:
    follow = f"/dids/{SCOPE}/{container}/follow"
    ask("POST", follow, json={"account": "user_dafab"})
    refused(ask("POST", follow, json={"account": "user_dafab"}), 409, "Duplicate", "already")


def test_a_fault_of_rucio_says_nothing_of_its_inside(ask: Ask) -> None:
    answer = ask("GET", "/identities/dafab_admin/USERPASS/accounts")
    refused(answer, 500, "RucioException", "the service's log says more")
