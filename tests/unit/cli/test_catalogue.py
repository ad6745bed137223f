"""``rucio-dafab catalogue``: what is refused before a database is asked."""

from pathlib import Path

import pytest

from rucio_dafab.cli.catalogue import load
from rucio_dafab.errors import DafabError


def test_rejects_never_replace_the_file_that_is_read(tmp_path: Path) -> None:
    items = tmp_path / "items.ndjson"
    items.write_text('{"id": "one"}\n')
    with pytest.raises(DafabError, match="it is the file that is read"):
        load(items, rejects=items)
    assert items.read_text() == '{"id": "one"}\n'
