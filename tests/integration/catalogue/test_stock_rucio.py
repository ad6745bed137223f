"""Into a Rucio that already lives: the wheel, two lines of configuration, its JSON metadata taken over, and back."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rucio_dafab.site.credentials import load

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DATABASE = "dafab_stock"
PROJECT = Path(__file__).resolve().parents[3]

FILL = """
import json, sys
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import did, scope
from rucio.core.account import add_account
from rucio.db.sqla.constants import AccountType, DatabaseOperationType
from rucio.db.sqla.session import db_session
from rucio.db.sqla.util import build_database, create_base_vo
build_database(); create_base_vo()
owner, where = InternalAccount("old"), InternalScope("old")
with db_session(DatabaseOperationType.WRITE) as session:
    add_account(owner, AccountType.USER, "old@example.org", session=session)
    scope.add_scope(where, owner, session=session)
    for name, (did_type, meta) in json.loads(sys.argv[1]).items():
        did.add_did(where, name, did_type, owner, session=session)
        did.set_metadata_bulk(where, name, meta, session=session)
"""
ASK = """
import json, sys
from rucio.common.types import InternalScope
from rucio.core import did
from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session
where, answers = InternalScope("old"), {}
with db_session(DatabaseOperationType.READ) as session:
    for text in sys.argv[1:]:
        found = did.list_dids(where, [json.loads(text)], did_type="all", session=session)
        answers[text] = sorted(found)
    answers["metadata"] = {
        name: did.get_metadata(where, name, plugin="ALL", session=session) for name in ("one", "two", "three")
    }
print(json.dumps(answers, default=str))
"""
HELD = {
    "one": ("CONTAINER", {"mission_phase": "spring", "eo:cloud_cover": 12.5, "platform": "sentinel-2a"}),
    "two": ("DATASET", {"mission_phase": "spring", "eo:cloud_cover": "n/a", "nested": {"depth": [1, 2]}}),
    "three": ("CONTAINER", {"mission_phase": "autumn", "eo:cloud_cover": 3, "/odd~9": "kept"}),
}
SPRING = '{"mission_phase": "spring"}'


class Rucio:
    """A Rucio server of its own: a database without anything of ours, and a Python that has our wheel."""

    def __init__(self, folder: Path, config: str, python: Path) -> None:
        self.folder, self.python = folder, python
        self.stock = config.replace("[policy]\npackage = rucio_dafab\n", "[policy]\n").replace(
            "rucio_dafab.plugin.DafabMetadata", "rucio.core.did_meta_plugins.json_meta.JSONDidMeta"
        )
        self.ours = config
        assert "rucio_dafab" not in self.stock

    def configure(self, text: str) -> None:
        (self.folder / "rucio.cfg").write_text(text)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("DAFAB_", "RUCIO_"))}
        settings = mine | {"RUCIO_CONFIG": str(self.folder / "rucio.cfg"), "DAFAB_HOME": str(self.folder / "none")}
        command = [str(self.python), "-P", *arguments]
        return subprocess.run(
            command, env=settings, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120
        )

    def said(self, *arguments: str) -> str:
        ran = self.run(*arguments)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def ask(self, *filters: str) -> dict[str, Any]:
        answers: dict[str, Any] = json.loads(self.said("-c", ASK, *filters))
        return answers

    def db(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run("-c", "from rucio_dafab.cli.main import run; run()", "db", *arguments)


@pytest.fixture(scope="module")
def wheel_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that has our wheel, and everything else from the environment of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = folder.glob("rucio_dafab-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    into = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(wheel), str(into)], check=True)
    # A plain line: packages are found there, while links to checkouts that stand in it are not followed.
    (into / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


@pytest.fixture(scope="module")
def rucio(
    site: Any, database_address: str, server_config: Path, wheel_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rucio]:
    folder = tmp_path_factory.mktemp("stock")
    settings = psycopg.conninfo.conninfo_to_dict(database_address)
    who = {"user": "postgres", "password": load(site.home).database["postgres"]}
    (folder / "alembic.ini").write_text(server_config.with_name("alembic.ini").read_text())
    config = server_config.read_text().replace("/rucio\n", f"/{DATABASE}\n")
    server = Rucio(folder, config.replace(str(server_config.parent), str(folder)), wheel_python)
    with psycopg.connect(**settings | who | {"dbname": "postgres"}, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER rucio TEMPLATE template0")
        with psycopg.connect(**settings | who | {"dbname": DATABASE}, autocommit=True) as inside:
            for extension in ("postgis", "btree_gist"):
                inside.execute(f"CREATE EXTENSION {extension}")
        server.configure(server.stock)
        server.said("-c", FILL, json.dumps(HELD))
        yield server
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture(autouse=True)
def as_it_was(rucio: Rucio) -> Iterator[None]:
    yield
    rucio.configure(rucio.ours)
    assert rucio.db("downgrade", "--yes").returncode == 0
    rucio.configure(rucio.stock)


def test_the_wheel_carries_all_that_it_reads(rucio: Rucio) -> None:
    code = (
        "import rucio_dafab; from rucio_dafab import vocabulary; from rucio_dafab.eo.models import load_model\n"
        "words = vocabulary.load(); print(rucio_dafab.__file__)\n"
        "print(len(list(words.queryables)), words.ontology.find('Flood'), load_model('water').version)"
    )
    place, loaded = rucio.said("-c", code).splitlines()
    assert place.startswith(str(rucio.python.parents[1]))
    assert "Flood" in loaded


def test_old_metadata_is_found_and_going_back_restores_what_was(rucio: Rucio) -> None:
    before = rucio.ask(SPRING)
    assert before[SPRING] == ["one", "two"]

    rucio.configure(rucio.ours)
    upgraded = rucio.db("upgrade", "--import-json")
    assert upgraded.returncode == 0, upgraded.stderr
    assert "3 documents made" in upgraded.stdout
    assert "old:two eo:cloud_cover: does not fit its key, kept as it is" in upgraded.stderr
    cloud, nested, platform = (
        '{"eo:cloud_cover.lt": 20}',
        '{"/properties/nested/depth.contains": 2}',
        '{"platform": "sentinel-2a"}',
    )
    found = rucio.ask(SPRING, cloud, nested, platform)
    assert found[SPRING] == before[SPRING]
    assert found[cloud] == ["one", "three"]
    assert found[nested] == ["two"]
    assert found[platform] == ["one"]
    again = rucio.db("upgrade", "--import-json")
    assert again.stdout.splitlines()[-1] == "3 unchanged"

    assert rucio.db("downgrade", "--yes").returncode == 0
    rucio.configure(rucio.stock)
    assert rucio.ask(SPRING) == before


def test_what_is_set_between_upgrade_and_import_stays(rucio: Rucio, change: Callable[..., None]) -> None:
    rucio.configure(rucio.ours)
    assert rucio.db("upgrade").returncode == 0
    change("one", {"mission_phase": "winter"})
    done = rucio.db("upgrade", "--import-json")
    assert done.stdout.splitlines()[-1] == "2 documents made, 1 completed"
    found = rucio.ask('{"mission_phase": "winter"}', '{"eo:cloud_cover": 12.5}')
    assert found['{"mission_phase": "winter"}'] == found['{"eo:cloud_cover": 12.5}'] == ["one"]


@pytest.fixture
def change(rucio: Rucio) -> Callable[..., None]:
    """Return a function that sets metadata through Rucio's core."""
    code = (
        "import json, sys; from rucio.common.types import InternalScope; from rucio.core import did\n"
        "from rucio.db.sqla.constants import DatabaseOperationType; from rucio.db.sqla.session import db_session\n"
        "with db_session(DatabaseOperationType.WRITE) as session:\n"
        "    did.set_metadata_bulk(InternalScope('old'), sys.argv[1], json.loads(sys.argv[2]), session=session)"
    )
    return lambda name, values: rucio.said("-c", code, name, json.dumps(values)) and None


def test_an_old_revision_cannot_take_it_over(rucio: Rucio) -> None:
    refused = rucio.db("upgrade", "0001", "--import-json")
    assert refused.returncode == 1
    assert refused.stderr.strip() == "error: --import-json needs the newest tables: leave the revision out"
