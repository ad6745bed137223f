"""``rucio-dafab models``: what is shown without a site, and what is refused in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rucio_dafab.eo.model_items import SHIPPED, describe
from rucio_dafab.stac.validate import check_document


def models(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", "models", *arguments]
    environment = os.environ | {"DAFAB_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_list_names_the_nets_and_their_dids(tmp_path: Path) -> None:
    listed = json.loads(models("list", "--json", home=tmp_path).stdout)
    assert [each["model"] for each in listed] == list(SHIPPED)
    table = models("list", home=tmp_path)
    assert table.returncode == 0
    for each in listed:
        item = describe(each["model"]).item
        assert each["did"] == f"dafab:{item['id']}"
        assert each["did"] in table.stdout
        assert f"{each['parameters']:,}" in table.stdout
        assert item["properties"]["dafab:model_checksum"] == f"1220{each['sha256']}"


@pytest.mark.parametrize("name", SHIPPED)
def test_show_prints_the_item(name: str, tmp_path: Path) -> None:
    shown = json.loads(models("show", name, "--json", home=tmp_path).stdout)
    check_document(shown)
    assert shown == describe(name).item
    for_people = models("show", name, home=tmp_path)
    assert for_people.returncode == 0
    assert shown["id"] in for_people.stdout
    assert "Apache-2.0" in for_people.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("show", "snow"), "error: no model snow: known are water, fields, water_radar"),
        (("register", "water", "snow", "ice"), "error: no model snow, ice: known are water, fields, water_radar"),
        (("register",), "error: no client configuration at "),
    ],
)
def test_a_refusal_is_one_line(arguments: tuple[str, ...], line: str, tmp_path: Path) -> None:
    refused = models(*arguments, home=tmp_path)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert refused.stderr.startswith(line)
