"""``rucio-dafab place`` on a running site: replicas at two RSEs, and what Rucio does not have."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from argo_templates.placement import replicas
from argo_templates.placement.errors import NoReplica, UnknownItem
from argo_templates.placement.figures import load_figures
from argo_templates.steps.bring import BringInput, bring
from argo_templates.steps.place import PlaceInput
from argo_templates.steps.place import place as place_step
from dasi_backend.errors import ChecksumError
from rucio_dafab.client import NotFound, PublishRequest
from rucio_dafab.site.home import RSES

pytestmark = pytest.mark.integration

MELUXINA, CLOUD = RSES
MEGABYTE = bytes(1_000_000)
SITES = {
    "supercomputer": """
name: supercomputer
runtime: hpk
rse: MELUXINA
queues:
  - {name: cpu, device: cpu-2-cores, cores: 8, memory_gib: 64, start_seconds: 5}
  - {name: gpu, device: nvidia-a100, cores: 8, memory_gib: 64, gpus: 1}
links: {CLOUD: {bytes_per_second: 250_000_000, latency_seconds: 2}}
""",
    "cloud": """
name: cloud
runtime: kubernetes
rse: CLOUD
queues: [{name: cpu, device: cpu-2-cores, cores: 8, memory_gib: 64, start_seconds: 4}]
links: {MELUXINA: {bytes_per_second: 250_000_000, latency_seconds: 2}}
""",
}


@pytest.fixture
def product(site: Any, tmp_path: Path) -> Callable[..., str]:
    """Return a function that publishes an item with a file on each of the RSEs named, and gives its name."""
    client = site.client("dafab_admin")

    def publish(**rses: str) -> str:
        name = f"placed_{uuid.uuid4().hex[:10]}"
        files = {}
        for asset, rse in rses.items():
            path = tmp_path / f"{asset}.tif"
            path.write_bytes(MEGABYTE)
            files[asset] = client.upload(path, rse, f"{name}.{asset}.tif")
        ring = [[6.0, 49.0], [7.0, 49.0], [7.0, 50.0], [6.0, 50.0], [6.0, 49.0]]
        item = {
            "type": "Feature",
            "stac_version": "1.1.0",
            "id": name,
            "collection": "water_analysis",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [6.0, 49.0, 7.0, 50.0],
            "properties": {"datetime": "2026-06-01T10:00:00Z", "proj:shape": [1024, 1024]},
            "assets": {asset: {"href": f"{asset}.tif"} for asset in rses},
            "links": [],
        }
        client.publish(PublishRequest("dafab", item, files))
        return name

    return publish


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    """Return a folder with two sites, one for each RSE."""
    folder = tmp_path / "sites"
    folder.mkdir()
    for name, text in SITES.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def place(site: Any, sites: Path) -> Callable[..., Any]:
    """Return a function that places an item and gives what JSON says."""

    def ask(*arguments: str) -> Any:
        return json.loads(site.dafab("place", *arguments, "--sites", str(sites), "--json"))

    return ask


def by_queue(placed: Any) -> dict[str, Any]:
    return {f"{each['site']}/{each['queue']}": each for each in placed["candidates"]}


def per_chip(model: str) -> float:
    seconds = load_figures().seconds_per_chip(model, "cpu-2-cores")
    assert seconds is not None
    return seconds


def test_it_is_placed_where_its_replica_is(product: Callable[..., str], place: Callable[..., Any]) -> None:
    name = product(mask=MELUXINA)
    (placed,) = place(name)
    assert placed["chosen"]["rse"] == MELUXINA and placed["chosen"]["bytes_moved"] == 0
    known = by_queue(placed)
    assert set(known) == {"supercomputer/cpu", "supercomputer/gpu", "cloud/cpu"}
    # 25 chips cover 1024² pixels: starts at 0, 224, 448, 672 and 768.
    assert known["supercomputer/cpu"]["compute_seconds"] == pytest.approx(25 * (per_chip("water") + per_chip("fields")))
    (move,) = known["cloud/cpu"]["moves"]
    assert (move["source"], move["target"], move["bytes"]) == (MELUXINA, CLOUD, len(MEGABYTE))
    assert known["cloud/cpu"]["transfer_seconds"] == pytest.approx(2 + len(MEGABYTE) / 250e6)
    assert known["supercomputer/gpu"]["refused"] == "no measured seconds of water, fields on nvidia-a100"


def test_replicas_at_both_leave_nothing_to_bring(
    site: Any, product: Callable[..., str], place: Callable[..., Any], tmp_path: Path
) -> None:
    name = product(mask=MELUXINA)
    (before,) = place(name, "--site", "cloud")
    client = site.client("dafab_admin")
    path = tmp_path / "mask.tif"
    second = client.upload(path, CLOUD, f"{name}.mask.tif")
    line = {"scope": "dafab", "name": second.name, "bytes": second.bytes, "adler32": second.adler32, "md5": second.md5}
    site.rucio_client("dafab_admin").add_replicas(CLOUD, [line])
    (after,) = place(name, "--site", "cloud")
    assert (before["chosen"]["bytes_moved"], after["chosen"]["bytes_moved"]) == (len(MEGABYTE), 0)


def test_files_at_different_places_are_brought_together(product: Callable[..., str], place: Callable[..., Any]) -> None:
    (placed,) = place(product(mask=MELUXINA, cover=CLOUD))
    moved = {each["rse"]: each["bytes_moved"] for each in placed["candidates"] if "refused" not in each}
    assert moved == {MELUXINA: len(MEGABYTE), CLOUD: len(MEGABYTE)}


def test_many_items_are_asked_for_by_one_question(site: Any, product: Callable[..., str]) -> None:
    names = [product(mask=MELUXINA), product(mask=CLOUD), product(mask=MELUXINA)]
    client = site.client("user_dafab")
    asked: list[str] = []
    send = client._send_request

    def counted(url: str, *arguments: Any, **settings: Any) -> Any:
        asked.append(url)
        return send(url, *arguments, **settings)

    client._send_request = counted
    tasks = replicas.tasks_of(client, names, ["water"])
    assert [task.item for task in tasks] == names
    assert [set(task.files[0].rses) for task in tasks] == [{MELUXINA}, {CLOUD}, {MELUXINA}]
    assert len(asked) == 1 and asked[0].endswith("/dafab/search")
    with pytest.raises(UnknownItem):
        replicas.tasks_of(client, [*names, "never_published"], ["water"])


def test_the_table_explains_the_choice(site: Any, sites: Path, product: Callable[..., str]) -> None:
    name = product(mask=MELUXINA)
    lines = site.dafab("place", name, "--explain", "--sites", str(sites)).splitlines()
    assert lines[0].startswith(f"{name}: supercomputer/cpu (hpk), where the data are, ")
    assert lines[1].split()[:4] == ["site", "queue", "runtime", "RSE"]
    assert lines[2].split()[:4] == ["supercomputer", "cpu", "hpk", MELUXINA] and lines[2].split()[-1] == "chosen"
    assert lines[-1].rstrip().endswith("refused: no measured seconds of water, fields on nvidia-a100")


def test_what_cannot_be_placed_is_one_line(site: Any, product: Callable[..., str]) -> None:
    empty, lost = product(), product(mask=CLOUD)
    files = [{"scope": "dafab", "name": f"{lost}.mask.tif", "state": "U"}]
    site.rucio_client("dafab_admin").update_replicas_states(CLOUD, files)
    for arguments, line in (
        (["never_published"], f"error: {site.url} knows no item dafab:never_published"),
        (["../etc"], "error: '../etc' is no name of an item"),
        ([empty], f"error: {empty} has no files in Rucio"),
        ([lost], f"error: {lost}: {lost}.mask.tif has no replica"),
    ):
        ended = site.run_dafab("place", *arguments, "--explain")
        assert (ended.returncode, ended.stderr.splitlines()) == (1, [line])


def test_the_sites_that_ship_place_what_is_on_the_storage_of_the_site(site: Any, product: Callable[..., str]) -> None:
    (placed,) = json.loads(site.dafab("place", product(mask=CLOUD), "--json"))
    assert {each["site"] for each in placed["candidates"]} == {"meluxina", "cloud", "local"}
    assert placed["chosen"]["rse"] == CLOUD


def test_no_room_now_is_exit_status_75(site: Any, product: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    queue = "{name: cpu, device: cpu-2-cores, cores: 8, free_cores: 1, memory_gib: 64}"
    (folder / "full.yaml").write_text(f"name: full\nruntime: slurm\nrse: {CLOUD}\nqueues: [{queue}]\n")
    name = product(mask=CLOUD)
    ended = site.run_dafab("place", name, "--sites", str(folder), "--policy", "refuse")
    assert ended.returncode == 75
    assert ended.stderr == f"error: {name} can be placed nowhere: full/cpu: no free slot now\n"
    assert site.run_dafab("place", name, "--sites", str(folder)).returncode == 0


def test_a_site_that_does_not_answer(site: Any, tmp_path: Path, dafab_at: Any) -> None:
    config = ConfigParser(interpolation=None)
    config.read(site.home.client_config("user_dafab"), encoding="utf-8")
    for option in ("rucio_host", "auth_host"):
        config["client"][option] = "http://127.0.0.1:1"
    home = type(site.home)(tmp_path / "home")
    home.client_config("user_dafab").parent.mkdir(parents=True)
    with home.client_config("user_dafab").open("w") as file:
        config.write(file)
    ended = dafab_at(home, "place", "anything")
    assert ended.returncode == 75
    assert ended.stderr == "error: no Rucio server answers at http://127.0.0.1:1\n"


@pytest.fixture
def at_home(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let steps find the site, as their pods do."""
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))


@pytest.mark.usefixtures("at_home")
def test_after_a_forced_move_rucio_knows_both_replicas(
    site: Any, sites: Path, product: Callable[..., str], tmp_path: Path
) -> None:
    name, work = product(mask=MELUXINA, cover=CLOUD), str(tmp_path / "work")
    told = place_step(PlaceInput(item=name, site="cloud", sites=str(sites)))
    assert (told.site, told.runtime, told.queue, told.rse) == ("cloud", "kubernetes", "cpu", CLOUD)
    assert told.bytes_to_bring == len(MEGABYTE) and told.seconds > 0
    brought = bring(BringInput(item=name, rse=told.rse, work=work))
    assert (brought.files, brought.bytes) == (1, len(MEGABYTE))
    dids = [{"scope": "dafab", "name": f"{name}.mask.tif"}]
    (known,) = site.rucio_client("user_dafab").list_replicas(dids)
    assert set(known["rses"]) == {MELUXINA, CLOUD}
    assert place_step(PlaceInput(item=name, site="cloud", sites=str(sites))).bytes_to_bring == 0
    assert bring(BringInput(item=name, rse=CLOUD, work=work)).files == 0
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.usefixtures("at_home")
def test_a_file_that_was_brought_but_not_registered_is_registered_by_the_next_run(
    site: Any, product: Callable[..., str], tmp_path: Path
) -> None:
    name = product(mask=MELUXINA)
    path = tmp_path / "mask.tif"
    path.write_bytes(MEGABYTE)
    site.client("dafab_skim").upload(path, CLOUD, f"{name}.mask.tif")
    assert bring(BringInput(item=name, rse=CLOUD, work=str(tmp_path))).files == 1
    (found,) = replicas.find_items(site.client("user_dafab"), [name])
    assert {each.rse for each in found.assets["mask"].replicas} == {MELUXINA, CLOUD}


@pytest.mark.usefixtures("at_home")
def test_what_cannot_be_brought_leaves_nothing_registered(
    site: Any, product: Callable[..., str], tmp_path: Path
) -> None:
    name, work = product(mask=MELUXINA), str(tmp_path)
    with pytest.raises(NotFound, match="knows no RSE MOON"):
        bring(BringInput(item=name, rse="MOON", work=work))
    (stored,) = (site.home.rse(MELUXINA)).rglob(f"{name}.mask.tif")
    stored.write_bytes(MEGABYTE[:-1] + b"x")
    with pytest.raises(ChecksumError, match="is damaged"):
        bring(BringInput(item=name, rse=CLOUD, work=work))
    client = site.rucio_client("dafab_admin")
    client.update_replicas_states(MELUXINA, [{"scope": "dafab", "name": f"{name}.mask.tif", "state": "U"}])
    with pytest.raises(NoReplica, match="has no replica"):
        bring(BringInput(item=name, rse=CLOUD, work=work))
    assert not list(site.home.rse(CLOUD).rglob(f"{name}.mask.tif"))


def run_pod(site: Any, folder: Path, /, **parameters: str) -> Any:
    """Run the step ``place`` with the command of a template, parameters as texts."""
    script = folder / "script"
    script.write_text(json.dumps([{"name": name, "value": value} for name, value in parameters.items()]))
    environment = {
        "PATH": os.environ["PATH"],
        "DAFAB_HOME": str(site.home.root),
        "HOME": str(folder),
        "USER": "dafab",
        "hera__outputs_directory": str(folder / "outputs"),
    }
    command = [sys.executable, "-W", "error", "-m", "argo_templates.pod", "-e", "argo_templates.steps.place:place"]
    return subprocess.run(
        [*command, str(script)], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_pod_writes_flat_values(site: Any, sites: Path, product: Callable[..., str], tmp_path: Path) -> None:
    asked = {"models": "water", "site": "", "policy": "queue", "seconds_per_euro": "0.5", "sites": str(sites)}
    ended = run_pod(site, tmp_path, item=product(mask=MELUXINA), **asked)
    assert ended.returncode == 0, ended.stderr
    written = {path.name: path.read_text() for path in (tmp_path / "outputs" / "parameters").iterdir()}
    assert written["site"] == "supercomputer" and written["runtime"] == "hpk" and written["queue"] == "cpu"
    assert (written["rse"], written["bytes_to_bring"]) == (MELUXINA, "0")
    assert float(written["seconds"]) == pytest.approx(5 + 25 * per_chip("water"), abs=1e-3)
    (sites / "cloud.yaml").unlink()
    (sites / "supercomputer.yaml").write_text(SITES["supercomputer"].replace("cores: 8", "cores: 8, free_cores: 0"))
    refused = run_pod(site, tmp_path, item=product(mask=MELUXINA), **asked | {"policy": "refuse"})
    assert refused.returncode == 75
    assert "supercomputer/cpu: no free slot now" in refused.stderr.splitlines()[-1]
