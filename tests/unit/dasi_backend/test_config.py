"""The configuration ``dasi.yml``."""

from pathlib import Path

import pytest

from dasi_backend import config
from dasi_backend.config import Catalogue
from dasi_backend.errors import ConfigError
from rucio_dafab.site.home import Home

MEMBER = "{spaces: [{roots: [{path: a}]}]}"


def written(folder: Path, text: str) -> Path:
    path = folder / "dasi.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_with_everything(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "type: rucio\nschema: s\ncatalogue: toc\nstore: file\nspaces:\n- handler: Default\n  roots:\n  - path: a\n"
        "  - path: /b\nrucio: {config_path: r.cfg, scope: eo, rse: X, protocol: davs}\n",
    )
    read = config.read(path)
    assert (read.type, read.schema, read.roots) == ("rucio", tmp_path / "s", (tmp_path / "a", Path("/b")))
    assert read.catalogue == Catalogue(tmp_path / "r.cfg", "eo", "X", "davs")


def test_a_selection_has_members_with_rules(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f"type: select\nfdbs:\n- {{select: 'mission=^s2,level=l2a', {MEMBER[1:]}\n"
        "- {type: rucio, rucio: {scope: eo}}\n",
    )
    read = config.read(path)
    first, second = read.members
    assert (read.type, first.name, second.name) == ("select", "fdbs[0] (local)", "fdbs[1] (rucio)")
    assert (first.rule.text, second.rule.text) == ("mission=^s2,level=l2a", "")
    assert first.store.roots == read.roots == (tmp_path / "a",)
    assert second.store.catalogue == read.catalogue == Catalogue(scope="eo")


def test_what_several_members_have_is_no_ones(tmp_path: Path) -> None:
    read = config.read(written(tmp_path, f"type: select\nfdbs: [{MEMBER}, {MEMBER}]"))
    assert (read.roots, read.catalogue) == ((), None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no keys"),
        ("type: choose\nspaces: []", "type is 'choose'"),
        ("type: select\nspaces: []", "unknown key spaces"),
        ("type: select", "fdbs names no member"),
        ("type: select\nfdbs: []", "fdbs names no member"),
        ("type: select\nfdbs: [3]", r"fdbs\[0\] is no dasi.yml"),
        ("type: select\nfdbs: [{type: rucio}]", r"fdbs\[0\]: type is rucio and there is no section"),
        ("type: select\nfdbs: [{type: select}]", r"fdbs\[0\]: type is 'select', not local"),
        (f"type: select\nfdbs: [{MEMBER}, {{spaces: 3}}]", r"fdbs\[1\]: spaces is not a list"),
        (f"type: select\nfdbs: [{{select: 3, {MEMBER[1:]}]", r"fdbs\[0\]: select is 3"),
        (f"type: select\nfdbs: [{{select: mission, {MEMBER[1:]}]", "'mission' is not key=expression"),
        (f"type: select\nfdbs: [{{select: misson=a, {MEMBER[1:]}]", "unknown key 'misson'"),
        (f"type: select\nfdbs: [{{select: target=a, {MEMBER[1:]}]", "unknown key 'target'"),
        (f'type: select\nfdbs: [{{select: "date=(", {MEMBER[1:]}]', r"date=\( is no regular expression"),
        (f'type: select\nfdbs: [{{select: "date=1,date=2", {MEMBER[1:]}]', "date is named twice"),
        ("type: rucio", "no section rucio"),
        ("type: local", "spaces names no root"),
        ("spaces: 3", "spaces is not a list"),
        ("spaces:\n- roots: [{place: x}]", "spaces is not a list"),
        ("spaces:\n- roots: [{path: 3}]", "no path"),
        ("store: rados\nspaces:\n- roots: [{path: x}]", "only file is supported"),
        ("typo: 1", "unknown key typo"),
        ("type: rucio\nrucio: {skope: a}", "unknown key rucio.skope"),
        ("type: rucio\nrucio: {scope: 3}", "rucio.scope"),
        ("type: rucio\nrucio: x", "no section"),
        ("spaces:\n- roots: [{path: x}]\nsites: {A:B: x}", "sites.A:B is no name of a site"),
        ("spaces:\n- roots: [{path: x}]\nsites: {1: x}", "sites.1 is no name of a site"),
        ("a: [", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("type: 2026-99-99", "cannot be read: month must be"),
        ("type: [local]", r"type is \['local'\]"),
        ("spaces:\n- roots: [{path: ~nobody-of-this-name/x}]", "nobody of that name"),
        ('spaces:\n- roots: [{path: "a\\0b"}]', "no path"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=said) as refusal:
        config.read(path)
    assert str(path) in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml cannot be read"):
        config.read(tmp_path / "nowhere.yml")


def test_the_template_of_a_site_is_a_good_configuration(tmp_path: Path) -> None:
    home = Home(tmp_path)
    read = config.of_site(home)
    assert read.roots == (home.store,)
    assert read.schema.is_file()
    assert read.catalogue is not None
    assert read.catalogue.config_path == home.client_config("user_dafab")


def test_the_file_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DASI_CONFIG", raising=False)
    with pytest.raises(ConfigError, match=r"no dasi\.yml"):
        config.find()
    (tmp_path / "home").mkdir()
    assert config.find().roots == (tmp_path / "home" / "store",)
    named = written(tmp_path, "spaces:\n- roots: [{path: named}]")
    monkeypatch.setenv("DASI_CONFIG", str(named))
    assert config.find().roots == (tmp_path / "named",)
    given = tmp_path / "given.yml"
    given.write_text("spaces:\n- roots: [{path: given}]", encoding="utf-8")
    assert config.find(given).roots == (tmp_path / "given",)
