"""Rucio filters: what the CLI and the clients send, read to the model, and refused with the key."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rucio.common.exception import RucioException
from rucio.common.utils import parse_did_filter_from_string, parse_did_filter_from_string_fe

from rucio_dafab.query import model
from rucio_dafab.query.cql2 import to_json
from rucio_dafab.query.errors import LimitError, QueryError
from rucio_dafab.query.limits import Limits
from rucio_dafab.query.model import EVERYTHING, Not, Related
from rucio_dafab.query.rucio_filter import parse
from rucio_dafab.query.rucio_tests import TESTS
from rucio_dafab.vocabulary import load

VOCABULARY = load()
POLYGON = "POLYGON((11 50|12 50|12 51|11 50))"


def ask(filters: object) -> Any:
    """Return the filter as CQL2-JSON, which shows every part of the model."""
    return to_json(parse(filters, VOCABULARY))


def prop(name: str) -> dict[str, str]:
    return {"property": name}


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("eo:cloud_cover<20", {"op": "<", "args": [prop("eo:cloud_cover"), 20]}),
        ("cloud_cover.lte=1e1", {"op": "<=", "args": [prop("eo:cloud_cover"), 10]}),
        ("platform=1e5", {"op": "=", "args": [prop("platform"), "1e5"]}),
        ("platform!=S2A", {"op": "not", "args": [{"op": "=", "args": [prop("platform"), "S2A"]}]}),
        ("platform.in=S2A|S2B", {"op": "in", "args": [prop("platform"), ["S2A", "S2B"]]}),
        ("platform=S2*", {"op": "like", "args": [prop("platform"), "S2%"]}),
        ("platform.like=S_?%", {"op": "like", "args": [prop("platform"), "S\\__%"]}),
        ("foo=5", {"op": "in", "args": [prop("foo"), ["5", 5.0]]}),
        ("foo=true", {"op": "in", "args": [prop("foo"), ["true", True]]}),
        ("foo.lt=5", {"op": "<", "args": [prop("foo"), 5.0]}),
        ("/properties/foo=x", {"op": "=", "args": [prop("foo"), "x"]}),
        ("/assets/B02/roles.contains=data", {"op": "a_overlaps", "args": [prop("/assets/B02/roles"), ["data"]]}),
        ("/properties/a%2Eb.gt=1", {"op": ">", "args": [prop("a.b"), 1.0]}),
        ("instruments=msi", {"op": "a_overlaps", "args": [prop("instruments"), ["msi"]]}),
        (
            "instruments.not.contains=a|b",
            {"op": "not", "args": [{"op": "a_overlaps", "args": [prop("instruments"), ["a", "b"]]}]},
        ),
        ("gsd.isnull=false", {"op": "not", "args": [{"op": "isNull", "args": [prop("gsd")]}]}),
        ("foo.isempty=1", {"op": "isEmpty", "args": [prop("foo")]}),
        ("did_type=file", {"op": "=", "args": [{"op": "did", "args": ["did_type"]}, "FILE"]}),
        ("name=S2*_MSI", {"op": "like", "args": [{"op": "did", "args": ["name"]}, "S2%\\_MSI"]}),
        ("id=a", {"op": "=", "args": [prop("id"), "a"]}),
    ],
)
def test_attributes(text: str, document: Any) -> None:
    assert ask(text) == document


def test_commas_are_and_semicolons_are_or() -> None:
    assert ask("gsd=10,platform=S2A;gsd=20") == {
        "op": "or",
        "args": [
            {
                "op": "and",
                "args": [{"op": "=", "args": [prop("gsd"), 10]}, {"op": "=", "args": [prop("platform"), "S2A"]}],
            },
            {"op": "=", "args": [prop("gsd"), 20]},
        ],
    }


@pytest.mark.parametrize(
    "value",
    [
        POLYGON,
        POLYGON.replace("|", ","),
        POLYGON.replace("|", "%2C"),
        "SRID=4326;" + POLYGON,
        '{"type":"Polygon","coordinates":[[[11,50],[12,50],[12,51],[11,50]]]}',
        {"type": "Polygon", "coordinates": [[[11, 50], [12, 50], [12, 51], [11, 50]]]},
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Polygon", "coordinates": [[[11, 50], [12, 50], [12, 51], [11, 50]]]},
        },
    ],
)
def test_every_way_to_write_a_polygon(value: Any) -> None:
    assert parse([{"geom.intersects": value}], VOCABULARY) == parse(f"geometry.intersects={POLYGON}", VOCABULARY)


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("datetime.lt=2026-06-01", ("<", "2026-06-01T00:00:00Z")),
        ("datetime.lte=2026-06-01", ("<=", "2026-06-01T23:59:59.999999Z")),
        ("datetime.gt=2026-06-01", (">", "2026-06-01T23:59:59.999999Z")),
        ("datetime>=2026-06-01T02:00:00+02:00", (">=", "2026-06-01T00:00:00Z")),
        ("time=2026-06-01T00:00:00", ("=", "2026-06-01T00:00:00Z")),
    ],
)
def test_a_date_covers_its_day(text: str, operator: tuple[str, str]) -> None:
    assert ask(text) == {"op": operator[0], "args": [prop("datetime"), {"timestamp": operator[1]}]}


def test_intervals() -> None:
    day = ["2026-06-01T00:00:00Z", "2026-06-01T23:59:59.999999Z"]
    assert ask("datetime=2026-06-01") == {"op": "t_intersects", "args": [prop("datetime"), {"interval": day}]}
    assert ask("datetime=2026-06-01/..")["args"][1] == {"interval": [day[0], ".."]}
    assert ask("datetime.before=2026-06-01")["op"] == "t_before"
    assert [part["op"] for part in ask("datetime.during=2026-06-01/2026-06-30")["args"]] == [">=", "<="]


def test_classes_by_label_and_alternatives() -> None:
    flood, river = (f"https://w3id.org/dafab/ontology#{name}" for name in ("Flood", "River"))
    assert ask("theme.isa=Überschwemmung") == {"op": "isA", "args": [prop("themes"), flood]}
    assert ask("theme.isa=envo:02500002|River") == {
        "op": "or",
        "args": [{"op": "isA", "args": [prop("themes"), each]} for each in (flood, river)],
    }
    assert ask("theme.isa=Flood&River")["op"] == "and"
    assert ask("theme.not.isa=Flood")["op"] == "not"


def test_tests_on_one_related_document_are_joined() -> None:
    expression = parse("gsd.inherited.lt=20,cloud.inherited.lt=5,platform=S2A", VOCABULARY)
    related = [part for part in getattr(expression, "parts", ()) if isinstance(part, Related)]
    assert len(related) == 1 and len(getattr(related[0].condition, "parts", ())) == 2
    assert isinstance(parse("gsd.not.inherited.lt=20", VOCABULARY), Not)
    assert ask("cloud.link:derived_from.lt=5")["args"][:2] == ["link", "derived_from"]


def test_no_filter_is_everything() -> None:
    for nothing in (None, "", [], [{}], [{"name": "*"}], "name=*"):
        assert parse(nothing, VOCABULARY) == EVERYTHING


def test_did_type_is_recognised() -> None:
    assert model.tests_did_type(parse("did_type=ALL,gsd=10", VOCABULARY))
    assert not model.tests_did_type(parse("gsd=10", VOCABULARY))


@pytest.mark.parametrize(
    "text",
    [
        "eo:cloud_cover<20,platform=S2A",
        "10<eo:cloud_cover<=20;foo=1e5",
        "a!=b, c == d",
        "geom.within=10_49_13_52,theme.isa=Hazard,cloud_cover.lt=20",
        f"geom.intersects={POLYGON}",
        "datetime.gte=2026-06-01T10:30:00Z,datetime.lt=2026-07-01",
        "/properties/dafab:water-analysis/observed_water.gt=5",
        "a=1;;b=2,",
    ],
)
def test_what_the_stock_cli_sends_means_what_the_string_means(text: str) -> None:
    sent, _ = parse_did_filter_from_string_fe(text, name="*")
    assert parse(sent, VOCABULARY) == parse(text, VOCABULARY)


def test_what_download_sends_means_the_same() -> None:
    text = "geom.within=@germany,theme.isa=Water anomaly,cloud_cover.lt=20,flag=true"
    sent, _ = parse_did_filter_from_string(text)
    assert parse(sent, VOCABULARY) == parse(text.replace("flag=true", "flag=1"), VOCABULARY)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab1.<>=!,; ", max_size=25))
def test_whatever_rucio_splits_is_split_alike(text: str) -> None:
    try:
        sent, _ = parse_did_filter_from_string_fe(text, omit_name=True)
    except (RucioException, UnboundLocalError):
        return  # what Rucio refuses never arrives
    if {} in sent and any(group and not group.strip() for group in text.split(";")):
        return  # Rucio takes a blank alternative for one that asks nothing
    outcomes = []
    for filters in (sent, text):
        try:
            outcomes.append(parse(filters, VOCABULARY))
        except QueryError:
            return  # nonsense such as `1<<`, which one of them may still cut into a test
    assert outcomes[0] == outcomes[1]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.one_of(
                st.text(max_size=10),
                st.tuples(
                    st.sampled_from(
                        ["gsd", "geom", "theme", "datetime", "platform", "instruments", "foo", "did_type", "/a"]
                    ),
                    st.sampled_from([*TESTS, "not.in", "inherited.lt", "nonsense"]),
                ).map(".".join),
            ),
            st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.text())),
            max_size=4,
        ),
        max_size=3,
    )
)
def test_anything_is_read_or_refused_in_one_line(filters: list[dict[str, Any]]) -> None:
    try:
        parse(filters, VOCABULARY)
    except QueryError as error:
        assert str(error) and len(str(error)) < 600


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (
            "cloud_cover.ltt=20",
            "cloud_cover.ltt: unknown operator '.ltt': did you mean .lt or .lte? The operators are eq ne",
        ),
        ("gsd.lt.gt=20", "gsd.lt.gt: unknown operator '.gt'"),
        (
            "cloud_covr<20",
            "nothing is called 'cloud_covr': did you mean cloud_cover? Else write /properties/cloud_covr",
        ),
        ("bbox=x", "bbox: geometry holds geometry values: ask .intersects=…"),
        ("gsd.link:=5", "unknown operator '.link:'"),
        ("gsd.linked_by=5", "unknown operator '.linked_by': did you mean .linked_by:NAME"),
        (f"gsd.link:{'x' * 101}=5", "a link relation is a name such as derived_from, not 'xxx"),
        ("gsd.link:a%00b=5", "a link relation is a name such as derived_from, not 'a"),
        ("cloud_cover.lt=lots", "cloud_cover.lt: eo:cloud_cover takes a number in %, not 'lots'"),
        ("gsd.lt=nan", "gsd.lt: gsd takes a number in m, not 'nan' (it must be finite)"),
        ("gsd.lt=1e400", "it must be finite"),
        ("relative_orbit=99999999999999999999", "integers beyond 2^53"),
        ("relative_orbit=1.5", "sat:relative_orbit takes an integer, not '1.5'"),
        ("datetime.lt=soon", "datetime.lt: 'soon' is not a time: write 2026-06-01"),
        ("datetime=2026-02-31", "'2026-02-31' is not a time: day is out of range"),
        ("datetime=2026-02-01/2026-01-01", "before it begins"),
        ("geom=3", "geom: geometry holds geometry values: ask .intersects=…"),
        ("theme=Flood", "ask .isa=…"),
        ("gsd.within=@france", "gsd.within: gsd holds number values: 'within' is asked of geometry"),
        (
            "geom.within=POLYGON((0 0|1 1|0 1|1 0|0 0))",
            "geom.within: the geometry is invalid: Self-intersection[0.5 0.5]",
        ),
        ("geom.within=@luxemburg", "no area is called '@luxemburg': did you mean @luxembourg?"),
        ("geom.within=nonsense", "geom.within: not a geometry (WKT, GeoJSON, W_S_E_N or @area)"),
        ("theme.isa=Floood", "theme.isa: no class is called 'Floood': did you mean Flood (dafab:Flood)?"),
        ("did_type=FOLDER", "did_type: did_type is FILE, DATASET, CONTAINER, COLLECTION, ALL, not 'FOLDER'"),
        ("gsd.isnull=maybe", "gsd.isnull takes true or false, not 'maybe'"),
        ("foo", "'foo' is not a test: write key operator value"),
        ([{"a": "x\x00y"}], "it holds NUL"),
        ([{"a\x00b": "x"}], "cannot be a key"),
        ([{None: None}], "a test needs a key, an operator and a value"),
        (3, "filters are a string, a dictionary or a list of dictionaries"),
    ],
)
def test_refusals_name_the_key(filters: object, message: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(filters, VOCABULARY)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_limits() -> None:
    with pytest.raises(LimitError, match="more than 256 tests"):
        parse(";".join(["gsd=1"] * 300), VOCABULARY)
    with pytest.raises(LimitError, match=r"bytes, at most 32,768"):
        parse([{"foo": "x" * 40_000}], VOCABULARY)
    with pytest.raises(LimitError, match="vertices"):
        parse("geom.within=@france", VOCABULARY, Limits(vertices=100))
