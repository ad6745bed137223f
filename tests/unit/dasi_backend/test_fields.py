"""Parameters by number, by number and table, and by short name."""

import pytest

from dasi_backend import language
from dasi_backend.errors import RequestError
from dasi_backend.fields import FIELD_KEYS, canonical, parameter


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("167", "167"),
        ("0167", "167"),
        ("167.128", "167"),
        ("228.228", "228228"),
        ("2t", "167"),
        ("2T", "167"),
        ("t", "130"),
        ("tp", "228"),
        ("msl", "151"),
    ],
)
def test_a_parameter_has_one_number(written: str, number: str) -> None:
    assert parameter(written) == number


@pytest.mark.parametrize("written", ["nothing_such", "", "2t;", "1.2.3", "-1"])
def test_what_is_no_parameter_is_refused(written: str) -> None:
    with pytest.raises(RequestError, match=f"param={written}: no parameter"):
        parameter(written)


def test_a_standard_request_is_one_of_the_language() -> None:
    (request,) = language.parse(
        "retrieve, class=od, expver=1, stream=oper, type=fc, levtype=pl, levelist=1000/850, param=t/2t,"
        " date=2026-06-14/to/2026-06-15, time=00/12, step=0/to/12/by/6, target=data.grib"
    )
    assert set(request.keys) <= {*FIELD_KEYS, "date", "time"}
    assert request.keys["levelist"] == ("1000", "850")
    assert request.keys["step"] == ("0", "6", "12")
    assert request.keys["date"] == ("20260614", "20260615")
    assert request.keys["param"] == ("t", "2t")


@pytest.mark.parametrize(
    ("key", "written", "kept"),
    [
        ("time", "12", "1200"),
        ("time", "6", "0600"),
        ("time", "00:30", "0030"),
        ("time", "0600", "0600"),
        ("time", "120000", "1200"),
        ("expver", "1", "0001"),
        ("expver", "hx1y", "hx1y"),
        ("class", "OD", "od"),
    ],
)
def test_values_are_written_as_the_fdb_does(key: str, written: str, kept: str) -> None:
    assert canonical(key, written) == kept


@pytest.mark.parametrize("written", ["24", "1260", "noon", "123456"])
def test_what_is_no_time_is_refused(written: str) -> None:
    with pytest.raises(RequestError, match=f"time={written}"):
        canonical("time", written)
