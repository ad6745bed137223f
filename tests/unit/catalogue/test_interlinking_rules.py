"""Rules for links are read whole, and what is wrong with one is a line that names it."""

from pathlib import Path

import pytest

from rucio_dafab.catalogue.interlinking_rules import Order, Rule, RulesInvalid, installed, read

WHOLE = {
    "name": '"fields-before"',
    "version": '"1.2"',
    "relation": '"earlier_season"',
    "from": '"fields"',
    "to": '"fields"',
    "title": '"A year before"',
    "same_source": "false",
    "same": '["grid:code", "dafab:number_of_fields"]',
    "footprint": "0.5",
    "days": "430",
    "order": '"earlier"',
    "days_at_least": "300.5",
    "from_isa": '"CropField"',
    "to_isa": '"CropField"',
    "nearest": "2",
}


def table(**changed: str | None) -> str:
    members = {**WHOLE, **changed}
    return "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in members.items() if value is not None)


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text)
    return path


def test_a_whole_rule(tmp_path: Path) -> None:
    (rule,) = read(written(tmp_path, table()))
    assert rule == Rule(
        name="fields-before",
        version="1.2",
        relation="earlier_season",
        source="fields",
        target="fields",
        title="A year before",
        same=("grid_code", "dafab_number_of_fields"),
        footprint=0.5,
        days=430.0,
        order=Order.EARLIER,
        days_at_least=300.5,
        source_isa="CropField",
        target_isa="CropField",
        nearest=2,
    )
    assert rule.tag == "fields-before/1.2"


def test_what_is_left_out(tmp_path: Path) -> None:
    text = '[[rule]]\nname="a"\nversion="1"\nrelation="same_scene"\nfrom="b"\nto="c"\nsame_source=true\n'
    (rule,) = read(written(tmp_path, text))
    assert rule == Rule("a", "1", "same_scene", "b", "c", same_source=True)
    assert (rule.nearest, rule.order, rule.days) == (1, None, None)
    assert read(written(tmp_path, "")) == ()


def test_the_installed_rules_are_read() -> None:
    assert {rule.relation for rule in read(installed())} == {"same_scene", "earlier_season", "observed_event"}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": None}, "name is missing"),
        ({"name": '"Fields_"'}, "name must be"),
        ({"version": "1"}, "version must be"),
        ({"relation": '"derived_from"'}, "relation must be one that nothing else writes"),
        ({"relation": '"predecessor-version"'}, "relation must be one"),
        ({"relation": '"self"'}, "relation must be one"),
        ({"to": '"../fields"'}, "to must be the name of a collection"),
        ({"title": '" "'}, "title must be some text"),
        ({"same_source": '"yes"'}, "same_source must be true or false"),
        ({"same": '"grid:code"'}, "same must be a list"),
        ({"same": '["grid:cod"]'}, "grid:cod has none"),
        ({"same": '["instruments"]'}, "instruments has none"),
        ({"same": '["geometry"]'}, "geometry has none"),
        ({"footprint": "1.5"}, "footprint must be a number from 0 to 1"),
        ({"footprint": "nan"}, "footprint must be a number"),
        ({"days": "-1"}, "days must be a number"),
        ({"days": "true"}, "days must be a number"),
        ({"order": '"before"'}, "order must be earlier or later"),
        ({"order": None}, "within one collection order must be there"),
        ({"order": None, "to": '"water"'}, "days_at_least needs order"),
        ({"days": "100"}, "days are fewer than days_at_least"),
        ({"nearest": "0"}, "nearest must be a whole number from 1 to 10"),
        ({"nearest": "1.0"}, "nearest must be a whole number"),
        ({"same": None, "footprint": None}, "one of same_source, same and footprint"),
        ({"colour": '"red"'}, "nothing is called 'colour'"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, changed: dict[str, str | None], reason: str) -> None:
    with pytest.raises(RulesInvalid) as refused:
        read(written(tmp_path, table(**changed)))
    told = str(refused.value)
    assert told.startswith("rules.toml: rule 1")
    assert reason in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[rule]\n", "rules.toml is no TOML"),
        ("rule = 1\n", "nothing but tables"),
        ("rules = []\n", "nothing but tables"),
        (table() + table(), "fields-before and fields-before both are fields-before"),
        (table() + table(name='"other"'), "both are earlier_season fields fields"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(RulesInvalid, match=reason) as refused:
        read(written(tmp_path, text))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(RulesInvalid, match="cannot be read"):
        read(tmp_path / "nothing.toml")
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(RulesInvalid, match="is no TOML"):
        read(path)
