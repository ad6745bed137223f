"""``rucio-dafab scenes``, as it is typed: tables, JSON, plans, statuses and lines of refusal."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.cli.main import app
from rucio_dafab.eo.scene import open_scene
from rucio_dafab.eo.simulate import Options, simulate, write_safe
from rucio_dafab.terminal import guarded
from tests.unit.eo.sources.archive import Archive, Fault, as_json, running
from tests.unit.eo.sources.conftest import TABLE, node_path, odata_product

RAW = "S1A_IW_GRDH_1SDV_20200408T094800_20200408T094825_032039_03B3A9"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def safe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_safe(simulate(9, Options(size=96)), tmp_path_factory.mktemp("safe"))


@pytest.fixture
def archive(safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with running() as server:
        server.route("/odata/v1/Products", lambda asked: as_json(
            {"value": [odata_product(safe)] if "S2B_none" not in asked.query["$filter"][0] else []}))  # fmt: skip
        for path in (path for path in safe.rglob("*") if path.is_file()):
            server.files[node_path(safe, path.relative_to(safe).as_posix())] = path.read_bytes()
        table = tmp_path / "sources.toml"
        table.write_text(TABLE.format(url=server.url, hosts="[]"))
        monkeypatch.setenv("DAFAB_SOURCES", str(table))
        yield server


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def one(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            guarded(app, ["scenes", *arguments])
            status: Any = 0
        except SystemExit as stopped:
            status = stopped.code
        said = capsys.readouterr()
        return int(status or 0), said.out, said.err

    return one


def test_sources(run: Run, archive: Archive) -> None:
    status, out, _ = run("sources")
    assert status == 0
    assert "earth_search" in out
    assert "sentinel_1_rtc" in out
    assert {"cogs", "safe"} <= {each["name"] for each in json.loads(run("sources", "--json")[1])}


def test_search_prints_a_table_or_json(run: Run, archive: Archive, safe: Path) -> None:
    asked = ("search", "--from", "safe", "--bbox", "-6,49,7,50", "--time", "2026-06-01/2026-06-30", "--cloud", "20",
             "--tile", "T31UGR")  # fmt: skip
    status, out, _ = run(*asked)
    assert status == 0
    assert out.splitlines()[1].split() == [safe.stem, "2026-06-14", "5", "%", "600.0", "MB"]
    said = archive.asked[-1].query["$filter"][0]
    assert "value eq '31UGR'" in said.lower().replace("31ugr", "31UGR")
    assert "Start ge 2026-06-01T00:00:00.000Z and ContentDate/Start le 2026-06-30T23:59:59.999Z" in said
    (found,) = json.loads(run(*asked, "--json")[1])
    assert found["id"] == safe.stem
    assert found["checksums"] == [{"algorithm": "md5", "value": "035a4da8c5aff74ece4412f688901e14"}]
    assert run("search", "--from", "safe", "--id", "S2B_none")[1:] == ("", "nothing found\n")
    assert run("search", "--from", "safe", "--area", "@luxembourg")[0] == 0
    assert "geography'SRID=4326;POLYGON" in archive.asked[-1].query["$filter"][0]


def test_a_dry_run_says_what_would_come(run: Run, archive: Archive, safe: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    status, out, _ = run("fetch", safe.name, "--from", "safe", "--to", str(to), "--dry-run")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"{safe.stem}: 12 files, ")
    assert sum(line.startswith("  GRANULE/") and ".jp2  " in line for line in lines) == 7
    (told,) = json.loads(run("fetch", safe.name, "--from", "safe", "--to", str(to), "--dry-run", "--json")[1])
    assert told["outcome"] == "planned"
    assert told["bytes"] == sum(file["bytes"] for file in told["files"])
    assert not to.exists()
    assert not any("IMG_DATA" in asked.path for asked in archive.asked)


def test_fetch_brings_a_scene(run: Run, archive: Archive, safe: Path, tmp_path: Path) -> None:
    to = tmp_path / "to"
    status, out, err = run("fetch", safe.stem, "--from", "safe", "--to", str(to), "--bands", "b04, B08")
    assert (status, err) == (0, "")
    assert out.startswith(f"{to / safe.name}: fetched, ")
    assert set(open_scene(to / safe.name).bands) == {"B04", "B08"}
    assert (
        run("fetch", f"safe:{safe.stem}", "--to", str(to), "--bands", "B04")[1] == f"{to / safe.name}: here already\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("fetch", "x", "--from", "nowhere", "--to", "out"), "no source 'nowhere': known are "),
        (("fetch", "S2B_none", "--from", "safe", "--to", "out"), "safe has no product 'S2B_none'"),
        (("fetch", "scene", "--to", "out"), "'scene' is neither an address nor a Sentinel-2 product: say which source"),
        (
            ("fetch", RAW, "--to", "out"),
            f"{RAW} is raw Sentinel-1 (GRDH): only terrain-corrected backscatter (gamma0, RTC)",
        ),
        (("fetch", "SAFE", "--from", "safe", "--to", "out", "--bands", "B99"), "no band B99: known are B01"),
        (("fetch", "SAFE", "--from", "safe", "--to", "out", "--bands", "B04,VV"), "at safe has no VV"),
        (("search", "--from", "safe", "--bbox", "1,2,3"), "--bbox: not a geometry"),
        (("search", "--from", "safe", "--time", "June"), "'June' is not a time"),
        (("search", "--from", "safe", "--bbox", "1,2,3,4", "--area", "@luxembourg"), "only one of them"),
    ],
)
def test_refusals_are_one_line(
    run: Run, archive: Archive, safe: Path, arguments: tuple[str, ...], line: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*(safe.name if argument == "SAFE" else argument for argument in arguments))
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert line in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_no_account_is_one_line(run: Run, safe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CDSE_USERNAME", "CDSE_PASSWORD", "CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAFAB_SOURCE_CREDENTIALS", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with running() as server:
        server.route(
            "/odata/v1/Products", lambda _: as_json({"value": [odata_product(safe, S3Path=f"/eodata/{safe.name}")]})
        )
        table = tmp_path / "sources.toml"
        table.write_text(f'[providers.here]\nkind = "odata"\nurl = "{server.url}/odata/v1"\n'
                         'download_url = "https://download.dataspace.copernicus.eu/odata/v1"\n')  # fmt: skip
        monkeypatch.setenv("DAFAB_SOURCES", str(table))
        status, _, err = run("fetch", safe.name, "--from", "here", "--to", str(tmp_path / "to"))
    assert status == 1
    assert err == (
        "error: an account of Copernicus Data Space Ecosystem (https://dataspace.copernicus.eu) is needed: set "
        "CDSE_USERNAME and CDSE_PASSWORD, or CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY, or write [cdse] into "
        f"{tmp_path}/.config/rucio-dafab/sources.toml (mode 0600)\n"
    )


def test_what_another_try_may_mend_exits_75(run: Run, archive: Archive, safe: Path, tmp_path: Path) -> None:
    image = next(path for path in archive.files if path.endswith("_B04_10m.jp2)/$value"))
    archive.faults[image] = [Fault(429, {"Retry-After": "900"})] * 9
    status, out, err = run("fetch", safe.name, "--from", "safe", "--to", str(tmp_path / "to"))
    assert (status, out) == (75, "")
    assert "answers 429; it asks to come back in 900 s" in err
    assert err.count("\n") == 1


def test_the_bar_fits_a_terminal(archive: Archive, safe: Path, tmp_path: Path) -> None:
    """A pseudo-terminal of 80 columns: no line is longer, and the bar has the product's name."""
    import pty

    archive.seconds = 0.1
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", "scenes", "fetch", safe.name,
               "--from", "safe", "--to", str(tmp_path / "to")]  # fmt: skip
    environment = os.environ | {"COLUMNS": "80", "TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(command, stderr=follower, stdout=subprocess.DEVNULL, env=environment)
    os.close(follower)
    drawn = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        drawn += chunk
    os.close(leader)
    assert process.wait() == 0
    import re

    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode())
    lines = [line for line in re.split(r"[\r\n]+", plain) if line.strip()]
    assert any((safe.stem[:20] in line and "MB" in line) or "kB" in line for line in lines)
    assert max(len(line) for line in lines) <= 80
