"""The SQL itself, as golden text: what changes here changes what PostgreSQL can use an index for."""

import os
from pathlib import Path

import pytest
import shapely
from sqlalchemy.dialects.postgresql.psycopg import dialect

from rucio_dafab.query import model
from rucio_dafab.query.errors import QueryError, UnsupportedQuery
from rucio_dafab.query.model import Comparator, Property
from rucio_dafab.query.rucio_filter import parse
from rucio_dafab.query.sql import compile_filter
from rucio_dafab.vocabulary import load
from rucio_dafab.vocabulary.times import parse_extent
from tests.integration.documents import Documents

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "sql"
VOCABULARY = load()
TARGET = Documents(VOCABULARY, []).target
CASES = {
    "attributes": "eo:cloud_cover<20,platform=S2A,relative_orbit.in=8|51",
    "box_and_time": "geom.intersects=11_50_12_51,datetime.gte=2026-06-01,datetime.lt=2026-07-01",
    "class": "theme.isa=Drought",
    "disjoint": "geom.disjoint=11_50_12_51",
    "distance": "geom.dwithin=POINT(6.1 49.6)|5km",
    "interval": "datetime=2026-06-01/2026-06-30",
    "list": "instruments.contains=msi&olci",
    "negations": "eo:cloud_cover.not.lt=20,theme.not.isa=Drought,foo.not.in=a|5,geom.not.within=11_50_12_51",
    "or": "gsd=10;gsd=20,name=S2*",
    "times": "created.gte=2026-06-01,created.not.intersects=2026-06-02/..",
    "numbers": "foo=05.11,bar=20230101110825123,baz=0.12345",
    "undeclared": "foo=S2A,bar.gt=5,/assets/B02/roles.contains=data,/properties/list/0=a,baz.isnull=true",
}


def compiled(text: str) -> str:
    statement = compile_filter(parse(text, VOCABULARY), TARGET).compile(dialect=dialect())
    values = "\n".join(f"-- {name} = {_show(value)}" for name, value in statement.params.items())
    return f"-- {text}\n{statement}\n{values}\n"


def _show(value: object) -> str:
    return shapely.from_wkb(value).wkt if isinstance(value, bytes) else repr(value)


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    path = GOLDEN / f"{name}.sql"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(compiled(CASES[name]))
    assert compiled(CASES[name]) == path.read_text()


@pytest.mark.parametrize("value", ["'; DROP TABLE document; --", "%(x)s", '"', "\\'", "$$"])
def test_no_value_or_key_is_in_the_text(value: str) -> None:
    tests = [
        model.Comparison(Property("/properties/platform"), Comparator.EQUAL, value),
        model.Comparison(Property(f"/properties/{value}"), Comparator.GREATER, value),
        model.Like(Property("/properties/foo"), value + "%"),
        model.Contains(Property("/properties/instruments"), (value,)),
        model.IsA(Property("/properties/themes"), value),
    ]
    statement = compile_filter(model.all_of(*tests), TARGET).compile(dialect=dialect())
    plain = compile_filter(
        model.all_of(*(type(test)(**{**vars(test), **_harmless(test)}) for test in tests)), TARGET
    ).compile(dialect=dialect())
    assert str(statement) == str(plain)


def _harmless(test: object) -> dict[str, object]:
    names = {"value": "x", "pattern": "x", "values": ("x",), "class_id": "x"}
    replaced = {name: value for name, value in names.items() if hasattr(test, name)}
    if isinstance(test, model.Comparison) and test.comparator is Comparator.GREATER:
        replaced["operand"] = Property("/properties/x")
    return replaced


def test_a_related_document_needs_a_target_that_knows_some() -> None:
    with pytest.raises(UnsupportedQuery, match=r"tests on a related document \(ancestor\) are not supported yet here"):
        compile_filter(parse("gsd.inherited.lt=5", VOCABULARY), TARGET)


def test_a_did_field_needs_its_column() -> None:
    with pytest.raises(UnsupportedQuery, match="the DID field bytes cannot be asked here"):
        compile_filter(parse("did_bytes.gt=5", VOCABULARY), TARGET)


def test_a_list_of_an_undeclared_path_is_not_asked_for_times() -> None:
    moment = parse_extent("2026-06-01").start
    assert moment is not None
    for operand in (Property("/properties/created"), Property("/properties/0")):
        with pytest.raises(UnsupportedQuery, match=r"a list .* cannot be asked for times"):
            compile_filter(model.Contains(operand, (moment,)), TARGET)


def test_a_test_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(QueryError, match="gsd holds number values"):
        compile_filter(model.Like(Property("/properties/gsd"), "1%"), TARGET)
