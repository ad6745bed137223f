"""Archives on this machine, filled with real files and with simulated products."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.eo.sources.providers import Sources, load_sources
from tests.unit.eo.sources.archive import Archive, Asked, as_json, running

NUMBER = "6a7b999d-1ec3-4149-89de-a80af429b7ea"

TABLE = """
[accounts.here]
title = "the archive of this test"
token_url = "{url}/token"
client_id = "tests"
hosts = {hosts}

[accounts.here.environment]
username = "TEST_USERNAME"
password = "TEST_PASSWORD"
access_key = "TEST_KEY"
secret_key = "TEST_SECRET"

[buckets.archive]
endpoint = "{url}"
region = "default"
account = "here"

[buckets.open]
endpoint = "{url}"
region = "default"

[providers.safe]
kind = "odata"
url = "{url}/odata/v1"
download_url = "{url}/odata/v1"
requests_per_minute = 60000
patience = {{ tries = 4, first = 0.02, longest = 2.0 }}
collections = {{ sentinel_2_l2a = {{ name = "SENTINEL-2", product_type = "S2MSI2A" }} }}

[providers.cogs]
kind = "stac"
url = "{url}/stac"
requests_per_minute = 60000
patience = {{ tries = 4, first = 0.02, longest = 2.0 }}
collections = {{ sentinel_2_l2a = {{ name = "sentinel-2-l2a" }}, sentinel_1_rtc = {{ name = "sentinel-1-rtc" }} }}
"""


@pytest.fixture
def archive() -> Iterator[Archive]:
    """Return an empty archive."""
    with running() as server:
        yield server


@pytest.fixture
def use(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sources]:
    """Return a function that makes the archive known: openly, or with an account."""

    def known(*, account: bool = False, more: str = "") -> Sources:
        hosts = '["127.0.0.1"]' if account else "[]"
        path = tmp_path / "sources.toml"
        path.write_text(TABLE.format(url=archive.url, hosts=hosts) + more)
        monkeypatch.setenv("DAFAB_SOURCES", str(path))
        monkeypatch.setenv("DAFAB_SOURCE_CREDENTIALS", "")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        for name in ("TEST_USERNAME", "TEST_PASSWORD", "TEST_KEY", "TEST_SECRET"):
            monkeypatch.delenv(name, raising=False)
        return load_sources()

    return known


@pytest.fixture(scope="session")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a simulated product, its files being JPEG 2000 and XML as real ones are."""
    return write_safe(simulate(7, Options(size=128, clouds=0.05)), tmp_path_factory.mktemp("safe"))


def odata_product(safe: Path, **changes: Any) -> dict[str, Any]:
    """Return what OData says of a product."""
    return {
        "Id": NUMBER,
        "Name": safe.name,
        "ContentLength": 600_000_000,
        "Online": True,
        "S3Path": f"/archive/{safe.name}",
        "Checksum": [{"Value": "035a4da8c5aff74ece4412f688901e14", "Algorithm": "MD5"}],
        "ContentDate": {"Start": "2026-06-14T10:30:31.024000Z", "End": "2026-06-14T10:30:31.024000Z"},
        "GeoFootprint": {"type": "Polygon", "coordinates": [[[6, 49], [7, 49], [7, 50], [6, 49]]]},
        "Attributes": [{"Name": "cloudCover", "Value": 5.0}, {"Name": "productType", "Value": "S2MSI2A"}],
    } | changes


def node_path(safe: Path, path: str) -> str:
    """Return the path of a file of a product at the archive, by Nodes."""
    nodes = "/".join(f"Nodes({part})" for part in (safe.name, *path.split("/")))
    return f"/odata/v1/Products({NUMBER})/{nodes}/$value"


@pytest.fixture
def safe_archive(archive: Archive, safe: Path) -> Archive:
    """Return the archive with a product to be had by OData's Nodes."""
    archive.route("/odata/v1/Products", lambda _: as_json({"value": [odata_product(safe)]}))
    for path in sorted(path for path in safe.rglob("*") if path.is_file()):
        archive.files[node_path(safe, path.relative_to(safe).as_posix())] = path.read_bytes()
    return archive


def stac_api(archive: Archive, items: list[dict[str, Any]], *conforms: str) -> None:
    """Let the archive answer as a STAC API that holds items; it takes ids and collections, as any does."""
    classes = ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search", *conforms]
    links = [{"rel": "search", "href": f"{archive.url}/stac/search", "method": "POST", "type": "application/geo+json"}]
    landing = {"type": "Catalog", "id": "here", "stac_version": "1.1.0", "conformsTo": classes, "links": links}

    def search(asked: Asked) -> Any:
        question = json.loads(asked.body)
        found = [item for item in items if item["id"] in question.get("ids", [item["id"]])]
        wanted = question.get("collections")
        found = [item for item in found if not wanted or item["collection"] in wanted]
        return as_json({"type": "FeatureCollection", "features": found, "links": []})

    archive.route("/stac/", lambda _: as_json(landing))
    archive.route("/stac/search", search)
    for item in items:
        path = f"/stac/collections/{item['collection']}/items/{item['id']}"
        archive.route(path.replace(".", r"\."), lambda _, item=item: as_json(item))


def remote_item(archive: Archive, folder: Path, item: dict[str, Any], *, told: bool = True) -> dict[str, Any]:
    """Return an item whose assets lie at the archive, with the real files of a folder.

    Args:
        archive: Gets the files.
        folder: Has them.
        item: With relative hrefs.
        told: Whether sizes and checksums are told.
    """
    assets = {}
    for key, asset in item["assets"].items():
        content = (folder / asset["href"]).read_bytes()
        path = f"/data/{item['id']}/{Path(asset['href']).name}"
        archive.files[path] = content
        about = {"file:size": len(content), "file:checksum": "1220" + hashlib.sha256(content).hexdigest()}
        assets[key] = {**asset, "href": f"{archive.url}{quote(path)}", **(about if told else {})}
    return {**item, "assets": assets}
