"""The plans of the benchmark's questions and others, as golden files: node types and indexes of 100,000 slim items.

What changes here changes how the cost of a question grows. ``UPDATE_GOLDEN=1`` writes the files anew.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from rucio_dafab.site.configuration import render

pytest_plugins = ["tests.integration.postgres"]
pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden" / "plans"
# The planner of a site: etc/postgres/postgresql.conf. The rows are right: foreign keys need not be looked at.
SETTINGS = {
    "random_page_cost": "1.1",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "jit": "off",
    "session_replication_role": "replica",
}
QUESTIONS = [path.stem for path in sorted(GOLDEN.glob("*.txt"))]


@pytest.fixture(scope="module")
def explained(postgres: URL, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Return what ``explain_plans`` writes: a process of its own, since Rucio reads its configuration once."""
    folder = tmp_path_factory.mktemp("plans")
    address = postgres.render_as_string(hide_password=False)
    values = dict.fromkeys(("log", "mail_templates", "alembic", "url"), str(folder)) | {"database_url": address}
    config = folder / "rucio.cfg"
    config.write_text(render("rucio/server.cfg", values))
    with psycopg.connect(address.replace("+psycopg", ""), autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER DATABASE postgres SET {name} = '{value}'")
    environment = os.environ | {"RUCIO_CONFIG": str(config)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.integration.catalogue.explain_plans"]
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    if os.environ.get("UPDATE_GOLDEN"):
        for name, plan in found["plans"].items():
            (GOLDEN / f"{_file(name)}.txt").write_text(_text(plan))
    return found


def _file(name: str) -> str:
    return name.replace(" ", "_").replace("<", "below").replace("%", "percent").replace(",", "")


def _text(plan: Mapping[str, Any]) -> str:
    return "\n".join(_lines(plan)) + "\n"


def _lines(node: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield a line a node: its type, and the index or else the table that it reads."""
    read = node.get("Index Name") or node.get("Relation Name") or node.get("CTE Name") or ""
    yield f"{'  ' * depth}{node['Node Type']} {read}".rstrip()
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)


@pytest.mark.parametrize("name", QUESTIONS)
def test_golden(explained: Mapping[str, Any], name: str) -> None:
    plans = {_file(each): _text(plan) for each, plan in explained["plans"].items()}
    assert plans[name] == (GOLDEN / f"{name}.txt").read_text()


def test_every_question_has_a_golden_plan_and_none_reads_all_documents(explained: Mapping[str, Any]) -> None:
    plans = {_file(name): _text(plan) for name, plan in explained["plans"].items()}
    assert sorted(plans) == sorted(QUESTIONS)
    assert not [name for name, plan in plans.items() if "Seq Scan document" in plan]


def test_facets_from_a_sample_are_near_the_exact_ones(explained: Mapping[str, Any]) -> None:
    exact, about = ({each["value"]: each for each in found} for found in explained["facets"])
    assert all(each["exact"] for each in exact.values())
    assert not any(each["exact"] for each in about.values())
    assert about.keys() == exact.keys()
    for value, each in about.items():
        assert each["count"] == pytest.approx(exact[value]["count"], rel=0.2)
