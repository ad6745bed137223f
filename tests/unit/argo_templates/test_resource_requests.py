"""What pods ask for: from measured figures, in one file."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from argo_templates import render, resource_requests
from argo_templates.local.pods import quantity
from argo_templates.placement.errors import SiteFault
from argo_templates.resource_requests import Request

MINIMAL = """
margin: 1.5
round_to_mib: 100
least_mib: 400
runs: {once: {source: a command, over: a scene, measured: then}}
steps:
  {clean: [{peak_mib: 9, cores: 0.04, run: once}],
   make: [{peak_mib: 1000, cores: 0.4, run: once, of: water}, {peak_mib: 1201, cores: 1.2, run: once}]}
assumed: {apply: {mebibytes: 500, cores: 3, why: nobody knows}}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "requests.yaml"
    path.write_text(text)
    return path


def test_the_most_that_was_measured_and_a_margin_in_whole_cores(tmp_path: Path) -> None:
    found = resource_requests.load(written(tmp_path, MINIMAL))
    assert found.of("make") == Request(cores=2, mebibytes=1900)
    assert found.of("clean") == Request(cores=1, mebibytes=400)
    assert found.of("apply") == Request(cores=3, mebibytes=500)
    with pytest.raises(KeyError):
        found.of("absent")


def test_placement_asks_for_no_less_than_the_pod_does() -> None:
    assert [Request(1, mebibytes).gibibytes for mebibytes in (500, 1024, 4000)] == [0.5, 1.0, 4.0]


@pytest.mark.parametrize(("mebibytes", "second"), [(900, 1900), (1000, 11000), (6100, 16100)])
def test_the_number_of_a_try_stands_before_its_memory(mebibytes: int, second: int) -> None:
    request = Request(1, mebibytes)
    assert [request.at(0), request.at(1)] == [mebibytes, second]
    (container,) = yaml.safe_load(request.patch)["containers"]
    assert container["resources"]["limits"]["memory"].replace("{{retries}}", "1") == f"{second}Mi"


@pytest.mark.parametrize(
    ("was", "becomes", "line"),
    [
        ("run: once}]", "run: twice}]", "requests.yaml: steps.make: there is no run twice"),
        ("peak_mib: 1000", "peak_mib: 0", "requests.yaml: steps.make.0.peak_mib: Input should be greater than 0"),
        ("margin: 1.5", "margin: 0.9", "requests.yaml: margin: Input should be greater than or equal to 1"),
        ("margin: 1.5", "", "requests.yaml: margin is missing"),
        ("why: nobody", "wy: nobody", "requests.yaml: assumed.apply.why is missing"),
        ("{clean: [", "{fetch: [], clean: [", "requests.yaml: steps.fetch: nothing was measured"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path: Path, was: str, becomes: str, line: str) -> None:
    with pytest.raises(SiteFault) as refusal:
        resource_requests.load(written(tmp_path, MINIMAL.replace(was, becomes)))
    assert line in str(refusal.value)


def test_every_step_that_is_rendered_was_measured_and_none_that_is_not() -> None:
    found = resource_requests.load()
    documents = [yaml.safe_load(path.read_text("utf-8")) for path in render.FOLDER.rglob("*.yaml")]
    templates = [each for document in documents for each in document["spec"].get("templates", [])]
    functions = {each["script"]["args"][-1].rpartition(":")[2]: each for each in templates if "script" in each}
    assert set(found.steps) == set(functions)
    assert set(found.runs) == {took.run for each in found.steps.values() for took in each}
    for name, template in functions.items():
        asked = template["script"]["resources"]["requests"]
        assert asked == {"cpu": str(found.of(name).cores), "memory": f"{found.of(name).mebibytes}Mi"}


def test_no_template_says_what_it_takes_beside_the_file() -> None:
    sources = Path(resource_requests.__file__).parent.glob("*.py")
    said = [path.name for path in sources if re.search(r"memory_(request|limit)=[\"']|\d[GM]i[\"']", path.read_text())]
    assert said == []


@pytest.fixture
def merged(tmp_path: Path) -> Callable[[str], dict[str, dict[str, str]]]:
    """Return a function that merges a patch into a pod as Kubernetes does, and returns the resources of ``main``."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which reads amounts as a cluster does, is not here")

    def merge(patch: str) -> dict[str, dict[str, str]]:
        resources = {"requests": {"cpu": "2", "memory": "1Mi"}, "limits": {"nvidia.com/gpu": "1"}}
        containers = [{"name": "wait", "image": "none"}, {"name": "main", "image": "none", "resources": resources}]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": containers}}
        (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
        (tmp_path / "patch.yaml").write_text(yaml.safe_dump({"spec": yaml.safe_load(patch)}))
        files = (f"--patch-file={tmp_path}/patch.yaml", f"-f={tmp_path}/pod.yaml")
        patched = kubectl("patch", "--type=strategic", *files)
        # This command reads the pod as what it is: an amount that is none is refused.
        read = json.loads(kubectl("set", "image", "main=other", "-f=-", said=patched))
        found: dict[str, dict[str, str]] = read["spec"]["containers"][1]["resources"]
        return found

    return merge


def kubectl(*arguments: str, said: str | None = None) -> str:
    command = ["kubectl", *arguments, "--local", "-o=json"]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize(("retries", "mebibytes"), [("0", 6100), ("1", 16100)])
def test_kubernetes_itself_merges_the_patch_and_reads_its_amounts(
    merged: Callable[[str], dict[str, dict[str, str]]], retries: str, mebibytes: int
) -> None:
    found = merged(Request(2, 6100).patch.replace("{{retries}}", retries))
    assert [quantity(found[kind]["memory"]) for kind in ("requests", "limits")] == [mebibytes * 2**20] * 2
    assert (found["requests"]["cpu"], found["limits"]["nvidia.com/gpu"]) == ("2", "1")


def test_kubernetes_refuses_an_amount_that_is_none(merged: Callable[[str], dict[str, dict[str, str]]]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refusal:
        merged(Request(2, 6100).patch.replace("{{retries}}", "x"))
    assert "quantities must match" in refusal.value.stderr
