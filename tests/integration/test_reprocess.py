"""``rucio-dafab reprocess plan`` on a running site: what the catalogue tells of products becomes a list."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.client import PublishRequest

pytestmark = pytest.mark.integration


def publish(site: Any, scene: str, version: int, trust: float, west: float) -> None:
    ring = [[west, 49.0], [west + 1, 49.0], [west + 1, 50.0], [west, 50.0], [west, 49.0]]
    agreement = {"ai_noai": {"iou_score_water": trust}}
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": f"{scene}_water_analysis_{version}",
        "collection": "water_analysis",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, 49.0, west + 1, 50.0],
        "properties": {
            "datetime": "2026-06-01T10:00:00Z",
            "proj:shape": [2048, 2048],
            "dafab:water-analysis": {
                "water_analysis_algorithm_version": version,
                "trustworthiness_observed_water_mask": agreement,
            },
        },
        "assets": {},
        "links": [],
    }
    site.client("dafab_admin").publish(PublishRequest("dafab", item, {}))


def plan(site: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("rucio-dafab")), "reprocess", "plan", "--model", "water", *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "RUCIO_CONFIG"}
    environment |= {"DAFAB_HOME": str(site.home.root)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_products_are_listed_by_what_they_gain(site: Any) -> None:
    mark = f"re{uuid.uuid4().hex[:10]}"
    publish(site, f"{mark}a", 100, 0.9, 6.0)
    publish(site, f"{mark}b", 100, 0.2, 6.0)
    publish(site, f"{mark}c", 100, 0.6, 30.0)
    publish(site, f"{mark}d", 900, 0.0, 6.0)
    among = ("--filter", f"id LIKE '{mark}%'")
    told = json.loads(plan(site, "--to", "310", *among, "--json").stdout)
    assert [each["scene"] for each in told["chosen"]] == [f"{mark}b", f"{mark}c", f"{mark}a"]
    assert told["filter"] == f"id IN ('{mark}a', '{mark}b', '{mark}c')"
    assert told["seconds"] > 0 and told["joules"] > 0
    # Enough for one of the three alike, not for two.
    budget = f"{told['seconds'] / 2:.1f}s"
    east = ("--interest", "S_INTERSECTS(geometry, BBOX(30, 49, 31, 50))", "--weight", "5")
    told = json.loads(plan(site, "--to", "310", *among, *east, "--json").stdout)
    assert told["chosen"][0]["scene"] == f"{mark}c" and told["chosen"][0]["wanted"]
    shown = plan(site, "--to", "310", *among, "--budget", budget).stdout
    assert f"{mark}b_water_analysis_100" in shown and "2 left out" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "310", "--budget", "soon"), "--budget soon"),
        (("--to", "310", "--at", "moon"), "--at moon"),
        (("--to", "310", "--filter", "cloud <"), "the CQL2 text ends"),
        (("--to", "310", "--submit", "--local"), "--submit and --local"),
        (("--to", "310", "--model", "clouds"), "clouds"),
    ],
)
def test_what_cannot_be_planned_is_said_in_one_line(site: Any, arguments: tuple[str, ...], said: str) -> None:
    ended = plan(site, *arguments)
    assert ended.returncode != 0
    assert said in ended.stderr and "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
