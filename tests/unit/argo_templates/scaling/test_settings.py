"""What is scaled: the file that ships, and every fault of another in a line."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from argo_templates import resource_requests
from argo_templates.placement.errors import SiteFault
from argo_templates.scaling.errors import ScaleError
from argo_templates.scaling.limits import LimitFiles, number
from argo_templates.scaling.settings import SHIPPED, load_settings
from argo_templates.scaling.slurm import jobs_of, nodes_of
from dasi_backend.appearing import appearing
from rucio_dafab.resources import resources
from rucio_dafab.site.home import Home

MINIMAL = "limits: [{limit: hpk-cpu, partition: cpu, step: infer, bounds: {least: 1, most: 4}}]\n"
NODE = (
    "NodeName=n{n} CPUAlloc=4 CPUEfctv=62 CPUTot=64 RealMemory=256000 AllocMem=100000 FreeMem=1 State={state} "
    "Partitions=cpu,gpu Gres=gpu:a100:4(S:0-1) GresUsed=gpu:a100:1(IDX:0),mps:0 Reason=State=IDLE by hand"
)


def test_the_limits_that_ship_are_those_that_are_scaled_and_within_their_bounds() -> None:
    shipped = resources() / "etc" / "argo" / "limits"
    for each in load_settings().limits:
        assert each.bounds.least <= int((shipped / each.limit).read_text()) <= each.bounds.most
        assert each.request == resource_requests.of("infer")
    assert {each.limit for each in load_settings().limits} == {"hpk-cpu", "hpk-gpu"}
    assert SHIPPED.is_file()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (MINIMAL.replace("least: 1", "least: 0"), "limits.0.bounds.least"),
        (MINIMAL.replace("least: 1", "least: 5"), "hpk-cpu: least 5 is above most 4"),
        (MINIMAL.replace("infer", "inferr"), "hpk-cpu: there is no measured step 'inferr'"),
        (MINIMAL.replace("partition: cpu", "partition: 'a b'"), "limits.0.partition"),
        (MINIMAL.replace("most: 4", "most: 4, band: 1.0"), "limits.0.bounds.band"),
        (MINIMAL.replace("partition: cpu, ", ""), "limits.0.partition is missing"),
        (MINIMAL + "patience: 3\n", "patience is no member of it"),
        (MINIMAL + "user: 'a;b'\n", "user: 'a;b' is no user"),
        ("limits: []\n", "limits: nothing is scaled"),
        ("limits: [", "is not YAML"),
    ],
)
def test_a_fault_is_told_in_a_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "scale.yaml"
    path.write_text(text)
    with pytest.raises(SiteFault) as refusal:
        load_settings(path)
    assert line in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_nodes_that_take_no_jobs_have_no_room() -> None:
    (scaled,) = [each for each in load_settings().limits if not each.gpus]
    (with_gpu,) = [each for each in load_settings().limits if each.gpus]
    states = ("MIXED", "IDLE+CLOUD", "IDLE+DRAIN", "MIXED+PLANNED", "IDLE*", "DOWN", "ALLOCATED", "IDLE+MAINTENANCE")
    lines = [NODE.format(n=n, state=state) for n, state in enumerate(states)]
    nodes = list(nodes_of("\n".join(lines)))
    assert [(node.cores, node.mebibytes, node.gpus) for node in nodes] == [(58, 156_000, 3)] * 2
    request = scaled.request
    assert nodes[0].holds(scaled) == min(58 // request.cores, 156_000 // request.mebibytes)
    assert nodes[0].holds(with_gpu) == 3


@pytest.mark.parametrize("line", ["RUNNING|1", "RUNNING|x|0|root|cpu|None", "a|b|c|d|e|f|g"])
def test_a_queue_that_says_something_else(line: str) -> None:
    with pytest.raises(ScaleError, match="squeue says what it was not asked for"):
        list(jobs_of(line))


def test_a_node_without_a_number() -> None:
    with pytest.raises(ScaleError, match="no number RealMemory of node n1"):
        list(nodes_of(NODE.format(n=1, state="IDLE").replace("RealMemory=256000", "RealMemory=much")))


def test_the_limits_of_a_site_become_its_own_when_they_are_first_changed(tmp_path: Path) -> None:
    limits = LimitFiles(Home(tmp_path))
    shipped = dict(limits.read())
    assert {"downloads", "transfers", "hpk-cpu", "hpk-gpu"} == set(shipped)
    limits.write({"hpk-cpu": 17})
    assert dict(limits.read()) == {**shipped, "hpk-cpu": "17\n"}
    limits.write({"hpk-gpu": 3})
    assert dict(limits.read()) == {**shipped, "hpk-cpu": "17\n", "hpk-gpu": "3\n"}
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["dafab-limits"]


def test_several_may_make_the_limits_the_sites_own_at_once(tmp_path: Path) -> None:
    limits, together = LimitFiles(Home(tmp_path)), Barrier(8)
    shipped = dict(limits.read())

    def write(value: int) -> None:
        together.wait()
        limits.write({"hpk-cpu": value})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(1, 9)))
    found = dict(limits.read())
    assert int(found.pop("hpk-cpu")) in range(1, 9)
    assert found == {key: text for key, text in shipped.items() if key != "hpk-cpu"}
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["dafab-limits"]


def test_nothing_stays_of_what_a_killed_process_was_making(tmp_path: Path) -> None:
    own = tmp_path / "etc" / "dafab-limits"
    for _ in range(2):
        if (child := os.fork()) == 0:
            with appearing(own, ScaleError) as filled:
                filled.mkdir()
                (filled / "hpk-cpu").write_text("7\n")
                os.kill(os.getpid(), signal.SIGKILL)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert not own.exists()
    assert len(list(own.parent.iterdir())) == 1
    LimitFiles(Home(tmp_path)).write({"hpk-gpu": 3})
    assert [path.name for path in own.parent.iterdir()] == ["dafab-limits"]
    assert (own / "hpk-gpu").read_text() == "3\n"
    assert (own / "hpk-cpu").read_text() != "7\n"


@pytest.mark.parametrize("text", ["", "0", "-1", "2.5", "many"])
def test_a_limit_that_is_none(text: str) -> None:
    with pytest.raises(ScaleError, match="the map: hpk-cpu: a limit is a whole number above 0"):
        number({"hpk-cpu": text}, "hpk-cpu", "the map")
    with pytest.raises(ScaleError, match="the map has no limit hpk-cpu: there are none"):
        number({}, "hpk-cpu", "the map")
