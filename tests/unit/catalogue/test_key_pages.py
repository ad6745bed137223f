"""Pages of a table by its key, each in a transaction of its own."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, MetaData, Table, Text, create_engine, delete, insert, select

from rucio_dafab.catalogue.rows import KeyPages

TABLE = Table("document", MetaData(), Column("scope", Text, primary_key=True), Column("name", Text, primary_key=True))
KEYS = st.sets(st.tuples(st.sampled_from(["dafab", "mock", "user.jdoe"]), st.text("abc", min_size=1, max_size=3)))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    TABLE.metadata.create_all(made)
    yield made
    made.dispose()


@given(keys=KEYS, most=st.integers(1, 5))
def test_every_row_is_given_once_in_order(engine: Engine, keys: set[tuple[str, str]], most: int) -> None:
    with engine.begin() as connection:
        connection.execute(delete(TABLE))
        if keys:
            connection.execute(insert(TABLE), [{"scope": scope, "name": name} for scope, name in keys])
    pages, found = KeyPages(select(TABLE), TABLE.c.scope, TABLE.c.name, most), []
    while True:
        with engine.begin() as connection:
            page = pages.following(connection.execute)
        if not page:
            break
        assert len(page) <= most
        found += [(row.scope, row.name) for row in page]
    assert found == sorted(keys)
