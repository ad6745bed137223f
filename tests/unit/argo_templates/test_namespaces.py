"""The namespace of a user, the server that grows with its load, the bounds of a supercomputer, as kustomize renders."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates import resource_requests
from argo_templates.factory import RETRY
from argo_templates.local.documents import KINDS
from argo_templates.local.pods import quantity
from argo_templates.schema import check, load_strict
from rucio_dafab import __version__
from rucio_dafab.resources import resources

OVERLAYS = resources() / "deployment" / "overlays"
CLUSTER_WIDE = {"Namespace", "PersistentVolume"}
Documents = dict[tuple[str, str], dict[str, Any]]

pytestmark = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which renders the overlays, is not here"
)


def rendered(folder: Path) -> Documents:
    """Return what an overlay renders to, by kind and name."""
    command = ["kubectl", "kustomize", str(folder)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


@pytest.fixture(scope="module", params=["production", "hpk"])
def user(request: pytest.FixtureRequest) -> tuple[str, Documents]:
    """Return the namespace of one user in an overlay."""
    return request.param, rendered(OVERLAYS / request.param / "user")


@pytest.fixture(scope="module")
def production() -> Documents:
    """Return the production overlay."""
    return rendered(OVERLAYS / "production")


def of_kind(documents: Documents, kind: str) -> dict[str, dict[str, Any]]:
    return {name: each for (of, name), each in documents.items() if of == kind}


def test_a_user_has_one_namespace_and_everything_is_in_it(user: tuple[str, Documents]) -> None:
    _, documents = user
    (namespace,) = of_kind(documents, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert int(namespace["metadata"]["labels"]["workflows.argoproj.io/parallelism-limit"]) > 0
    places = {each["metadata"].get("namespace") for (kind, _), each in documents.items() if kind not in CLUSTER_WIDE}
    assert places == {namespace["metadata"]["name"]} == {"dafab-example"}
    assert set(of_kind(documents, "Secret")) == {"dafab-workflow.service-account-token"}


def test_what_others_run_and_what_a_clock_runs_is_not_in_it(user: tuple[str, Documents]) -> None:
    _, documents = user
    assert not of_kind(documents, "CronWorkflow")
    assert not of_kind(documents, "ClusterWorkflowTemplate")
    assert {"dafab-apply", "dafab-process", "dafab-publish"} <= set(of_kind(documents, "WorkflowTemplate"))


def test_one_person_may_submit_and_nothing_else(user: tuple[str, Documents]) -> None:
    _, documents = user
    roles = of_kind(documents, "Role")
    theirs = [
        roles[binding["roleRef"]["name"]]
        for binding in of_kind(documents, "RoleBinding").values()
        if binding["subjects"] == [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "example"}]
    ]
    assert {role["metadata"]["name"] for role in theirs} == {"dafab-submitter", "bounds-reader"}
    allowed = {
        (group, each, verb)
        for role in theirs
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for each in rule["resources"]
        for verb in rule["verbs"]
    }
    assert ("argoproj.io", "workflows", "create") in allowed
    assert {each for _, each, verb in allowed if verb not in ("get", "list", "watch")} == {"workflows"}
    assert not {each for _, each, _ in allowed} & {"secrets", "*", "pods/exec"}
    accounts = [each for each in of_kind(documents, "RoleBinding").values() if each["subjects"][0]["kind"] != "User"]
    # Argo's controller, which is of another namespace, writes what is memoised.
    pods, controller = sorted(accounts, key=lambda each: str(each["roleRef"]["name"]), reverse=True)
    assert controller["subjects"] == [{"kind": "ServiceAccount", "name": "argo", "namespace": "argo"}]
    assert pods["subjects"] == [{"kind": "ServiceAccount", "name": "dafab-workflow", "namespace": "dafab-example"}]


def test_the_bounds_leave_room_for_every_try_of_any_step(user: tuple[str, Documents]) -> None:
    name, documents = user
    hard = documents["ResourceQuota", "user"]["spec"]["hard"]
    known = resource_requests.load()
    asked = [known.of(step) for step in (*known.steps, *known.assumed)]
    second = max(each.at(1) for each in asked) * 2**20
    (limit,) = documents["LimitRange", "user"]["spec"]["limits"]
    assert second <= quantity(limit["max"]["memory"])
    assert 2 * second <= quantity(hard["requests.memory"])
    # Exit status 75 may take a step to its last try, which has more memory than any before.
    last = max(each.at(int(str(RETRY.limit))) for each in asked) * 2**20
    assert last <= quantity(limit["max"]["memory"])
    assert last <= min(quantity(hard["requests.memory"]), quantity(hard["limits.memory"]))
    # HPK sums the cores of a pod's containers, Argo's own among them, and Slurm takes whole ones.
    beside = quantity(limit["defaultRequest"]["cpu"])
    assert name != "hpk" or beside == int(beside)
    assert max(each.cores for each in asked) <= quantity(limit["max"]["cpu"])
    claims = of_kind(documents, "PersistentVolumeClaim").values()
    stored = sum(quantity(each["spec"]["resources"]["requests"]["storage"]) for each in claims)
    assert stored <= quantity(hard["requests.storage"])
    assert len(claims) <= int(hard["persistentvolumeclaims"])
    assert ("requests.nvidia.com/gpu" in hard) == (name == "production")


def test_a_users_pods_reach_the_catalogue_of_another_namespace(
    user: tuple[str, Documents], production: Documents
) -> None:
    name, documents = user
    if name == "hpk":
        assert not of_kind(documents, "NetworkPolicy")
        return
    assert documents["NetworkPolicy", "nothing-by-default"]["spec"]["podSelector"] == {}
    (rule,) = documents["NetworkPolicy", "to-the-catalogue"]["spec"]["egress"]
    (to,) = rule["to"]
    server = production["Deployment", "rucio-dafab-server"]
    assert to["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": server["metadata"]["namespace"]}
    assert to["podSelector"]["matchLabels"].items() <= server["spec"]["template"]["metadata"]["labels"].items()
    labels = of_kind(documents, "Namespace")["dafab-example"]["metadata"]["labels"]
    ingress = production["NetworkPolicy", "server"]["spec"]["ingress"][0]["from"]
    (others,) = [each for each in ingress if "namespaceSelector" in each]
    assert others["namespaceSelector"]["matchLabels"].items() <= labels.items()


def test_every_claim_of_a_user_of_hpk_has_a_folder_of_its_own(user: tuple[str, Documents]) -> None:
    name, documents = user
    volumes = of_kind(documents, "PersistentVolume").values()
    if name != "hpk":
        assert not volumes
        return
    claimed = {each["spec"]["claimRef"]["name"]: each["spec"] for each in volumes}
    claims = of_kind(documents, "PersistentVolumeClaim")
    assert set(claimed) == set(claims)
    assert len({spec["hostPath"]["path"] for spec in claimed.values()}) == len(claimed)
    for claim, spec in claimed.items():
        assert spec["claimRef"]["namespace"] == "dafab-example"
        asked = claims[claim]["spec"]
        assert asked["storageClassName"] == spec["storageClassName"]
        assert quantity(asked["resources"]["requests"]["storage"]) <= quantity(spec["capacity"]["storage"])


def test_the_autoscaler_scales_the_server_by_what_it_asks_for(production: Documents) -> None:
    scaler = production["HorizontalPodAutoscaler", "rucio-dafab-server"]["spec"]
    target = scaler["scaleTargetRef"]
    server = production[target["kind"], target["name"]]
    assert server["apiVersion"] == target["apiVersion"]
    # A number of its own would undo the autoscaler's with every rollout.
    assert "replicas" not in server["spec"]
    (container,) = server["spec"]["template"]["spec"]["containers"]
    (metric,) = scaler["metrics"]
    # A share of what is requested is a figure only where something is.
    assert metric["resource"]["target"]["type"] == "Utilization"
    assert quantity(container["resources"]["requests"][metric["resource"]["name"]]) > 0
    assert 1 < scaler["minReplicas"] < scaler["maxReplicas"]
    budget = production["PodDisruptionBudget", "rucio-dafab-server"]["spec"]
    assert budget["minAvailable"] < scaler["minReplicas"]
    assert budget["selector"] == server["spec"]["selector"]


def test_the_server_is_what_the_policies_let_in_and_may_run_where_nothing_may_be_root(production: Documents) -> None:
    server = production["Deployment", "rucio-dafab-server"]["spec"]
    pod = server["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == f"localhost/rucio-dafab-server:{__version__}"
    assert (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"]) == (True, False)
    security = container["securityContext"]
    assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert pod["volumes"][0]["secret"]["secretName"] == "rucio-dafab-server"
    service = production["Service", "rucio-dafab-server"]["spec"]
    assert service["selector"] == server["selector"]["matchLabels"]
    (port,) = service["ports"]
    asked = production["NetworkPolicy", "to-the-catalogue"]["spec"]["egress"][0]
    assert asked["to"] == [{"podSelector": {"matchLabels": service["selector"]}}]
    assert asked["ports"][0]["port"] == port["port"] == container["ports"][0]["containerPort"]
    for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
        (how,) = [each for each in container[probe].values() if isinstance(each, dict)]
        assert how["port"] == port["targetPort"] == container["ports"][0]["name"]


def test_a_supercomputer_is_bounded_in_jobs_and_has_no_server() -> None:
    documents = rendered(OVERLAYS / "hpk")
    assert not of_kind(documents, "HorizontalPodAutoscaler")
    assert not of_kind(documents, "Deployment")
    hard = documents["ResourceQuota", "jobs"]["spec"]["hard"]
    assert int(hard["pods"]) > 0
    limit = documents["Namespace", "dafab"]["metadata"]["labels"]["workflows.argoproj.io/parallelism-limit"]
    parallelism = {each["spec"]["parallelism"] for each in of_kind(documents, "WorkflowTemplate").values()}
    settings = yaml.safe_load(documents["ConfigMap", "dafab-scale"]["data"]["scale.yaml"])
    assert sum(each["bounds"]["most"] for each in settings["limits"]) <= int(hard["pods"])
    # As many as run at a time find room for all pods that they may make at a time.
    assert int(limit) * max(parallelism) <= int(hard["pods"])


@pytest.mark.parametrize(("overlay", "expected"), [("kind", "kubernetes"), ("hpk", "hpk"), ("hpk/user", "hpk")])
def test_inference_goes_by_what_bounds_it_unless_a_user_says_otherwise(overlay: str, expected: str) -> None:
    templates = of_kind(rendered(OVERLAYS / overlay), "WorkflowTemplate")
    parameters = [each for document in templates.values() for each in document["spec"]["arguments"]["parameters"]]
    found = [each for each in parameters if each["name"] == "runtime"]
    assert len(found) >= 8
    # Through HPK a pod of the other templates would be a job that asks for no partition and counts at no semaphore.
    assert {each["value"] for each in found} == {expected}
    assert all(expected in each["enum"] for each in found)


@pytest.mark.shared
def test_what_a_user_has_is_what_argo_allows(user: tuple[str, Documents], shared: Path) -> None:
    _, documents = user
    schema = load_strict(shared / "argo" / "argo-workflows-4.1.schema.json")
    ours = [each for (kind, _), each in documents.items() if kind in KINDS]
    assert len(ours) >= 12
    assert [check(document, schema) for document in ours] == [[] for _ in ours]
