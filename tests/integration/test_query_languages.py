"""The real items asked at random in every language: the rows must be those that plain Python finds."""

import gzip
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Connection, create_engine, insert, select, text

from rucio_dafab.query import model
from rucio_dafab.query.model import Comparator, DidField, Property, SpatialOperator, TemporalOperator
from rucio_dafab.query.sql import compile_filter
from rucio_dafab.vocabulary import load
from rucio_dafab.vocabulary.times import Interval
from tests.integration.documents import Documents, fetch
from tests.unit.query.languages import LANGUAGES, Inexpressible
from tests.unit.query.strategies import COMPARATORS, FOOTPRINT, TIME

pytest_plugins = ["tests.integration.postgres"]
pytestmark = [pytest.mark.integration, pytest.mark.shared]

EXPRESSIONS = 600
QUESTIONS = 1_600
WATER = "/properties/dafab:water-analysis"
NUMBERS = tuple(
    Property(pointer)
    for pointer in (
        f"{WATER}/observed_water",
        f"{WATER}/deficit_water_observed",
        f"{WATER}/excess_total_water_observed_area(km2)",
        f"{WATER}/deficit_water/number",
        f"{WATER}/deficit_water/max_area(km2)",
        "/bbox/0",
        "/bbox/3",
    )
)
STRINGS = tuple(
    Property(pointer) for pointer in ("/id", "/collection", "/properties/processing:level", "/stac_version")
)
LISTS = (Property("/stac_extensions"), Property("/bbox"), Property("/properties/instruments"))
ABSENT = tuple(Property(f"/properties/{name}") for name in ("platform", "eo:cloud_cover", "foo", "themes"))


@pytest.fixture(scope="module")
def items(shared: Path) -> list[dict[str, Any]]:
    with gzip.open(shared / "dafab_items.ndjson.gz") as lines:
        return [orjson.loads(line) for line in lines]


@pytest.fixture(scope="module")
def held(items: list[dict[str, Any]]) -> Documents:
    return Documents(load(), items)


@pytest.fixture(scope="module")
def connection(postgres: URL, held: Documents) -> Iterator[Connection]:
    engine = create_engine(postgres)
    with engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA items; SET search_path = items, public"))
        held.table.create(connection)
        connection.execute(insert(held.table), list(held.rows()))
        connection.execute(text("CREATE INDEX ON document USING gist (geometry)"))
        connection.execute(text("ANALYZE document"))
        yield connection
    engine.dispose()


def _leaves(items: list[dict[str, Any]]) -> st.SearchStrategy[model.Expression]:
    """Return tests whose values stand in some item, so that they part the items."""
    return st.one_of(
        st.sampled_from(NUMBERS).flatmap(lambda operand: _numbers(operand, items)),
        st.sampled_from(NUMBERS[:3]).flatmap(lambda operand: _numbers(operand, items)),
        st.sampled_from(STRINGS).flatmap(lambda operand: _strings(operand, items)),
        _space(items),
        _times(items),
        st.sampled_from(LISTS).flatmap(_lists),
        st.sampled_from(
            [*map(model.IsNull, (*ABSENT, *NUMBERS[:5])), model.IsEmpty(LISTS[0]), model.IsEmpty(STRINGS[0])]
        ),
        st.builds(model.Comparison, st.just(ABSENT[1]), COMPARATORS, st.just(20)),
        st.builds(model.Like, st.just(DidField.NAME), st.sampled_from(["item\\_1%", "%7", "item\\__"])),
        st.just(model.Comparison(DidField.DID_TYPE, Comparator.EQUAL, "FILE")),
    )


def _stored(operand: Property, items: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    path = load().queryables.at(operand.pointer).path
    return st.sampled_from([value for item in items if (value := fetch(item, path)) is not None] or ["absent"])


def _numbers(operand: Property, items: list[dict[str, Any]]) -> st.SearchStrategy[model.Expression]:
    values = _stored(operand, items)
    several = st.lists(values, min_size=2, max_size=4).map(lambda many: model.one_of(operand, *many))
    return st.one_of(st.builds(model.Comparison, st.just(operand), COMPARATORS, values), several)


def _strings(operand: Property, items: list[dict[str, Any]]) -> st.SearchStrategy[model.Expression]:
    values = _stored(operand, items)
    pieces = values.map(lambda value: value[7:15].replace("_", "\\_"))
    likes = st.tuples(pieces, st.sampled_from(["%{}%", "{}%", "_______{}%"])).map(
        lambda drawn: drawn[1].format(drawn[0])
    )
    return st.one_of(
        st.builds(model.Comparison, st.just(operand), COMPARATORS, values),
        st.lists(values, min_size=2, max_size=4).map(lambda many: model.one_of(operand, *many)),
        st.builds(model.Like, st.just(operand), likes),
    )


def _space(items: list[dict[str, Any]]) -> st.SearchStrategy[model.Expression]:
    boxes = st.tuples(
        st.sampled_from([item["bbox"] for item in items]), st.floats(-1, 1), st.sampled_from([0.25, 1.0, 10.0])
    ).map(lambda drawn: shapely.box(*_around(drawn[0], drawn[1], drawn[2])))
    shapes = st.one_of(boxes, boxes, boxes.map(lambda box: box.centroid))
    # Where two footprints nearly coincide, the other predicates depend on the version of GEOS, of which there are two.
    robust = st.sampled_from([SpatialOperator.INTERSECTS, SpatialOperator.DISJOINT, SpatialOperator.EQUALS])
    return st.one_of(
        st.builds(model.Spatial, st.just(FOOTPRINT), st.sampled_from(SpatialOperator), shapes),
        st.builds(model.Spatial, st.just(FOOTPRINT), robust, st.sampled_from([_footprint(item) for item in items])),
    )


def _around(box: list[float], shift: float, size: float) -> tuple[float, float, float, float]:
    # Quarters of a degree are exact in every language, and in the library that writes the text.
    west, south = round(4 * (box[0] + shift)) / 4, round(4 * (box[1] + shift)) / 4
    return west, south, west + size, south + size


def _footprint(item: dict[str, Any]) -> shapely.Geometry:
    return shapely.from_geojson(orjson.dumps(item["geometry"]))


def _times(items: list[dict[str, Any]]) -> st.SearchStrategy[model.Expression]:
    moments = st.sampled_from(
        [datetime.fromisoformat(item["properties"]["datetime"]).astimezone(UTC) for item in items]
    )
    lengths = st.sampled_from([timedelta(0), timedelta(days=30), timedelta(days=900)])
    intervals = st.tuples(moments, lengths).map(lambda drawn: Interval(drawn[0], drawn[0] + drawn[1]))
    return st.one_of(
        st.builds(model.Comparison, st.just(TIME), COMPARATORS, moments),
        st.builds(model.Temporal, st.just(TIME), st.sampled_from(TemporalOperator), intervals),
    )


def _lists(operand: Property) -> st.SearchStrategy[model.Expression]:
    values = st.sampled_from(["msi", "https://stac-extensions.github.io/version/v1.2.0/schema.json"])
    several = st.lists(values, min_size=1, max_size=2).map(tuple)
    return st.one_of(
        st.builds(model.ContainedBy, st.just(operand), several),
        several.map(lambda many: model.Contains(operand, many, len(many) > 1)),
        several.map(lambda many: model.Contains(operand, many)),
    )


def _expressions(items: list[dict[str, Any]]) -> st.SearchStrategy[model.Expression]:
    """Return alternatives of conjunctions of tests and their negations, or the negation of all that."""
    tests = _leaves(items)
    signed = st.one_of(tests, tests, tests.map(model.negate))
    groups = st.lists(signed, min_size=1, max_size=2).map(lambda parts: model.all_of(*parts))
    flat = st.lists(groups, min_size=1, max_size=2).map(lambda parts: model.any_of(*parts))
    return st.one_of(flat, flat, flat, flat, flat.map(model.negate))


def test_every_language_finds_what_brute_force_finds(
    items: list[dict[str, Any]], held: Documents, connection: Connection
) -> None:
    asked: Counter[str] = Counter()
    sizes: set[int] = set()

    @seed(20260602)
    @settings(
        max_examples=EXPRESSIONS,
        phases=[Phase.generate],  # a question is short enough to be understood as it is
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(_expressions(items))
    def ask(expression: model.Expression) -> None:
        condition = compile_filter(expression, held.target)
        found = set(connection.execute(select(held.table.c.number).where(condition)).scalars())
        wrong = found ^ held.answer(expression)
        assert not wrong, f"{expression} is answered wrongly for {sorted(wrong)[:5]}"
        sizes.add(len(found))
        for language, (write, read) in LANGUAGES.items():
            try:
                written = write(expression)
            except Inexpressible:
                continue
            # The compiler sees the model alone, so the same model is the same rows.
            assert read(written) == expression, (language, written)
            asked[language] += 1

    ask()
    assert asked.total() >= QUESTIONS, asked
    assert set(asked) == set(LANGUAGES) and min(asked.values()) > EXPRESSIONS / 10, asked
    assert len(sizes) > 50, "the questions part the items in many ways"
