"""Hypothesis strategies for the query model, its values and the documents it is asked of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import shapely
from hypothesis import strategies as st

from rucio_dafab.query import model
from rucio_dafab.query.model import Comparator, DidField, Property, Relation, SpatialOperator, TemporalOperator
from rucio_dafab.vocabulary.times import Interval

EPOCH = datetime(2026, 6, 1, tzinfo=UTC)
CLOUD, PLATFORM, ORBIT = (
    Property(f"/properties/{name}") for name in ("eo:cloud_cover", "platform", "sat:relative_orbit")
)
INSTRUMENTS, THEMES, TIME = (Property(f"/properties/{name}") for name in ("instruments", "themes", "datetime"))
BEGIN, FOOTPRINT = Property("/properties/start_datetime"), Property("/geometry")
UNDECLARED = tuple(
    Property(pointer)
    for pointer in (
        "/properties/foo",
        "/properties/a/b",
        "/properties/list/0",
        "/properties/x~1y~0z",
        "/properties/it's",
    )
)
CLASSES = tuple(f"https://w3id.org/dafab/ontology#{name}" for name in ("WaterAnomaly", "Flood", "FlashFlood", "River"))

# "Not equal" has one form in the model: the negation of "equal".
COMPARATORS = st.sampled_from([each for each in Comparator if each is not Comparator.NOT_EQUAL])
words = st.sampled_from(
    ["", "S2A", "S2B", "a", "a%", "a_b", "é", "1e5", "5", "true", "\\", "%", "'; DROP TABLE document"]
)
told_times = st.sampled_from(
    [
        *("2026-06-01", "2026-05-31t23:59:59.9999999z", "2026-06-01T12:00:00+02:00", "2026-06-01 12:00"),
        *("2024-02-29", "2023-02-29", "2026-13-01", "0000-01-01", "2026-06-01T24:00:00Z", "2026-06-01T10:00:00+15:00"),
        *("2026-06-01T10:00:00Z ", "\n2026-06-01", "2026-06-01\n", "9999-12-31T23:59:59-14:00", "١٢٣٤-06-01"),
    ]
)
numbers = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -2.5, 1e308, 20.0, 99.9, 2**53]))
times = st.integers(-4, 4).map(lambda days: EPOCH + timedelta(hours=12 * days))
anything = st.one_of(words, numbers, st.booleans())
footprints = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 2), st.integers(1, 2)).map(
    lambda b: shapely.box(b[0], b[1], b[0] + b[2], b[1] + b[3])
)
shapes = st.one_of(
    footprints,
    st.tuples(st.integers(0, 4), st.integers(0, 4)).map(shapely.Point),
    st.tuples(st.integers(0, 2), st.integers(0, 4)).map(lambda p: shapely.LineString([(p[0], p[1]), (p[0] + 2, 2)])),
)


def _intervals() -> st.SearchStrategy[Interval]:
    closed = st.tuples(times, times).map(lambda ends: Interval(min(ends), max(ends)))
    return st.one_of(closed, times.map(lambda t: Interval(t, None)), times.map(lambda t: Interval(None, t)))


def _tests_of(operand: Any, values: st.SearchStrategy[Any]) -> st.SearchStrategy[model.Expression]:
    several = st.lists(values, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(model.Comparison, st.just(operand), COMPARATORS, values),
        several.map(lambda many: model.one_of(operand, *many)),
        st.just(model.IsNull(operand)),
    )


def _patterns(operand: Any) -> st.SearchStrategy[model.Expression]:
    patterns = st.sampled_from(["S2%", "%", "_", "a\\%", "a\\__", "%'%", "\\\\", "item\\_1%"])
    return st.builds(model.Like, st.just(operand), patterns)


def _contains(operand: Property, values: st.SearchStrategy[Any]) -> st.SearchStrategy[model.Expression]:
    # All of one value is any of it, and is written so.
    several = st.lists(values, min_size=1, max_size=2).map(tuple)
    return st.tuples(several, st.booleans()).map(
        lambda drawn: model.Contains(operand, drawn[0], drawn[1] and len(drawn[0]) > 1)
    )


def _undeclared(operand: Property) -> st.SearchStrategy[model.Expression]:
    values = st.one_of(words, numbers)
    contains = _contains(operand, anything)
    contained = st.builds(model.ContainedBy, st.just(operand), st.lists(anything, min_size=1, max_size=3).map(tuple))
    same = st.booleans().map(lambda value: model.Comparison(operand, Comparator.EQUAL, value))
    mixed = st.lists(anything, min_size=2, max_size=4).map(lambda many: model.one_of(operand, *many))
    return st.one_of(
        _tests_of(operand, values),
        _patterns(operand),
        contains,
        contained,
        same,
        mixed,
        st.builds(model.Comparison, st.just(operand), COMPARATORS, times),
        st.builds(model.Temporal, st.just(operand), st.sampled_from(TemporalOperator), _intervals()),
        st.just(model.IsEmpty(operand)),
    )


def predicates() -> st.SearchStrategy[model.Expression]:
    """Return every kind of test that one document answers alone, except distances."""
    spatial = st.builds(model.Spatial, st.just(FOOTPRINT), st.sampled_from(SpatialOperator), shapes)
    temporal = st.builds(model.Temporal, st.just(TIME), st.sampled_from(TemporalOperator), _intervals())
    did = st.sampled_from(["FILE", "DATASET", "CONTAINER"])
    lists = st.lists(words, min_size=1, max_size=2).map(tuple)
    return st.one_of(
        _tests_of(CLOUD, numbers.map(float)),
        _tests_of(ORBIT, st.one_of(st.integers(-3, 3), st.just(2**53))),
        st.one_of(_tests_of(PLATFORM, words), _patterns(PLATFORM), st.just(model.IsEmpty(PLATFORM))),
        st.one_of(*(_undeclared(operand) for operand in UNDECLARED)),
        _contains(INSTRUMENTS, words),
        st.builds(model.ContainedBy, st.just(INSTRUMENTS), lists),
        st.sampled_from([model.IsNull(each) for each in (INSTRUMENTS, THEMES, FOOTPRINT, TIME)]),
        st.sampled_from([model.IsEmpty(each) for each in (INSTRUMENTS, CLOUD)]),
        st.one_of(spatial, spatial),
        st.one_of(temporal, st.builds(model.Comparison, st.just(TIME), COMPARATORS, times)),
        st.builds(model.Comparison, st.just(BEGIN), COMPARATORS, times),
        st.builds(model.IsA, st.just(THEMES), st.sampled_from(CLASSES)),
        st.builds(model.Comparison, st.just(DidField.DID_TYPE), st.just(Comparator.EQUAL), did),
        _patterns(DidField.NAME),
    )


def expressions(leaves: st.SearchStrategy[model.Expression] | None = None) -> st.SearchStrategy[model.Expression]:
    """Return expressions over `leaves` in canonical form, nested and negated."""
    return st.recursive(
        predicates() if leaves is None else leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: model.all_of(*parts)),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: model.any_of(*parts)),
            inner.map(model.negate),
        ),
        max_leaves=8,
    )


DAFAB = "https://w3id.org/dafab/ontology#"


def whole_language() -> st.SearchStrategy[model.Expression]:
    """Return expressions of everything in the model, distances and related documents included."""
    distance = st.builds(model.DistanceWithin, st.just(FOOTPRINT), shapes, st.sampled_from([0.0, 10.5, 1e6]))
    leaves = st.one_of(predicates(), distance, st.sampled_from([model.And(()), model.Or(())]))
    related = st.one_of(
        st.builds(model.Related, st.sampled_from([Relation.ANCESTOR, Relation.DESCENDANT]), expressions(leaves)),
        st.builds(
            model.Related,
            st.sampled_from([Relation.LINK, Relation.LINKED_BY]),
            expressions(leaves),
            st.sampled_from(["derived_from", "predecessor-version"]),
        ),
        st.builds(
            model.Related,
            st.just(Relation.ALONG),
            expressions(leaves),
            st.sampled_from([f"{DAFAB}{name}" for name in ("derivedFrom", "hasDerivative")]),
        ),
    )
    return expressions(st.one_of(leaves, leaves, related))


def _properties() -> st.SearchStrategy[dict[str, Any]]:
    written = st.one_of(told_times, times.map(lambda moment: moment.isoformat()))
    poison = st.one_of(anything, written, st.none(), st.lists(anything, max_size=2), st.just({}), st.just({"b": 1}))
    themes = st.lists(st.sampled_from(["Flood", "FlashFlood", "River", "envo:1000745", "unheard-of"]), max_size=2)
    members = {
        "eo:cloud_cover": st.one_of(numbers, poison),
        "sat:relative_orbit": st.one_of(st.integers(-3, 3), poison),
        "platform": st.one_of(words, poison),
        "instruments": st.one_of(st.lists(words, max_size=2), poison),
        "foo": poison,
        "a": st.one_of(poison, poison.map(lambda value: {"b": value})),
        "list": st.one_of(poison, st.lists(anything, max_size=2)),
        "x/y~z": poison,
        "it's": poison,
        "themes": themes.map(lambda ids: [{"concepts": [{"id": each} for each in ids]}]),
    }
    return st.fixed_dictionaries({}, optional=members)


def _times() -> st.SearchStrategy[dict[str, Any]]:
    written = times.map(lambda moment: moment.isoformat())
    extent = st.tuples(times, times).map(
        lambda t: {"datetime": None, "start_datetime": min(t).isoformat(), "end_datetime": max(t).isoformat()}
    )
    return st.one_of(written.map(lambda moment: {"datetime": moment}), extent, st.just({}))


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """Return documents with wrong types, nulls and gaps wherever a member may have them."""
    shape = st.one_of(footprints.map(shapely.geometry.mapping), st.none())
    properties = st.tuples(_properties(), _times()).map(lambda parts: parts[0] | parts[1])
    return st.fixed_dictionaries({"properties": properties, "geometry": shape})
