"""What sites have free now: of Kubernetes by the quotas of a namespace, at an API server on loopback.

No real Kubernetes was ever asked. Slurm is asked in tests/integration/workflows/test_scaling.py.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates.factory import EXECUTOR
from argo_templates.placement.errors import NoRoomNow
from argo_templates.placement.figures import load_figures
from argo_templates.placement.formula import Formula
from argo_templates.placement.sites import sites_of
from argo_templates.placement.values import File, Queue, Site, Sites, Task, of_pods
from argo_templates.scaling import kubernetes
from argo_templates.scaling import sites as room
from tests.kubernetes_recorder import ApiServer, account_of

QUEUE = Queue("cpu", "cpu-2-cores", cores=32, memory_gib=128.0, gpus=1, waiting_seconds=600.0)
TASK = Task("item", (File("file", 1, frozenset({"CLOUD"})),), 4, ("water",))


def known(**more: Any) -> Sites:
    return sites_of([Site("cloud", "kubernetes", "CLOUD", (QUEUE,), **({"asked": "kubernetes"} | more))])


@pytest.fixture
def cluster(api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """Return the API server of a cluster in which this process is a pod."""
    monkeypatch.setattr(kubernetes, "ACCOUNT", account_of(api_server, tmp_path))
    monkeypatch.setenv(kubernetes.HOST, "127.0.0.1")
    monkeypatch.setenv(kubernetes.PORT, str(api_server.server_address[1]))
    return api_server


def quota(hard: dict[str, str], used: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": "dafab"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used}}


def free(sites: Sites) -> tuple[float | None, float | None, int | None]:
    ((queue,),) = (site.queues for site in sites.sites)
    return queue.free_cores, queue.free_memory_gib, queue.free_gpus


def test_what_the_quotas_leave_is_free(cluster: ApiServer) -> None:
    cluster.quotas = [
        quota({"requests.cpu": "64", "requests.memory": "256Gi", "pods": "100"}, {"requests.cpu": "60500m"}),
        quota({"requests.memory": "8Gi", "requests.nvidia.com/gpu": "4"}, {"requests.memory": "2Gi"}),
    ]
    found = room.now(known())
    assert free(found) == (3.5, 6.0, 1)
    assert found.closed == {}
    assert [(each.method, each.path) for each in cluster.requests] == [
        ("GET", "/api/v1/namespaces/dafab/resourcequotas")
    ]
    # Another pod that waits for room: what is stated of the queue counts.
    cluster.quotas[0]["status"]["used"]["requests.cpu"] = "64"
    waiting = Formula(room.now(known()), load_figures()).place(TASK).chosen
    assert waiting.waiting_seconds == QUEUE.waiting_seconds
    cluster.quotas = [quota({"pods": "2"}, {"pods": "2"})]
    assert free(room.now(known())) == (0.0, None, None)


def test_what_no_quota_bounds_is_as_the_file_has_it(cluster: ApiServer) -> None:
    assert free(room.now(known())) == (None, None, None)
    assert room.now(known(asked="")) == known(asked="")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((503, b"<html>"), r"cannot answer now \(503\)"),
        ((403, b'{"message": "resourcequotas is forbidden"}'), r"\(403\): resourcequotas is forbidden"),
        ((200, b'{"items": [{}]}'), "no 'status'"),
        ((200, b'{"items": [3]}'), "not built as Kubernetes' are"),
        ((200, b'{"items": [{"status": {"hard": {"pods": "many"}}}]}'), "'many' is no quantity"),
    ],
)
def test_a_site_that_does_not_answer_is_no_candidate_and_says_why(
    cluster: ApiServer, answer: tuple[int, bytes], reason: str
) -> None:
    cluster.answer = answer
    with pytest.raises(NoRoomNow, match=f"cloud/cpu: it does not answer: .*{reason}") as refusal:
        Formula(room.now(known()), load_figures()).place(TASK)
    assert refusal.value.exit_code == 75
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not here")
def test_outside_of_pods_kubectl_asks_where_a_user_says_which_cluster(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(kubernetes.HOST, raising=False)
    cluster = {"server": api_server.url, "certificate-authority": str(api_server.authority)}
    context = {"cluster": "one", "user": "me", "namespace": "dafab"}
    configuration = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "me", "user": {"token": api_server.token}}],
        "contexts": [{"name": "here", "context": context}],
        "current-context": "here",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(configuration))
    monkeypatch.setenv(kubernetes.CONFIGURATION, str(tmp_path / "config"))
    api_server.quotas = [quota({"requests.cpu": "64"}, {"requests.cpu": "60"})]
    assert room.now(known()).closed == {}
    assert free(room.now(known())) == (4.0, None, None)
    api_server.token = "another-token"
    assert "kubectl does not answer: " in room.now(known()).closed["cloud"]
    monkeypatch.setenv(kubernetes.CONFIGURATION, str(tmp_path / "absent"))
    assert "kubectl does not answer: " in room.now(known()).closed["cloud"]


def test_where_nothing_can_ask_the_file_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(kubernetes.HOST, raising=False)
    monkeypatch.delenv(kubernetes.CONFIGURATION, raising=False)
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "absent"))
    there = sites_of([Site("one", "hpk", "CLOUD", (QUEUE,), asked="slurm"), *known().sites])
    assert room.now(there) == there


def test_a_slurm_without_hpk_is_the_local_executors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    there = sites_of([Site("one", "slurm", "CLOUD", (QUEUE,))])
    assert EXECUTOR.value == "{{workflow.namespace}}"
    for namespace, is_closed in (("local", False), ("dafab", True)):
        monkeypatch.setenv(str(EXECUTOR.name), namespace)
        assert bool(room.now(there).closed) is is_closed
    # Its pods are those for HPK: only these say a partition.
    assert [of_pods(each) for each in ("slurm", "hpk", "kubernetes", "local")] == ["hpk", "hpk", "kubernetes", "local"]
