"""Counts of a real site against counts in Python."""

import json
from collections import Counter
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ITEMS = [
    # name, west, month, cloud cover, instruments, class
    ("FA_0", 1.2, "2026-01", 3.0, ["msi"], "dafab:RiverineFlood"),
    ("FA_1", 1.4, "2026-01", 3.0, ["msi", "sar"], "dafab:Drought"),
    ("FA_2", 7.7, "2026-02", 50.0, [], "dafab:Drought"),
    ("FA_3", -121.1, "2026-03", None, None, None),
]


@pytest.fixture(scope="module")
def filled(site: Any, make_item: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load the items."""
    file = tmp_path_factory.mktemp("facets") / "items.ndjson"
    lines = []
    for name, west, month, cloud, instruments, theme in ITEMS:
        own = {
            "eo:cloud_cover": cloud,
            "instruments": instruments,
            "datetime": f"{month}-10T00:00:00Z",
            "hint": name[-1],
        }
        known = {key: value for key, value in own.items() if value is not None}
        lines.append(json.dumps(make_item(name, box=(west, 45.2, west + 0.2, 45.4), theme=theme, **known)))
    file.write_text("\n".join(lines))
    assert json.loads(site.dafab("catalogue", "load", str(file), "--json"))["created"] == len(ITEMS)


def facets(site: Any, *arguments: str) -> dict[Any, int]:
    output = site.dafab("catalogue", "facets", "--json", "--cql2", "id LIKE 'FA%'", *arguments)
    counted = [(json.dumps(each["value"]), each["count"]) for each in json.loads(output)]
    assert [count for _, count in counted] == sorted((count for _, count in counted), reverse=True)
    return {json.loads(value): count for value, count in counted}


def test_counts(site: Any, filled: None) -> None:
    assert facets(site, "--by", "month") == Counter(month for _, _, month, *_ in ITEMS)
    assert facets(site, "--by", "eo:cloud_cover") == {3.0: 2, 50.0: 1, None: 1}
    assert facets(site, "--by", "instruments") == {"msi": 2, "sar": 1, None: 2}
    assert facets(site, "--by", "/properties/hint") == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert facets(site, "--by", "collection") == {"sentinel_2_l2a": 4}
    classes = facets(site, "--by", "class")
    assert sorted(classes.values()) == [1, 1, 2]
    assert classes[None] == 1


def test_cells_can_be_asked_for(site: Any, filled: None) -> None:
    cells = facets(site, "--by", "grid", "--cell", "2")
    assert cells == {"0_44_2_46": 2, "6_44_8_46": 1, "-122_44_-120_46": 1}
    for cell, count in cells.items():
        question = f"geometry.intersects={cell}"
        inside = site.dafab("catalogue", "facets", "--filter", f"{question},name=FA*")
        assert int(inside) == count


def test_a_class_counts_with_what_is_below_it(site: Any, filled: None) -> None:
    alone, rolled_up = facets(site, "--by", "class"), facets(site, "--by", "class", "--subclasses")
    assert rolled_up.items() > alone.items()
    anomaly = next(value for value in rolled_up if value is not None and value.endswith("#WaterAnomaly"))
    assert anomaly not in alone
    assert rolled_up[anomaly] == sum(theme is not None for *_, theme in ITEMS)
    assert int(site.dafab("catalogue", "facets", "--cql2", "id LIKE 'FA%' AND isA(theme, 'WaterAnomaly')")) == 3


def test_where_few_answer_an_estimate_is_exact(site: Any, filled: None) -> None:
    assert facets(site, "--by", "month", "--estimate") == facets(site, "--by", "month")


def test_the_most_frequent_come_first(site: Any, filled: None) -> None:
    assert facets(site, "--by", "month", "--most", "1") == {"2026-01": 2}


def test_an_estimate_says_that_it_is_one(site: Any, filled: None) -> None:
    exact = json.loads(site.dafab("catalogue", "facets", "--cql2", "id LIKE 'FA%'", "--json"))
    assert exact == {"count": len(ITEMS), "exact": True}
    guessed = json.loads(site.dafab("catalogue", "facets", "--estimate", "--filter", "eo:cloud_cover.lt=5", "--json"))
    assert guessed["exact"] is False
    assert isinstance(guessed["count"], int)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--by", "grid", "--cell", "0"), "0.01"),
        (("--by", "grid", "--cell", "nan"), "0.01"),
        (("--by", "month", "--subclasses"), "subclasses"),
        (("--filter", "a=1", "--cql2", "b = 1"), "--cql2"),
        (("--cql2", "a ="), "CQL2"),
        (("--by", "/properties/~2"), "~2"),
        (("--by", "geometry"), "cannot be counted by geometry: grid does, or month, class, grid, collection"),
        (("--by", "theme"), "cannot be counted by theme: class does"),
        (("--by", "did_type"), "no document that was found has did_type: count by month, class, grid, collection"),
        (("--by", "nope_such"), "or any property that documents have"),
    ],
)
def test_refusals_are_one_line(site: Any, arguments: tuple[str, ...], reason: str) -> None:
    ran = site.run_dafab("catalogue", "facets", *arguments)
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1
    assert reason in ran.stderr
