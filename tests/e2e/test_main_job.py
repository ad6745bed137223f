"""The main job by the commands that a user types: ``make demo``, the README's examples, real scenes."""

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.e2e.conftest import CHECKOUT, Shell

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

Said = subprocess.CompletedProcess[str]


def address(shell: Shell) -> str:
    url: str = json.loads((shell.home / "site.json").read_text())["url"]
    return url


def names(listing: Said) -> set[str]:
    assert listing.returncode == 0, listing.stderr
    return set(re.findall(r"dafab:([A-Za-z0-9._/-]+)", listing.stdout))


def test_the_demo_ends_with_every_answer_as_expected(shell: Shell, demo: Said) -> None:
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.count("as expected") == 5
    assert "sha256" in demo.stdout
    assert f"the site stays up at {address(shell)}" in demo.stdout
    assert "Traceback" not in demo.stderr


def test_the_demo_left_the_site_up(shell: Shell, demo: Said) -> None:
    with urllib.request.urlopen(f"{address(shell)}/dafab/health", timeout=30) as answer:
        assert json.load(answer)["status"] == "ok"
    assert shell.run(".venv/bin/rucio-dafab status").returncode == 0


def test_a_second_demo_finds_everything_there(shell: Shell, demo: Said) -> None:
    again = shell.run("make demo")
    assert again.returncode == 0, again.stdout + again.stderr
    assert re.search(r"^S2B_MSIL2A_\S+: unchanged$", again.stdout, re.MULTILINE)


def test_a_second_demo_while_one_runs_is_told_so(shell: Shell, demo: Said) -> None:
    lock = shell.home / "run" / "demo.lock"
    refused = shell.run(f"flock {lock} .venv/bin/rucio-dafab demo")
    assert refused.returncode == 75
    assert refused.stderr.strip() == f"error: another command is at work on {shell.home}: wait until it ends"


def readme_commands() -> list[str]:
    """Return the lines of the README that ask the catalogue, as they stand there."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^    ((?:rucio|dasi) .+)$", text, re.MULTILINE)


def test_the_readme_has_examples() -> None:
    assert len(readme_commands()) >= 2


@pytest.mark.parametrize("line", readme_commands())
def test_an_example_of_the_readme_works(shell: Shell, demo: Said, line: str, tmp_path: Path) -> None:
    said = shell.ask(f"cd {tmp_path} && {line}")
    assert said.returncode == 0, said.stderr
    assert "water_analysis" in said.stdout + said.stderr


def test_whoami(shell: Shell, demo: Said) -> None:
    said = shell.ask("rucio whoami")
    assert said.returncode == 0, said.stderr
    assert "dafab_admin" in said.stdout


def test_the_rolling_store_lists_the_scene(shell: Shell, demo: Said) -> None:
    said = shell.ask("dasi list --json")
    assert said.returncode == 0, said.stderr
    assert "s2b_msil2a_20260614" in said.stdout


def test_rucio_downloads_the_files_of_a_product(shell: Shell, demo: Said, tmp_path: Path) -> None:
    (item,) = names(shell.ask("rucio did list 'dafab:*' --filter 'theme.isa=Flood'"))
    said = shell.ask(f"rucio download dafab:{item}_assets --dir {tmp_path}")
    assert said.returncode == 0, said.stderr
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert f"{item}.observed_water.tif" in files, files


def test_a_scene_and_its_products_are_drawn(shell: Shell, demo: Said, tmp_path: Path) -> None:
    (scene,) = names(shell.ask("rucio did list 'dafab:S2B_*' --filter 'collection=sentinel_2_l2a'"))
    (flood,) = names(shell.ask("rucio did list 'dafab:*' --filter 'theme.isa=Flood'"))
    widths = []
    for item in (scene, flood):
        said = shell.ask(f"rucio-dafab show {item} --output {tmp_path}/{item}.png")
        assert said.returncode == 0, said.stderr
        assert scene in said.stdout
        with Image.open(tmp_path / f"{item}.png") as picture:
            widths.append(picture.width)
    # The scene beside both products, and beside one alone.
    assert widths[0] > widths[1] > 1000
    said = shell.ask(f"rucio-dafab report --filter 'name=S2B_*' --output {tmp_path}/page.html")
    assert said.returncode == 0, said.stderr
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f'id="{flood}"' in written
    assert written.count("data:image/png;base64,") == 2
    said = shell.ask(f"rucio-dafab show none --output {tmp_path}/none.png")
    assert said.returncode == 1
    assert said.stderr.strip() == "error: the catalogue has no item none"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("scene", "place", "elsewhere", "products"),
    [
        (
            "terramesh_433D_629L_3_1",
            "-72.5_-38.85_-72.46_-38.82",
            "@argentina",
            {"water_analysis", "smart_agriculture"},
        ),
        ("ftw_austria_a", "13.1_48.27_13.18_48.31", "@luxembourg", {"water_analysis", "smart_agriculture"}),
    ],
)
def test_a_real_scene_is_found_at_its_place(
    shell: Shell, demo: Said, shared: Path, scene: str, place: str, elsewhere: str, products: set[str]
) -> None:
    run = shell.run(f".venv/bin/rucio-dafab run {shared}/scenes/{scene} --json")
    assert run.returncode == 0, run.stderr
    report: dict[str, Any] = json.loads(run.stdout)
    assert {item["collection"] for item in report["items"]} == products | {"sentinel_2_l2a"}
    here = names(shell.ask(f"rucio did list 'dafab:*' --filter 'geometry.intersects={place}'"))
    assert here == {item["item"] for item in report["items"]}
    there = names(shell.ask(f"rucio did list 'dafab:*' --filter 'geometry.intersects={elsewhere}'"))
    assert not there & here


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("eo:cloud_cover.lss=20", "unknown operator"),
        ("eo:cloud_cover.lt=lots", "takes a number"),
        ("geometry.within=@luxemburg-city", "no area is called"),
        ("geometry.within=POLYGON((0 0|1 1|0 1|1 0|0 0))", "Self-intersection"),
        ("theme.isa=Flod", "did you mean"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(shell: Shell, demo: Said, question: str, answer: str) -> None:
    said = shell.ask(f"rucio did list 'dafab:*' --filter '{question}'")
    assert said.returncode != 0
    assert answer in said.stdout + said.stderr
    assert "Traceback" not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("scene", "answer"),
    [("no/such/folder", "no/such/folder"), ("docs", "not a scene folder")],
)
def test_what_is_no_scene_is_one_line(shell: Shell, demo: Said, scene: str, answer: str) -> None:
    said = shell.run(f".venv/bin/rucio-dafab run {scene}")
    assert said.returncode != 0
    last = said.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert answer in last
    assert "Traceback" not in said.stderr
