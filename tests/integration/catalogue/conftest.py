"""What the tests of the catalogue share: items to publish, the database behind the site, code run in its setting."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rucio_dafab.client import DafabClient, PublishReport, PublishRequest
from rucio_dafab.site.credentials import load
from tests.integration.catalogue.loaded import paused

BOX = (6.0, 49.0, 7.0, 50.0)
MAKE_SCOPES = """
import sys
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import did, scope
from rucio.db.sqla.constants import DIDType, DatabaseOperationType
from rucio.db.sqla.session import db_session
admin, (scopes, collections) = InternalAccount("dafab_admin"), (each.split() for each in sys.argv[1:])
with db_session(DatabaseOperationType.WRITE) as session:
    for made in map(InternalScope, scopes):
        scope.add_scope(made, admin, session=session)
        for collection in collections:
            did.add_did(made, collection, DIDType.CONTAINER, admin, session=session)
"""


@pytest.fixture(scope="session")
def server_config(site: Any) -> Path:
    """Return the ``rucio.cfg`` of the site's server."""
    return Path(site.home.etc / "server" / "rucio.cfg")


@pytest.fixture(scope="session")
def database_address(server_config: Path) -> str:
    """Return the address of the site's database, for psycopg."""
    parser = ConfigParser(interpolation=None)
    parser.read(server_config, encoding="utf-8")
    return parser["database"]["default"].replace("postgresql+psycopg://", "postgresql://")


@pytest.fixture
def database(database_address: str) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection to the site's database that commits by itself."""
    with psycopg.connect(database_address, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def in_server(server_config: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs Python in a process with the server's configuration."""

    def run(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        settings = os.environ | {"RUCIO_CONFIG": str(server_config)} | environment
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *arguments]
        return subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.fixture(scope="session")
def make_scopes(in_server: Callable[..., subprocess.CompletedProcess[str]]) -> Callable[..., None]:
    """Return a function that makes scopes, each with the same collections."""

    def make(*scopes: str, collections: Sequence[str]) -> None:
        made = in_server(MAKE_SCOPES, " ".join(scopes), " ".join(collections))
        assert made.returncode == 0, made.stderr

    return make


@pytest.fixture(scope="session")
def make_item() -> Callable[..., dict[str, Any]]:
    """Return a function that makes a STAC item over a box (west, south, east, north)."""

    def make(
        name: str,
        collection: str = "sentinel_2_l2a",
        box: tuple[float, float, float, float] = BOX,
        assets: tuple[str, ...] = (),
        theme: str | None = None,
        **properties: Any,
    ) -> dict[str, Any]:
        west, south, east, north = box
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        themes = [{"scheme": "https://w3id.org/dafab/ontology", "concepts": [{"id": theme}]}] if theme else None
        return {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": name,
            "collection": collection,
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": list(box),
            "properties": {"datetime": "2026-06-01T10:00:00Z"} | properties | ({"themes": themes} if themes else {}),
            "assets": {asset: {"href": f"{asset}.tif"} for asset in assets},
            "links": [],
        }

    return make


@pytest.fixture
def publish(site: Any, tmp_path: Path) -> Callable[..., PublishReport]:
    """Return a function that uploads the bytes of the assets and publishes an item as one account."""

    def call(
        item: dict[str, Any],
        contents: Mapping[str, bytes] | None = None,
        account: str = "dafab_admin",
        rse: str = "CLOUD",
        **options: Any,
    ) -> PublishReport:
        client = site.client(account)
        files = {}
        for asset, data in (contents or {}).items():
            path = tmp_path / f"{asset}.tif"
            path.write_bytes(data)
            files[asset] = client.upload(path, rse, f"{item['id']}.{asset}.tif")
        return client.publish(PublishRequest("dafab", item, files, **options))

    return call


@pytest.fixture(scope="session")
def rucio_as(site: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Return a function that makes Rucio's own client of an account, with a folder of its own for the token."""
    from rucio.client.client import Client

    class ClientOfAccount(Client):  # type: ignore[misc]  # Rucio ships no types
        def _get_auth_tokens(self) -> tuple[None, str, str, str]:
            folder = tmp_path_factory.mktemp("tokens")
            return None, str(folder / "expires"), str(folder / "token"), str(folder)

    def make(account: str) -> Any:
        credentials = {"username": account, "password": load(site.home).accounts[account]}
        return ClientOfAccount(
            rucio_host=site.url, auth_host=site.url, account=account, auth_type="userpass", creds=credentials
        )

    return make


@pytest.fixture
def names(rucio_as: Callable[[str], Any]) -> Callable[..., set[str]]:
    """Return a function that lists DIDs through Rucio's own client and gives their names."""
    client = rucio_as("user_dafab")

    def call(filters: Any, **options: Any) -> set[str]:
        groups = filters if isinstance(filters, list) else [filters]
        return set(client.list_dids("dafab", [dict(group) for group in groups], **options))

    return call


@pytest.fixture
def document(database: psycopg.Connection[Any]) -> Callable[[str], dict[str, Any] | None]:
    """Return a function that reads a document straight from the table."""

    def read(name: str) -> dict[str, Any] | None:
        row = database.execute("SELECT document FROM dafab.document WHERE name = %s", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    return read


@pytest.fixture(scope="session")
def client(site: Any) -> DafabClient:
    """Return the client of the administrator."""
    found: DafabClient = site.client("dafab_admin")
    return found


@pytest.fixture
def put(client: DafabClient, make_item: Any) -> Callable[..., str]:
    """Return a function that publishes an item without files and gives its name."""

    def call(name: str, collection: str = "water_analysis", **properties: Any) -> str:
        client.publish(PublishRequest("dafab", make_item(name, collection, **properties), {}))
        return name

    return call


@pytest.fixture(scope="session")
def bare(rucio_as: Any) -> Callable[[str], str]:
    """Return a function that makes a container without a document."""

    def make(name: str) -> str:
        rucio_as("dafab_admin").add_container("dafab", name)
        return name

    return make


@pytest.fixture
def paused_daemons(site: Any) -> Iterator[None]:
    """Hold Rucio's daemons during a test."""
    with paused(site):
        yield
