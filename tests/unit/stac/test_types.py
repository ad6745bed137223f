"""Types of declared queryables in a document that is to be published."""

from typing import Any

import pytest

from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.validate import check_types


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"eo:cloud_cover": "lots"}, "/properties/eo:cloud_cover must be of type number, not 'lots'"),
        ({"eo:cloud_cover": True}, "/properties/eo:cloud_cover must be of type number, not True"),
        ({"platform": 2}, "/properties/platform must be of type string, not 2"),
        ({"instruments": "msi"}, "/properties/instruments must be of type strings, not 'msi'"),
        ({"sat:relative_orbit": 22.5}, "/properties/sat:relative_orbit must be of type integer, not 22.5"),
    ],
)
def test_a_value_of_another_type_is_refused(properties: dict[str, Any], said: str) -> None:
    with pytest.raises(DocumentInvalid) as refused:
        check_types({"properties": properties})
    assert str(refused.value) == said


def test_right_types_nulls_and_undeclared_properties_pass() -> None:
    check_types({"properties": {"eo:cloud_cover": 5, "platform": None, "instruments": ["msi"], "mine": {"a": "b"}}})
