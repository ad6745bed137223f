"""The compiler against a real PostgreSQL: the rows must be those that plain Python finds."""

from collections.abc import Iterator
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, seed, settings
from pyproj import Geod
from sqlalchemy import URL, ClauseElement, Connection, Executable, Select, create_engine, insert, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from rucio_dafab.query import model
from rucio_dafab.query.model import Comparator
from rucio_dafab.query.sql import compile_filter
from rucio_dafab.vocabulary import load
from tests.integration.documents import Document, Documents
from tests.unit.query.strategies import FOOTPRINT, documents, expressions

pytest_plugins = ["tests.integration.postgres"]
pytestmark = pytest.mark.integration

COUNT = 250
# What broke the stock plugins: one stored value that is not what every query expects.
POISONED: list[Document] = [
    {"properties": {"eo:cloud_cover": "n/a", "foo": "n/a", "a": {"b": "NaN"}}},
    {"properties": {"eo:cloud_cover": {"$numberDouble": "1"}, "foo": [[]], "a": "b"}},
    {"properties": {"foo": 10**400, "platform": 5, "instruments": {"msi": 1}, "datetime": None}},
    {"properties": {"foo": "1e400", "list": [], "themes": "Flood"}},
    {},
]


class Explain(Executable, ClauseElement):
    """``EXPLAIN`` of a statement, with its values bound."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return "EXPLAIN " + compiler.process(element.statement, **options)


class Loaded:
    """The table, filled, and a connection to ask."""

    def __init__(self, connection: Connection, documents: Documents) -> None:
        self.connection = connection
        self.documents = documents

    def ask(self, expression: model.Expression) -> set[int]:
        table = self.documents.table
        found = self.connection.execute(select(table.c.number).where(compile_filter(expression, self.documents.target)))
        return set(found.scalars())


@pytest.fixture(scope="module")
def loaded(postgres: URL) -> Iterator[Loaded]:
    collected: list[Document] = list(POISONED)

    @seed(20260601)
    @settings(max_examples=COUNT, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents())
    def collect(made: Document) -> None:
        collected.append(made)

    collect()
    engine = create_engine(postgres)
    held = Documents(load(), collected)
    with engine.connect() as connection:
        held.table.create(connection)
        connection.execute(insert(held.table), list(held.rows()))
        connection.execute(text("CREATE INDEX ON document USING gin (fingerprints)"))
        connection.execute(text("CREATE INDEX ON document (number) WHERE fingerprints IS NULL"))
        connection.execute(text("CREATE INDEX ON document USING gist (geometry)"))
        connection.execute(text("ANALYZE document"))
        yield Loaded(connection, held)
    engine.dispose()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(expression=expressions())
def test_rows_are_those_of_brute_force(loaded: Loaded, expression: model.Expression) -> None:
    assert loaded.ask(expression) == loaded.documents.answer(expression)


def test_the_documents_are_worth_asking(loaded: Loaded) -> None:
    assert len(loaded.documents.documents) > COUNT
    assert loaded.documents.answer(model.IsNull(FOOTPRINT)), "some document lacks a footprint"
    cloud = model.Comparison(model.Property("/properties/eo:cloud_cover"), Comparator.LESS, 20.0)
    assert 0 < len(loaded.ask(cloud)) < COUNT


@pytest.mark.parametrize("value", [0, "n/a", True, 1e308])
def test_a_test_and_its_negation_leave_out_the_same_documents(loaded: Loaded, value: str | float | bool) -> None:
    test = model.Comparison(model.Property("/properties/foo"), Comparator.EQUAL, value)
    yes, no = loaded.ask(test), loaded.ask(model.Not(test))
    assert not yes & no
    assert 2 not in yes | no or isinstance(value, int | float)  # document 2 holds a number beyond any double
    assert 4 not in yes | no  # document 4 has no properties at all


def test_equality_on_an_undeclared_path_can_use_the_index(loaded: Loaded) -> None:
    test = model.one_of(model.Property("/properties/foo"), "S2A", 5)
    condition = compile_filter(test, loaded.documents.target)
    loaded.connection.execute(text("SET LOCAL enable_seqscan = off"))
    statement = select(loaded.documents.table.c.number).where(condition)
    plan = "\n".join(loaded.connection.execute(Explain(statement)).scalars())
    assert "document_fingerprints_idx" in plan
    assert "document_number_idx" in plan
    assert "Seq Scan" not in plan


def test_the_former_index_serves_rows_without_fingerprints(loaded: Loaded) -> None:
    condition = compile_filter(model.one_of(model.Property("/properties/foo"), "S2A"), loaded.documents.target)
    statement = select(loaded.documents.table.c.number).where(condition)
    with loaded.connection.begin_nested() as savepoint:
        loaded.connection.execute(text("CREATE INDEX former ON document USING gin (members jsonb_path_ops)"))
        loaded.connection.execute(text("UPDATE document SET fingerprints = NULL"))
        loaded.connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(loaded.connection.execute(Explain(statement)).scalars())
        savepoint.rollback()
    assert "document_fingerprints_idx" in plan
    assert "Bitmap Index Scan on former" in plan


def test_distance_is_on_the_ellipsoid(loaded: Loaded) -> None:
    somewhere = shapely.Point(10, 1)
    _, _, degree = Geod(ellps="WGS84").inv(10, 1, 4, 1)  # from the nearest edge at longitude 4, or less
    near = loaded.ask(model.DistanceWithin(FOOTPRINT, somewhere, degree * 1.01))
    far = loaded.ask(model.Not(model.DistanceWithin(FOOTPRINT, somewhere, degree * 1.01)))
    without = loaded.documents.answer(model.IsNull(FOOTPRINT))
    assert near and far and not near & far
    assert near | far | without == set(range(len(loaded.documents.documents)))
    for number in near:
        right = shapely.geometry.shape(loaded.documents.documents[number]["geometry"]).bounds[2]
        assert right >= 4
