"""New versions of items through ``POST /dafab/publish``: links, what searches find, two at once, what leaves."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from rucio_dafab.client import Conflict, NotFound, NotPermitted, PublishRequest, Refused
from rucio_dafab.stac.links import EXTENSION, LATEST, PREDECESSOR, SUCCESSOR, VERSIONS, named_by
from tests.integration.catalogue.document_support import change

pytestmark = pytest.mark.integration

DAEMONS = """
import threading
from rucio_dafab.site.daemons import run_round
run_round(threading.Event())
"""
Versions = Callable[[str], dict[str, str]]


@pytest.fixture
def versions(document: Callable[[str], dict[str, Any] | None]) -> Versions:
    """Return a function that gives the version links of a document: the name that each relation names."""

    def read(name: str) -> dict[str, str]:
        found = document(name)
        assert found is not None
        named = {each["rel"]: named_by(each["href"]) for each in found["links"] if each["rel"] in VERSIONS}
        return {rel: to[1] for rel, to in named.items() if to is not None}

    return read


@pytest.fixture
def chain(publish: Any, make_item: Any) -> Callable[..., list[str]]:
    """Return a function that publishes versions of one product, each the successor of the one before."""

    def make(stem: str, count: int, collection: str = "water_analysis", **options: Any) -> list[str]:
        names = [f"{stem}_{number}" for number in range(1, count + 1)]
        for number, name in enumerate(names):
            before = {"predecessor": names[number - 1]} if number else {}
            publish(make_item(name, collection, platform=stem, gsd=float(number + 1)), **before, **options)
        return names

    return make


def test_every_version_tells_of_the_others(chain: Any, versions: Versions, document: Any, site: Any) -> None:
    one, two, three = chain("SU_links", 3)
    assert versions(one) == {SUCCESSOR: two, LATEST: three}
    assert versions(two) == {PREDECESSOR: one, SUCCESSOR: three, LATEST: three}
    assert versions(three) == {PREDECESSOR: two}
    for name in (one, two, three):
        assert document(name)["stac_extensions"] == [EXTENSION]
    hrefs = {link["rel"]: link["href"] for link in document(one)["links"]}
    assert hrefs[LATEST] == f"{site.url}/collections/water_analysis/items/{three}"


def test_searches_find_the_latest_unless_asked_otherwise(chain: Any, site: Any, names: Any) -> None:
    one, two, three = chain("SU_search", 3)
    asked = {"platform": "SU_search"}
    assert names(asked) == {three}
    assert names(asked | {"latest": "false"}) == {one, two}
    assert names(asked | {"latest.in": "true|false"}) == {one, two, three}
    assert names(asked | {"id": one}) == {one}
    assert names([asked, {"id": two}]) == {three, two}
    # A question about DIDs alone is about every DID.
    assert names({"name": "SU_search_*"}, did_type="container") == {one, two, three}
    assert names(asked | {"gsd.lt": "3"}) == set()
    client = site.client("user_dafab")

    def found(**options: Any) -> list[str]:
        return [each.name for each in client.search(**options)]

    assert found(filter="platform=SU_search", filter_lang="rucio") == [three]
    assert found(filter="platform = 'SU_search'", filter_lang="cql2-text", versions="all") == [three, two, one]
    assert found(filter="platform = 'SU_search' AND latest = false", filter_lang="cql2-text") == [two, one]
    assert found(filter=f"did('name') = '{one}'", filter_lang="cql2-text") == [one]


def test_links_lead_to_the_other_versions(chain: Any, names: Any) -> None:
    one, two, three = chain("SU_along", 3)
    assert names({f"id.link:{PREDECESSOR}": two, "latest.in": "true|false"}) == {three}
    assert names({f"id.linked_by:{PREDECESSOR}": two, "latest.in": "true|false"}) == {one}
    assert names({f"id.link:{LATEST}": three, "latest.in": "true|false"}) == {one, two}
    assert names({"platform": "SU_along", f"gsd.link:{PREDECESSOR}": "2"}) == {three}


def test_only_the_latest_product_answers_for_its_scene(publish: Any, make_item: Any, names: Any) -> None:
    publish(make_item("SU_scene", platform="SU_scene"))
    publish(make_item("SU_product_1", "water_analysis", gsd=1.0), parent="SU_scene")
    publish(make_item("SU_product_2", "water_analysis", gsd=2.0), parent="SU_scene", predecessor="SU_product_1")
    for relation in ("descendant", "linked_by:derived_from"):
        assert names({"platform": "SU_scene", f"gsd.{relation}": "2"}) == {"SU_scene"}
        assert names({"platform": "SU_scene", f"gsd.{relation}": "1"}) == set()
        old = {f"gsd.{relation}": "1", f"latest.{relation}.in": "true|false"}
        assert names({"platform": "SU_scene"} | old) == {"SU_scene"}


def test_again_is_harmless_for_every_version(chain: Any, publish: Any, make_item: Any, versions: Versions) -> None:
    one, two, _ = chain("SU_again", 3)
    before = [versions(name) for name in (one, two)]
    assert publish(make_item(one, "water_analysis", platform="SU_again", gsd=1.0)).outcome == "unchanged"
    same = make_item(two, "water_analysis", platform="SU_again", gsd=2.0)
    assert publish(same, predecessor=one).outcome == "unchanged"
    assert publish(same).outcome == "unchanged"
    assert [versions(name) for name in (one, two)] == before
    changed = make_item(two, "water_analysis", platform="SU_again", gsd=2.5)
    assert publish(changed, update=True).outcome == "updated"
    assert [versions(name) for name in (one, two)] == before


def test_a_document_may_name_its_predecessor_itself(
    publish: Any, make_item: Any, versions: Versions, site: Any
) -> None:
    publish(make_item("SU_named_1", "water_analysis"))
    for number, href in enumerate(("SU_named_1", f"{site.url}/collections/water_analysis/items/SU_named_2"), start=2):
        item = make_item(f"SU_named_{number}", "water_analysis")
        item["links"] = [{"rel": PREDECESSOR, "href": href}, {"rel": LATEST, "href": "SU_nonsense"}]
        assert publish(item).outcome == "created"
    assert versions("SU_named_1") == {SUCCESSOR: "SU_named_2", LATEST: "SU_named_3"}
    assert versions("SU_named_3") == {PREDECESSOR: "SU_named_2"}
    item = make_item("SU_named_4", "water_analysis")
    item["links"] = [{"rel": PREDECESSOR, "href": "https://elsewhere.example/collections/c/items/SU_not_here"}]
    publish(item)
    assert versions("SU_named_4") == {PREDECESSOR: "SU_not_here"}


def test_of_two_successors_at_once_one_wins(site: Any, publish: Any, make_item: Any, versions: Versions) -> None:
    publish(make_item("SU_race_0", "water_analysis"))
    client = site.client()
    client.check()

    def call(number: int) -> str:
        item = make_item(f"SU_race_{number}", "water_analysis")
        try:
            return str(client_of[number].publish(PublishRequest("dafab", item, {}, predecessor="SU_race_0")).outcome)
        except Conflict as conflict:
            return str(conflict)

    client_of = {number: site.client() for number in range(1, 5)}
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(call, client_of))
    (winner,) = (number for number, outcome in enumerate(outcomes, start=1) if outcome == "created")
    told = f"dafab:SU_race_0 has a successor already, SU_race_{winner}: name the latest version as the predecessor"
    assert all(told in outcome for outcome in outcomes if outcome != "created")
    assert versions("SU_race_0") == {SUCCESSOR: f"SU_race_{winner}", LATEST: f"SU_race_{winner}"}


def test_what_cannot_be_a_predecessor_is_refused(chain: Any, publish: Any, make_item: Any, database: Any) -> None:
    one, _, three = chain("SU_wrong", 3, collection="sentinel_2_l2a")
    new = make_item("SU_wrong_new", "water_analysis")
    with pytest.raises(NotFound, match="no item dafab:SU_nowhere"):
        publish(new, predecessor="SU_nowhere")
    with pytest.raises(NotFound, match="no item dafab:water_analysis"):
        publish(new, predecessor="water_analysis")
    with pytest.raises(Refused, match="its own predecessor"):
        publish(new, predecessor="SU_wrong_new")
    with pytest.raises(Conflict, match=r"SU_wrong_3 is in sentinel_2_l2a, not in water_analysis"):
        publish(new, predecessor=three)
    with pytest.raises(Conflict, match=r"has a successor already, SU_wrong_2"):
        publish(make_item("SU_wrong_new"), predecessor=one)
    with pytest.raises(Conflict, match=r"SU_wrong_3 is a later version of SU_wrong_1"):
        publish(make_item(one, gsd=9.0), predecessor=three, update=True)
    found = database.execute("SELECT count(*) FROM rucio.dids WHERE name = 'SU_wrong_new'").fetchone()
    assert found == (0,)


def test_a_patch_says_nothing_of_versions(
    chain: Any, versions: Versions, document: Any, site: Any, publish: Any, make_item: Any
) -> None:
    publish(make_item("SU_patched", "water_analysis"))
    one, two = chain("SU_patch", 2)
    before, client = versions(two), site.client("dafab_admin")
    second = {"rel": PREDECESSOR, "href": "SU_patched"}
    for operation in (change("insert", "/links/-", second), change("update", "/links", [])):
        with pytest.raises(Refused, match="which versions there are"):
            client.patch_documents([two], [operation])
    related = {"rel": "related", "href": "SU_patched"}
    client.patch_documents([two], [change("insert", "/links/-", related)])
    assert versions(two) == before
    assert related in document(two)["links"]
    assert versions(one)[SUCCESSOR] == two


def test_older_versions_leave_through_rucios_own_deletion(
    chain: Any, publish: Any, make_item: Any, database: Any, in_server: Any, names: Any, versions: Versions
) -> None:
    contents = {"mask": b"bytes"}
    stem = "SU_keep"
    for number in range(1, 4):
        item = make_item(f"{stem}_{number}", "water_analysis", assets=("mask",), platform=stem)
        publish(item, contents, **({"predecessor": f"{stem}_{number - 1}"} if number > 1 else {}))
    newest = make_item(f"{stem}_4", "water_analysis", assets=("mask",), platform=stem)
    options = {"predecessor": f"{stem}_3", "keep": 1}

    dry = publish(newest, contents, dry_run=True, **options)
    assert (dry.outcome, dry.leaving) == ("created", (f"{stem}_2", f"{stem}_1"))
    assert expired(database, stem) == set()
    assert versions(f"{stem}_3") == {PREDECESSOR: f"{stem}_2"}

    done = publish(newest, contents, **options)
    assert done == dry
    assert expired(database, stem) == {f"{stem}_{n}{end}" for n in (1, 2) for end in ("", "_assets")}
    assert publish(newest, contents, **options).outcome == "unchanged"
    for _ in range(8):
        ran = in_server(DAEMONS)
        assert ran.returncode == 0, ran.stderr
        left = {name for (name,) in database.execute("SELECT name FROM rucio.dids WHERE name LIKE 'SU_keep%'")}
        if not any(name.startswith((f"{stem}_1", f"{stem}_2")) for name in left):
            break
    assert left == {f"{stem}_{n}{end}" for n in (3, 4) for end in ("", "_assets", ".mask.tif")}
    assert names({"platform": stem, "latest.in": "true|false"}) == {f"{stem}_3", f"{stem}_4"}
    assert database.execute("SELECT count(*) FROM dafab.link WHERE name = 'SU_keep_2'").fetchone() == (0,)


def expired(database: Any, stem: str) -> set[str]:
    """Return the DIDs of a stem that Rucio is to delete."""
    rows = database.execute("SELECT name FROM rucio.dids WHERE name LIKE %s AND expired_at IS NOT NULL", (f"{stem}%",))
    return {name for (name,) in rows}


def test_who_may_not_delete_cannot_let_older_ones_leave(
    chain: Any, publish: Any, make_item: Any, database: Any
) -> None:
    (one,) = chain("SU_denied", 1, collection="sentinel_2_l2a")
    with pytest.raises(NotPermitted):
        publish(make_item("SU_denied_2"), account="dafab_skim", predecessor=one, keep=0)
    assert expired(database, "SU_denied") == set()


def test_when_the_latest_is_deleted_the_one_before_is_the_latest(
    chain: Any, database: Any, names: Any, site: Any, in_server: Any
) -> None:
    _, two, three = chain("SU_gone", 3)
    assert names({"platform": "SU_gone"}) == {three}
    for name in (three, f"{three}_assets"):
        site.client().set_metadata("dafab", name, "lifetime", 1)
    for _ in range(8):
        assert in_server(DAEMONS).returncode == 0
        if names({"platform": "SU_gone"}) == {two}:
            break
    assert names({"platform": "SU_gone"}) == {two}


def test_the_links_of_loaded_files_say_what_is_the_latest(site: Any, make_item: Any, names: Any, tmp_path: Any) -> None:
    items = [make_item(f"SU_load_{number}", "water_analysis", platform="SU_load") for number in range(1, 4)]
    for number, item in enumerate(items[1:], start=1):
        item["links"] = [{"rel": PREDECESSOR, "href": f"SU_load_{number}"}]
    # Whichever comes first: the successor may be loaded before its predecessor.
    file = tmp_path / "items.ndjson"
    for turn in ([items[2]], [items[1]], [items[0]]):
        file.write_text("".join(json.dumps(each) + "\n" for each in turn))
        site.dafab("catalogue", "load", str(file), "--json")
    assert names({"platform": "SU_load"}) == {"SU_load_3"}
    assert names({"platform": "SU_load", "latest": "false"}) == {"SU_load_1", "SU_load_2"}
    items[2]["links"] = []
    file.write_text(json.dumps(items[2]) + "\n")
    site.dafab("catalogue", "load", str(file), "--update", "--json")
    assert names({"platform": "SU_load"}) == {"SU_load_2", "SU_load_3"}


def test_versions_that_are_written_at_the_same_moment_know_each_other(
    site: Any, make_item: Any, names: Any, tmp_path: Any
) -> None:
    items = [make_item(f"SU_moment_{number:02}", "water_analysis", platform="SU_moment") for number in range(40)]
    for before, item in pairwise(items):
        item["links"] = [{"rel": PREDECESSOR, "href": before["id"]}]
    file = tmp_path / "items.ndjson"
    file.write_text("".join(json.dumps(item) + "\n" for item in items))
    site.dafab("catalogue", "load", str(file), "--batch", "1", "--json")
    assert names({"platform": "SU_moment"}) == {"SU_moment_39"}
