"""Rucio and our routes in one ASGI process: the stock command and client work through it, whole and at once."""

import json
import math
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from rucio.common import exception as rucio

from rucio_dafab.client import PublishRequest
from rucio_dafab.site import credentials

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CONTENT = bytes(range(256)) * 512


def ring(vertices: int, west: float = 5.0, south: float = 48.0, size: float = 2.0) -> str:
    """Return the WKT of a closed polygon with so many vertices on a circle; degrees."""
    centre_x, centre_y, radius = west + size / 2, south + size / 2, size / 2
    angles = [2 * math.pi * step / vertices for step in range(vertices)]
    points = [f"{centre_x + radius * math.cos(a):.6f} {centre_y + radius * math.sin(a):.6f}" for a in angles]
    return f"POLYGON(({','.join([*points, points[0]])}))"


def item(name: str, **properties: Any) -> dict[str, Any]:
    """Return a STAC item over Luxembourg in the collection of originals."""
    box = [6.0, 49.5, 6.4, 49.9]
    west, south, east, north = box
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "sentinel_2_l2a",
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
        },
        "bbox": box,
        "properties": {"datetime": "2026-06-10T10:30:00Z", "eo:cloud_cover": 12.5, **properties},
        "assets": {"data": {"href": "./data.bin", "type": "application/octet-stream", "roles": ["data"]}},
        "links": [],
    }


@pytest.fixture(scope="module")
def published(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the name of an item that is published with one file."""
    name = f"served_{uuid.uuid4().hex[:12]}"
    path = tmp_path_factory.mktemp("served") / "data.bin"
    path.write_bytes(CONTENT)
    client = site.client("dafab_dasi")
    file = client.upload(path, "MELUXINA", f"{name}.data.bin")
    assert client.publish(PublishRequest("dafab", item(name), {"data": file})).outcome == "created"
    yield name
    site.rucio_client("root").set_metadata("dafab", name, "lifetime", -1)


@pytest.fixture(scope="module")
def token(site: Any) -> str:
    """Return a token of the reading account."""
    password = credentials.load(site.home).accounts["user_dafab"]
    headers = {"X-Rucio-Account": "user_dafab", "X-Rucio-Username": "user_dafab", "X-Rucio-Password": password}
    answer = requests.get(f"{site.url}/auth/userpass", headers=headers, timeout=30)
    assert answer.status_code == 200
    return answer.headers["X-Rucio-Auth-Token"]


def test_stock_command_finds_by_attribute_and_place(site: Any, published: str) -> None:
    found = site.rucio(
        "user_dafab", "did", "list", "dafab:*", "--filter", "geometry.within=5_49_7_50.5,cloud_cover.lt=20"
    )
    assert f"dafab:{published}" in found
    missed = site.rucio(
        "user_dafab", "did", "list", "dafab:*", "--filter", "geometry.within=5_49_7_50.5,cloud_cover.lt=5"
    )
    assert f"dafab:{published}" not in missed


@pytest.mark.parametrize("vertices", [4, 2000])
def test_polygons_of_many_vertices_pass_in_the_query_string(site: Any, published: str, vertices: int) -> None:
    client = site.rucio_client("user_dafab")
    inside = list(client.list_dids("dafab", {"geometry.intersects": ring(vertices)}, did_type="container"))
    assert published in inside
    outside = list(client.list_dids("dafab", {"geometry.intersects": ring(vertices, west=60.0)}, did_type="container"))
    assert published not in outside


def test_stock_command_takes_two_thousand_vertices(site: Any, published: str) -> None:
    polygon = ring(2000).replace(",", "|")
    found = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", f"geometry.intersects={polygon}")
    assert f"dafab:{published}" in found


def test_a_request_beyond_the_limit_is_refused_and_the_service_lives(site: Any, token: str) -> None:
    headers = {"X-Rucio-Auth-Token": token}
    address = f"{site.url}/dids/dafab/dids/search"
    try:
        answer = requests.get(address, params={"name": "x" * (1 << 21)}, headers=headers, timeout=60, stream=True)
    except requests.ConnectionError:
        # The service hangs up while the request is still being sent; whether its answer gets through is chance.
        pass
    else:
        assert answer.status_code in {400, 414, 431}
    assert requests.get(f"{site.url}/dafab/health", timeout=30).json()["status"] == "ok"


def test_a_wrong_filter_is_the_users_fault_not_the_servers(site: Any) -> None:
    client = site.rucio_client("user_dafab")
    with pytest.raises(rucio.DIDFilterSyntaxError):
        list(client.list_dids("dafab", {"geometry.near": "POINT(6 49)"}))


def test_lists_are_streamed_as_lines(site: Any, token: str) -> None:
    answer = requests.get(
        f"{site.url}/dids/dafab/dids/search",
        params={"type": "container", "long": "True"},
        headers={"X-Rucio-Auth-Token": token, "Accept": "application/x-json-stream"},
        stream=True,
        timeout=30,
    )
    assert answer.headers["content-type"] == "application/x-json-stream"
    assert "content-length" not in answer.headers
    names = {json.loads(line)["name"] for line in answer.iter_lines() if line}
    assert "stac" in names


def test_clients_of_several_accounts_ignore_a_token_file_that_is_configured(site: Any) -> None:
    code = (
        "from rucio_dafab.site.accounts import rucio_client; from rucio_dafab.site.home import Home\n"
        "home = Home.from_environment()\n"
        "for name in ('user_dafab', 'dafab_skim', 'dafab_admin'): print(rucio_client(home, name).whoami()['account'])"
    )
    said = site.run([sys.executable, "-c", code], "dafab_admin")
    assert said.stdout.split() == ["user_dafab", "dafab_skim", "dafab_admin"], said.stderr


def test_a_token_that_the_server_no_longer_takes_is_renewed(site: Any) -> None:
    client = site.client("user_dafab")
    client.auth_token = client.headers["X-Rucio-Auth-Token"] = "outlived"
    assert next(client.search(did_type="all", limit=1))
    site.rucio("user_dafab", "whoami")
    kept = site.home.client_config("user_dafab").parent / "token"
    kept.write_text("outlived")
    assert "user_dafab" in site.rucio("user_dafab", "whoami")
    assert kept.read_text() != "outlived"


def test_requests_run_side_by_side_as_the_account_that_sent_them(site: Any) -> None:
    clients = {name: site.rucio_client(name) for name in ("dafab_admin", "dafab_dasi", "dafab_skim", "user_dafab")}

    def ask(name: str) -> tuple[str, str, int]:
        client = clients[name]
        return name, client.whoami()["account"], len(list(client.list_dids("dafab", {}, did_type="container")))

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, [*clients] * 15))
    assert [answer for answer in answers if answer[0] != answer[1]] == []
    assert all(count >= 5 for *_, count in answers)


def test_the_reading_account_may_not_write(site: Any) -> None:
    client = site.rucio_client("user_dafab")
    with pytest.raises(rucio.AccessDenied):
        client.add_container("dafab", f"forbidden-{time.time_ns()}")
    with pytest.raises(rucio.AccessDenied):
        client.delete_metadata("dafab", "sentinel_2_l2a", "title")


def test_health_needs_no_token_and_names_versions(site: Any) -> None:
    answer = requests.get(f"{site.url}/dafab/health", timeout=30)
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "database", "rucio", "catalogue"}
    assert answer.json()["rucio"].startswith("Rucio 41.5")


def test_an_asset_is_streamed_whole_and_in_ranges(site: Any, published: str, token: str) -> None:
    address, headers = f"{site.url}/assets/dafab/items/{published}/data", {"X-Rucio-Auth-Token": token}
    whole = requests.get(address, headers=headers, timeout=30)
    assert whole.status_code == 200
    assert whole.content == CONTENT
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = requests.get(address, headers=headers | {"Range": "bytes=1000-1999"}, timeout=30)
    assert part.status_code == 206
    assert part.content == CONTENT[1000:2000]
    head = requests.head(address, headers=headers, timeout=30)
    assert head.headers["content-length"] == str(len(CONTENT))
    assert head.content == b""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("dafab/items/{item}/absent", "KeyNotFound"),
        ("dafab/items/absent/data", "DataIdentifierNotFound"),
        ("nowhere/items/{item}/data", "DataIdentifierNotFound"),
        ("dafab/items/{item}/..%2F..%2Fcredentials.json", "KeyNotFound"),
        ("dafab/items/%00/data", None),
    ],
)
def test_an_asset_that_is_not_there(site: Any, published: str, token: str, path: str, name: str | None) -> None:
    address = f"{site.url}/assets/{path.format(item=published)}"
    answer = requests.get(address, headers={"X-Rucio-Auth-Token": token}, timeout=30)
    assert answer.status_code in ({404} if name else {400, 404})
    if name:
        assert answer.json()["ExceptionClass"] == name
        assert answer.headers["ExceptionClass"] == name
    assert "\n" not in answer.json()["ExceptionMessage"]


@pytest.mark.parametrize("headers", [{}, {"X-Rucio-Auth-Token": "forged"}, {"X-Rucio-Auth-Token": "' OR 1=1 --"}])
def test_an_asset_needs_a_token(site: Any, published: str, headers: dict[str, str]) -> None:
    answer = requests.get(f"{site.url}/assets/dafab/items/{published}/data", headers=headers, timeout=30)
    assert answer.status_code == 401
    assert answer.json()["ExceptionClass"] == "CannotAuthenticate"


@pytest.mark.parametrize("body", ["", "{", "[]", '{"scope": 1}', '{"scope": "dafab", "nonsense": true}'])
@pytest.mark.parametrize("route", ["search", "publish"])
def test_a_body_that_is_none_is_refused_in_one_line(site: Any, token: str, route: str, body: str) -> None:
    headers = {"X-Rucio-Auth-Token": token, "Content-Type": "application/json"}
    answer = requests.post(f"{site.url}/dafab/{route}", data=body, headers=headers, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["ExceptionClass"] == "InputValidationError"
    assert "\n" not in answer.json()["ExceptionMessage"]


def test_stock_upload_and_download_go_round(site: Any, tmp_path: Path) -> None:
    name = f"round-{uuid.uuid4().hex[:12]}.bin"
    (tmp_path / name).write_bytes(CONTENT)
    command = [str(Path(sys.executable).parent / "rucio")]
    up = site.run([*command, "upload", "--scope", "dafab", "--rse", "CLOUD", str(tmp_path / name)], "dafab_admin")
    assert up.returncode == 0, up.stderr
    assert (site.home.rse("CLOUD") / "dafab" / name).read_bytes() == CONTENT
    down = site.run([*command, "download", "--dir", str(tmp_path / "down"), f"dafab:{name}"], "user_dafab")
    assert down.returncode == 0, down.stderr
    assert (tmp_path / "down" / "dafab" / name).read_bytes() == CONTENT


def test_daemons_delete_what_has_expired(site: Any, tmp_path: Path) -> None:
    name = f"expiring-{uuid.uuid4().hex[:12]}.bin"
    (tmp_path / name).write_bytes(CONTENT)
    site.rucio("dafab_admin", "upload", "--scope", "dafab", "--rse", "CLOUD", str(tmp_path / name))
    stored = site.home.rse("CLOUD") / "dafab" / name
    assert stored.exists()
    client = site.rucio_client("dafab_admin")
    for rule in list(client.list_did_rules("dafab", name)):
        client.delete_replication_rule(rule["id"], purge_replicas=True)
    client.set_metadata("dafab", name, "lifetime", -1)
    assert gone(lambda: not stored.exists(), rounds=4, site=site)
    with pytest.raises(rucio.DataIdentifierNotFound):
        client.get_did("dafab", name)


def gone(holds: Callable[[], bool], rounds: int, site: Any) -> bool:
    """Run rounds of the daemons until something holds; the site's own run beside them."""
    environment = dict(os.environ) | {"RUCIO_CONFIG": str(site.home.server_config), "DAFAB_HOME": str(site.home.root)}
    for _ in range(rounds):
        command = [sys.executable, "-m", "rucio_dafab.site.daemons", "--once"]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
        if holds():
            return True
    return False
