"""Names that a DID can have."""

import pytest

from rucio_dafab.names import LONGEST, is_name


@pytest.mark.parametrize("name", ["a", "S2B_MSIL2A_20260614T103011", "item.B02.tif", "x" * LONGEST])
def test_these_are(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", ".a", "-a", "a/b", "a b", "a..b", "ä", "a\n", "a:b", "x" * (LONGEST + 1)])
def test_these_are_not(name: str) -> None:
    assert not is_name(name)
