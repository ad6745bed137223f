"""Several requests in one text: all of them are planned before the first is carried out, whatever the verb."""

import json
from pathlib import Path

import pytest

from dasi_backend import interface
from dasi_backend.errors import RequestError, StoreError
from dasi_backend.store import Store
from tests.integration.rolling_store.conftest import Dasi
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """Archive ``scene_a`` of the first day and ``scene_b`` of the second."""
    store.archive(make_scene(tmp_path / "a", "scene_a", size=20))
    store.archive(make_scene(tmp_path / "b", "scene_b", size=20, datetime="2026-06-02T00:00:00Z"))
    return store


def ids(store: Store) -> list[str]:
    return [product.key.id for product in store.products()]


def refused(dasi: Dasi, command: str, text: str, *options: str) -> str:
    """Run a command over requests, which it refuses, and return the one line that it says."""
    done = dasi(command, text, *options)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("id=scene_a", "scene_a is pinned (kept): nothing was removed"),
        ("id=off, mission=off, band=b02", "band: a product is not chosen by what is in it"),
        ("id=off, mission=off", "a wipe names at least one key"),
    ],
)
def test_a_wipe_of_several_requests_removes_all_or_nothing(filled: Store, dasi: Dasi, second: str, said: str) -> None:
    filled.holds.pin("scene_a", "kept")
    assert said in refused(dasi, "wipe", f"wipe, id=scene_b\nwipe, {second}", "--apply")
    assert ids(filled) == ["scene_a", "scene_b"]


def test_a_wipe_of_several_requests_names_each_product_once(filled: Store, dasi: Dasi) -> None:
    text = "wipe, id=scene_b\nwipe, id=off, mission=s2"
    assert dasi("wipe", text).stdout.splitlines() == [
        "would remove scene_b",
        "would remove scene_a",
        "2 products; nothing was removed: --apply does it",
    ]
    assert dasi("wipe", text, "--apply").stdout.splitlines() == ["removed scene_b", "removed scene_a"]
    assert ids(filled) == []


def test_a_wipe_that_fails_half_way_says_what_is_gone(filled: Store, dasi: Dasi, tmp_path: Path) -> None:
    filled.archive(make_scene(tmp_path / "c", "scene_c", size=20, datetime="2026-06-02T00:00:00Z"))
    next(filled.root.glob("*:20260602/scene_c:*.index")).unlink()  # in a day that FDB cannot list it removes nothing
    line = refused(dasi, "wipe", "wipe, mission=s2", "--apply")
    assert line.endswith("(removed before it: scene_a)")


def test_a_wipe_of_several_stores_that_fails_in_the_last_says_what_is_gone(filled: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    for name in ("scene_c", "scene_d"):
        other.archive(make_scene(tmp_path / name, name, size=20))
    next(other.root.glob("*/scene_d:*.index")).unlink()
    members = [{"spaces": [{"roots": [{"path": str(store.root)}]}]} for store in (filled, other)]
    (tmp_path / "both.yml").write_text(json.dumps({"type": "select", "fdbs": members}))
    with pytest.raises(StoreError, match=r"\(removed before it: scene_a, scene_b\)"):
        interface.open(tmp_path / "both.yml").wipe({"mission": "s2"}, doit=True)
    assert (ids(filled), other.contains("scene_c")) == ([], True)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("date=20990101", "nothing in what was asked answers the request"),
        ('target="NOWHERE:x"', "unknown site NOWHERE"),
        ("grid=40", "would both be written to"),
    ],
)
def test_of_several_disseminations_none_is_delivered_where_one_is_refused(
    filled: Store, dasi: Dasi, tmp_path: Path, second: str, said: str
) -> None:
    text = f'disseminate, mission=s2, date=20260601, grid=20, target="PARTNER:ds/[id]"\ndisseminate, {second}'
    assert said in refused(dasi, "disseminate", text)
    assert ids(filled) == ["scene_a", "scene_b"]
    assert not (tmp_path / "partner").exists()


def test_a_site_of_one_letter_is_a_site(filled: Store, dasi: Dasi, tmp_path: Path) -> None:
    assert dasi("disseminate", "id=scene_a", "band=b02", "target=P:d/[id]").returncode == 0
    assert (tmp_path / "short" / "d" / "scene_a" / "B02.tif").is_file()
    assert "unknown site Q (FULL, P, PARTNER)" in refused(dasi, "disseminate", "id=scene_a", "target=Q:d/[id]")
    assert ids(filled) == ["scene_a", "scene_b"]


@pytest.mark.parametrize(
    "text",
    [
        'retrieve, mission=s2, date=20260601, target="rr/x"\nretrieve, date=20260602',
        'retrieve, id=scene_a, band=b02, target="rr/x"\nretrieve, band=b03',
        'retrieve, id=scene_a, target="rr/x"\nretrieve, id=scene_b, target="rr/x/y"',
    ],
)
def test_two_answers_of_two_requests_for_one_path_are_refused_before_anything_is_written(
    filled: Store, dasi: Dasi, tmp_path: Path, text: str
) -> None:
    assert "would" in refused(dasi, "retrieve", text)
    assert ids(filled) == ["scene_a", "scene_b"]
    assert not (tmp_path / "rr").exists()


def test_an_answer_that_two_requests_find_is_written_once(filled: Store, dasi: Dasi, tmp_path: Path) -> None:
    done = dasi("retrieve", 'retrieve, mission=s2, target="rr/[id]"\nretrieve, date=20260601')
    assert (done.returncode, done.stdout.count("was there")) == (0, 1)
    assert ids(filled) == sorted(path.name for path in (tmp_path / "rr").iterdir())
    assert contents(tmp_path / "rr" / "scene_a") == contents(tmp_path / "a")


def test_of_several_scenes_none_is_archived_where_one_is_none(store: Store, dasi: Dasi, tmp_path: Path) -> None:
    make_scene(tmp_path / "a", "scene_a", size=20)
    (tmp_path / "empty").mkdir()
    assert "empty is no staged scene" in refused(dasi, "archive", str(tmp_path / "a"), str(tmp_path / "empty"))
    assert "empty is no staged scene" in refused(dasi, "archive", 'archive, source="a"\narchive, source="empty"')
    assert ids(store) == []


@pytest.mark.parametrize(
    ("keys", "products", "objects"),
    [
        (("band=b02",), 2, 2),
        (("band=b02/b99", "date=20260601"), 1, 1),
        (("band=b99",), 0, 0),
        (("kind=part",), 2, 6),
        (("kind=part", "band=b02"), 0, 0),
        (("part=p9999",), 0, 0),
        (("res=20", "band=b8a"), 2, 2),
        (("res=60",), 0, 0),
    ],
)
def test_a_list_shows_products_with_what_is_asked_as_inspect_shows_the_objects(
    filled: Store, dasi: Dasi, keys: tuple[str, ...], products: int, objects: int
) -> None:
    assert len(json.loads(dasi("list", *keys, "--json").stdout)) == products
    assert len(json.loads(dasi("inspect", *keys, "--json").stdout)) == objects
    assert ids(filled) == ["scene_a", "scene_b"]


def test_a_list_holds_what_it_shows_to_what_is_expected(filled: Store, dasi: Dasi) -> None:
    assert refused(dasi, "list", "expect=7") == "error: 2 products answer the request, and expect=7"
    assert refused(dasi, "inspect", "band=b02", "expect=1") == "error: 2 objects answer the request, and expect=1"
    for asked in (("expect=2",), ("expect=any",), ("date=20990101", "expect=0"), ("date=20990101",)):
        assert dasi("list", *asked).returncode == 0
    assert dasi("inspect", "band=b02", "expect=2").returncode == 0
    assert "without expect" in refused(dasi, "inspect", "expect=2", "--space")
    assert ids(filled) == ["scene_a", "scene_b"]


def test_nothing_is_listed_where_the_second_askedis_refused(filled: Store, dasi: Dasi) -> None:
    done = dasi("list", "list, mission=s2\nlist, where='a = 1'")
    assert (done.returncode, done.stdout) == (1, "")
    assert ids(filled) == ["scene_a", "scene_b"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("class=od", "error: class: a key of fields, and dasi.yml names no FDB of them (type: grib)"),
        ("collection=x", "error: collection: only a catalogue knows that, and dasi.yml has no section rucio"),
        ("product=a\nb", "error: product=a b: the store keeps lower case letters, digits and . _ - only"),
        ("mission=s2a/s2b/off", "error: mission=s2a/s2b/off: 'off' drops a key, and stands alone"),
        ("orbit=8/to/x", "error: orbit=x: not a whole number"),
        ("date=2", "error: date=2: write 20260601, 2026-06-01, or days before today such as -1 (0 is today)"),
        ("area=1/2/3/4", "error: area: a key of disseminate alone"),
    ],
)
def test_a_refusal_is_one_line_with_key_and_value(filled: Store, dasi: Dasi, asked: str, said: str) -> None:
    assert refused(dasi, "list", asked) == said
    assert ids(filled) == ["scene_a", "scene_b"]


@pytest.mark.parametrize("range_", ["8/to/x", "1/to/x/by/2", "to/x", "8/to"])
def test_a_typing_error_in_a_range_widens_no_wipe(filled: Store, dasi: Dasi, tmp_path: Path, range_: str) -> None:
    """The products are of orbit 0, to which metkit counts where an end is no number."""
    assert "orbit=" in refused(dasi, "wipe", "mission=s2", f"orbit={range_}", "--apply")
    with pytest.raises(RequestError, match="orbit="):
        interface.Dasi(tmp_path / "dasi.yml").wipe({"mission": "s2", "orbit": range_}, doit=True)
    assert ids(filled) == ["scene_a", "scene_b"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("wipe", "--apply"), "list, mission=s2"),
        (("wipe", "--apply"), "retrieve, mission=s2"),
        (("list",), "wipe, mission=s2"),
        (("inspect",), "wipe, mission=s2"),
        (("inspect", "--space"), "wipe, mission=s2"),
        (("pin",), "wipe, mission=s2"),
        (("disseminate",), 'retrieve, mission=s2, target="x"'),
        (("archive",), 'retrieve, mission=s2, target="x"'),
    ],
)
def test_a_askedof_another_verb_is_refused(filled: Store, dasi: Dasi, command: tuple[str, ...], text: str) -> None:
    verb = "list" if command[0] in {"inspect", "pin"} else command[0]
    said = refused(dasi, command[0], text, *command[1:])
    assert said == f"error: the request says {text.partition(',')[0]}, not {verb}"
    assert ids(filled) == ["scene_a", "scene_b"]
