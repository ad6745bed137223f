"""The keys of the request language, described."""

import re
from pathlib import Path

import pytest

from dasi_backend import config, language, schema
from dasi_backend.config import Config
from dasi_backend.fields import FIELD_KEYS
from dasi_backend.keys import STORE_KEYS
from dasi_backend.schema import KeyDescription
from rucio_dafab.resources import resources

LOCAL = "spaces: [{roots: [{path: a}]}]"
RUCIO = "rucio: {scope: eo}"


def read(folder: Path, text: str) -> Config:
    (folder / "dasi.yml").write_text(text)
    return config.read(folder / "dasi.yml")


def described(folder: Path, text: str) -> dict[str, KeyDescription]:
    return {each.key: each for each in schema.describe(read(folder, text))}


def test_a_store_answers_the_keys_of_its_schema(tmp_path: Path) -> None:
    keys = described(tmp_path, LOCAL)
    assert set(keys) == {*STORE_KEYS, "id"}
    assert (keys["mission"].store, keys["orbit"].store, keys["band"].store) == ("level 1", "level 2", "level 3")
    assert {key: keys[key].type for key in ("date", "orbit", "band")} == {
        "date": "date",
        "orbit": "integer",
        "band": "string",
    }
    assert all(each.documents == () and each.answered_by == ("local",) for each in keys.values())


def test_no_key_of_the_store_is_a_number_with_a_fraction() -> None:
    """FDB keeps six digits of a ``Double`` and finds it by equality alone: cloud cover is none of its keys."""
    text = re.sub(r"#.*", "", (resources() / "etc" / "fdb" / "schema").read_text())
    types = dict(re.findall(r"^\s*(\w+)\s*:\s*(\w+);", text, flags=re.MULTILINE))
    assert types == {"date": "Date", "orbit": "Integer", "res": "Integer"}
    keys = set(re.findall(r"\w+", text[text.index("[") :]))
    assert keys == {*STORE_KEYS}
    assert "cloud_cover" not in keys


def test_a_catalogue_answers_what_documents_say(tmp_path: Path) -> None:
    keys = described(tmp_path, f"type: rucio\n{RUCIO}")
    assert not {"band", "product", "time"} & set(keys)
    cloud = keys["cloud_cover"]
    assert (cloud.type, cloud.unit, cloud.alias_of) == ("number", "%", "eo:cloud_cover")
    assert (cloud.documents, cloud.store) == (("/properties/eo:cloud_cover",), None)
    assert keys["mission"].documents == ("/properties/platform", "/properties/constellation")
    assert (keys["where"].type, keys["geometry"].type, keys["theme"].type) == ("cql2-text", "geometry", "concepts")
    assert all(each.answered_by == ("rucio",) and each.store is None for each in keys.values())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f"{LOCAL}\n{RUCIO}", ("local", "rucio")),
        (f"type: select\nfdbs: [{{{LOCAL}}}, {{type: rucio, {RUCIO}}}]", ("fdbs[0] (local)", "fdbs[1] (rucio)")),
    ],
)
def test_together_they_answer_the_whole_language(tmp_path: Path, text: str, names: tuple[str, str]) -> None:
    keys = described(tmp_path, text)
    assert set(keys) == language.keys() - set(FIELD_KEYS)
    assert (keys["tile"].answered_by, keys["tile"].store) == (names, "level 2")
    assert keys["tile"].documents == ("/properties/grid:code",)
    assert keys["band"].answered_by == names[:1]
    assert keys["where"].answered_by == names[1:]
    assert all(each.description and (each.store or each.documents or each.key == "where") for each in keys.values())
    assert keys["tile"].record()["documents"] == ("/properties/grid:code",)


def test_fields_have_keys_of_their_own_beside_day_and_time(tmp_path: Path) -> None:
    keys = described(tmp_path, f"type: grib\nschema: schema\n{LOCAL}")
    assert set(keys) == {*FIELD_KEYS, "date", "time"}
    assert (keys["step"].type, keys["param"].type, keys["date"].type) == ("integer", "string", "date")
    assert all(each.answered_by == ("grib",) and each.description for each in keys.values())
