"""Links by rule on a real catalogue: the right ones and no others, again and again, and those of people untouched."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rucio_dafab.stac.links import named_by, rule_of
from rucio_dafab.stac.validate import check_document

pytestmark = pytest.mark.integration

WATER, FIELDS = "water_analysis", "smart_agriculture"
HERE, HALF, THERE = (6.0, 49.0, 7.0, 50.0), (6.4, 49.0, 7.4, 50.0), (8.0, 49.0, 9.0, 50.0)
THEMES = {FIELDS: "FieldBoundaries"}
Document = dict[str, Any]
Links = set[tuple[str, str, str]]
NUMBERS = count()

RIGHT: Links = {
    ("fields_2026", "same_scene", "water_2026"),
    ("fields_2025", "same_scene", "water_2025"),
    ("fields_2026", "earlier_season", "fields_2025"),
    ("fields_2025", "earlier_season", "fields_2024"),
    ("water_2026", "observed_event", "storm"),
    ("water_2026", "observed_event", "storm_point"),
}


class World:
    """A scope of its own with items, and the commands on it."""

    def __init__(self, site: Any, database: psycopg.Connection[Any], scope: str, make_item: Any, folder: Path) -> None:
        self.site, self.database, self.scope, self.make_item, self.folder = site, database, scope, make_item, folder

    def item(self, name: str, collection: str, when: str, box: Any = HERE, **more: Any) -> Document:
        made: Document = self.make_item(
            name, collection, box, theme=more.pop("theme", THEMES.get(collection)), datetime=when
        )
        source = more.pop("source", None)
        made["links"] = [{"rel": "derived_from", "href": source}] if source else []
        return made | more

    def load(self, *items: Document) -> None:
        file = self.folder / "items.ndjson"
        file.write_text("".join(json.dumps(each) + "\n" for each in items))
        told = json.loads(self.site.dafab("catalogue", "load", str(file), "--scope", self.scope, "--update", "--json"))
        assert (told["rejected"], told["skipped"]) == (0, 0)

    def interlink(self, *options: str) -> Document:
        told: Document = json.loads(
            self.site.dafab("catalogue", "interlink", "--scope", self.scope, "--json", *options)
        )
        return told | {
            "added": sum(each["added"] for each in told["rules"]),
            "removed": sum(each["removed"] for each in told["rules"]),
            "documents": sum(each["documents"] for each in told["rules"]),
        }

    def documents(self) -> dict[str, Document]:
        rows = self.database.execute("SELECT name, document FROM dafab.document WHERE scope = %s", (self.scope,))
        return {name: json.loads(text) for name, text in rows}

    def by_rule(self) -> Links:
        """Return the links by rule that the documents have; the table must say the same."""
        found = {
            (name, link["rel"], target[1])
            for name, document in self.documents().items()
            for link in document["links"]
            if rule_of(link) and (target := named_by(link["href"])) is not None
        }
        rows = self.database.execute(
            "SELECT name, rel, target_name FROM dafab.link WHERE scope = %s AND rule IS NOT NULL", (self.scope,)
        )
        assert found == set(rows.fetchall())
        return found

    def names(self, question: str) -> set[str]:
        return {each.name for each in self.site.client("user_dafab").search(self.scope, question, filter_lang="rucio")}


@pytest.fixture
def world(
    site: Any, database: psycopg.Connection[Any], make_scopes: Any, make_item: Any, tmp_path: Path
) -> Iterator[World]:
    """Return scenes of three years with products, and events; some fit no rule by a little."""
    scope = f"interlink.{next(NUMBERS)}"
    make_scopes(scope, collections=(FIELDS, WATER, "events"))
    world = World(site, database, scope, make_item, tmp_path)
    spring = {year: f"{year}-05-01T10:00:00Z" for year in (2024, 2025, 2026)}
    point = {"geometry": {"type": "Point", "coordinates": [6.5, 49.5]}, "bbox": [6.5, 49.5, 6.5, 49.5]}
    span = world.item("storm", "events", spring[2026], HALF, theme="Hurricane")
    span["properties"] |= {"start_datetime": "2026-04-01T00:00:00Z", "end_datetime": "2026-04-25T00:00:00Z"}
    world.load(
        world.item("water_2025", WATER, spring[2025], source="scene_2025"),
        world.item("water_2026", WATER, spring[2026], source="scene_2026", theme="Flood"),
        world.item("water_other", WATER, spring[2026], THERE, source="scene_other", theme="Flood"),
        world.item("fields_2024", FIELDS, spring[2024], source="scene_2024"),
        world.item("fields_2025", FIELDS, spring[2025], HALF, source="scene_2025"),
        # Nearer in time, and no delineation: stored parcels that were counted again.
        world.item("recount_2025", FIELDS, "2025-05-02T10:00:00Z", theme="FieldProduct"),
        world.item("fields_beside", FIELDS, "2025-06-20T10:00:00Z", (6.7, 49, 7.7, 50), source="scene_june"),
        world.item("fields_2026", FIELDS, spring[2026], source="scene_2026"),
        world.item("fields_there", FIELDS, spring[2025], THERE),
        span,
        world.item("storm_point", "events", "2026-05-11T10:00:00Z", theme="Hurricane", **point),
        world.item("storm_late", "events", "2026-05-11T10:00:01Z", theme="Hurricane"),
        world.item("storm_nowhere", "events", spring[2026], (7.1, 49, 7.9, 50), theme="Hurricane"),
        world.item("no_event", "events", spring[2026], theme="CropField"),
    )
    yield world


def test_right_links_none_wrong_both_directions_and_again(world: World) -> None:
    before = world.documents()
    dry = world.interlink("--dry-run")
    assert (dry["added"], dry["removed"], dry["documents"]) == (6, 0, 5)
    assert world.documents() == before
    assert world.interlink()["added"] == 6
    assert world.by_rule() == RIGHT
    for name, document in world.documents().items():
        check_document(document)
        assert [each for each in document["links"] if not rule_of(each)] == before[name]["links"]
        assert document | {"links": []} == before[name] | {"links": []}
    assert world.names("id.link:earlier_season=fields_2024") == {"fields_2025"}
    assert world.names("id.linked_by:observed_event=water_2026") == {"storm", "storm_point"}
    assert world.names("theme.link:observed_event.isa=Event") == {"water_2026"}
    after = world.database.execute("SELECT name, updated_at FROM dafab.document WHERE scope = %s", (world.scope,))
    stamps = after.fetchall()
    again = world.interlink()
    assert (again["added"], again["removed"], again["documents"]) == (0, 0, 0)
    unchanged = world.database.execute("SELECT name, updated_at FROM dafab.document WHERE scope = %s", (world.scope,))
    assert unchanged.fetchall() == stamps


@pytest.mark.parametrize("incremental", [True, False])
def test_changed_items_lose_what_no_longer_holds_and_get_what_does(world: World, incremental: bool) -> None:
    began = world.interlink()["began"]
    person = {"rel": "observed_event", "href": "storm_late", "title": "seen by a person"}
    client = world.site.client("dafab_admin")
    client.patch_documents(["water_2026"], [{"op": "insert", "path": "/links/-", "value": person}], scope=world.scope)
    moved = world.item("storm", "events", "2026-06-30T10:00:00Z", HALF, theme="Hurricane")
    nearer = world.item("fields_2025_b", FIELDS, "2025-05-02T10:00:00Z")
    newer = world.item("water_2026_v2", WATER, "2026-05-01T10:00:00Z", source="scene_2026")
    newer["links"].append({"rel": "predecessor-version", "href": "water_2026"})
    world.load(moved, nearer, newer)
    told = world.interlink("--rule", "same-scene", *(("--since", began) if incremental else ()))
    assert (told["added"], told["removed"]) == (1, 1)
    told = world.interlink(*(("--since", began) if incremental else ()))
    assert world.by_rule() == {
        ("fields_2026", "same_scene", "water_2026_v2"),
        ("fields_2025", "same_scene", "water_2025"),
        ("fields_2026", "earlier_season", "fields_2025_b"),
        ("fields_2025", "earlier_season", "fields_2024"),
        ("fields_2025_b", "earlier_season", "fields_2024"),
    }
    # The superseded water has no more links by rule, and the person's as it was.
    assert person in world.documents()["water_2026"]["links"]
    assert world.interlink()["documents"] == 0


def test_what_is_deleted_is_no_longer_named(world: World) -> None:
    began = world.interlink()["began"]
    world.database.execute("DELETE FROM rucio.dids WHERE scope = %s AND name = 'fields_2025'", (world.scope,))
    told = world.interlink("--since", began)
    assert (told["added"], told["removed"]) == (0, 1)
    assert world.by_rule() == {each for each in RIGHT if "fields_2025" not in each}


def test_rules_that_change_or_go_take_their_links_along(world: World) -> None:
    rules = world.folder / "rules.toml"
    text = 'name="same"\nversion="{}"\nrelation="{}"\nfrom="smart_agriculture"\nto="water_analysis"\nsame_source=true\n'
    rules.write_text("[[rule]]\n" + text.format(1, "same_scene"))
    assert world.interlink("--rules", str(rules))["added"] == 2
    client = world.site.client("dafab_admin")
    same = {"rel": "same_scene", "href": "water_2026"}
    client.patch_documents(["fields_2026"], [{"op": "insert", "path": "/links/-", "value": same}], scope=world.scope)
    assert world.interlink("--rules", str(rules))["documents"] == 0
    rules.write_text("[[rule]]\n" + text.format(2, "sibling"))
    told = world.interlink("--rules", str(rules))
    assert (told["added"], told["removed"], told["documents"]) == (2, 2, 2)
    assert {each["dafab:rule"] for each in world.documents()["fields_2026"]["links"] if rule_of(each)} == {"same/2"}
    rules.write_text("")
    assert world.interlink("--rules", str(rules))["removed"] == 2
    assert world.by_rule() == set()
    assert same in world.documents()["fields_2026"]["links"]
    assert world.names("id.link:same_scene=water_2026") == {"fields_2026"}


def test_the_same_value_of_a_queryable_in_both_orders_of_time(world: World) -> None:
    rules = world.folder / "rules.toml"
    rules.write_text(
        '[[rule]]\nname="tile"\nversion="1"\nrelation="same_tile"\nfrom="smart_agriculture"\nto="water_analysis"\n'
        'same=["grid:code"]\ndays=1\n'
        '[[rule]]\nname="next"\nversion="1"\nrelation="next_water"\nfrom="water_analysis"\nto="water_analysis"\n'
        'same=["grid:code"]\norder="later"\ndays=3\ndays_at_least=1\nnearest=2\n'
    )
    written = {
        "f1": (FIELDS, "2020-05-02T10:00:00Z", "MGRS-31UGR"),
        "f2": (FIELDS, "2020-05-02T10:00:00Z", "MGRS-32UGR"),
        "w1": (WATER, "2020-05-01T10:00:00Z", "MGRS-31UGR"),
        "w2": (WATER, "2020-05-02T09:00:00Z", "MGRS-31UGR"),
        "w3": (WATER, "2020-05-03T10:00:00Z", "MGRS-31UGR"),
        "w4": (WATER, "2020-05-04T10:00:00Z", "MGRS-31UGR"),
        "w5": (WATER, "2020-05-03T10:00:01Z", "MGRS-32UGR"),
    }
    began = world.interlink("--rules", str(rules))["began"]
    items = [world.item(name, collection, when, THERE) for name, (collection, when, _) in written.items()]
    for item, (_, _, code) in zip(items, written.values(), strict=True):
        item["properties"]["grid:code"] = code
    world.load(*items)
    assert world.interlink("--rules", str(rules), "--since", began)["added"] == 6
    assert world.by_rule() == {
        ("f1", "same_tile", "w2"),
        ("w1", "next_water", "w3"),
        ("w1", "next_water", "w4"),
        ("w2", "next_water", "w3"),
        ("w2", "next_water", "w4"),
        ("w3", "next_water", "w4"),
    }
    assert world.interlink("--rules", str(rules))["documents"] == 0


def test_published_again_is_unchanged_in_spite_of_links_by_rule(
    world: World, make_item: Any, publish: Any, document: Any
) -> None:
    names = ("IL_water", "IL_fields")
    items = [make_item(name, each, (1, 1, 2, 2)) for name, each in zip(names, (WATER, FIELDS), strict=True)]
    for item in items:
        item["links"] = [{"rel": "derived_from", "href": "IL_scene"}]
        publish(item)
    world.scope = "dafab"
    assert world.interlink("--rule", "same-scene")["added"] == 1
    (made,) = (each for each in document("IL_fields")["links"] if rule_of(each))
    assert made["href"].startswith("http") and named_by(made["href"]) == (None, "IL_water")
    assert publish(items[1]).outcome == "unchanged"
    assert made in document("IL_fields")["links"]


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        ("[[rule", (), "rules.toml is no TOML"),
        ('[[rule]]\nname = "a"\n', (), "rule 1 (a): version is missing"),
        ("", ("--rule", "none"), "there is no rule none"),
        ("", ("--since", "yesterday"), "--since is no date"),
        (
            '[[rule]]\nname="a"\nversion="1"\nrelation="b"\nfrom="c"\nto="d"\nsame_source=true\nto_isa="Evennt"\n',
            (),
            "rule a: ",
        ),
    ],
)
def test_what_is_wrong_is_one_line(site: Any, tmp_path: Path, text: str, options: Any, reason: str) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(text)
    ran = site.run_dafab("catalogue", "interlink", "--rules", str(rules), *options)
    assert ran.returncode == 1
    assert reason in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
