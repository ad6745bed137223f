"""The kustomize overlays, rendered by ``kubectl kustomize``: without secrets, and with all that templates name."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates.factory import REACHES
from argo_templates.lint import lint
from argo_templates.local.documents import KINDS, workflow_of
from argo_templates.local.pods import quantity
from argo_templates.schema import check, load_strict
from rucio_dafab.resources import resources

OVERLAYS = ("kind", "hpk", "production")
SECRETS = {"rucio-client-dafab-dasi", "rucio-client-dafab-skim", "dafab-archives"}
"""What whoever has the passwords makes; docs/workflows.md names them."""

CLUSTER_WIDE = {"Namespace", "PersistentVolume", "ClusterWorkflowTemplate"}
DEPLOYMENT = resources() / "deployment"

pytestmark = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl, which renders the overlays, is not here"
)


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> tuple[str, list[dict[str, Any]]]:
    """Return the name of an overlay and what it renders to."""
    command = ["kubectl", "kustomize", str(DEPLOYMENT / "overlays" / request.param)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return request.param, list(yaml.safe_load_all(rendered.stdout))


def of_kind(documents: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}


def named(value: Any) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of everything in the namespace that a template names."""
    members = {"persistentVolumeClaim": "claimName", "secret": "secretName", "configMap": "name"}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in members and isinstance(inner, Mapping):
                yield key, inner[members[key]]
            elif key in ("secretKeyRef", "configMapKeyRef"):
                yield key.removesuffix("KeyRef"), inner["name"]
            elif key == "serviceAccountName":
                yield "serviceAccount", inner
            else:
                yield from named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named(inner)


def test_all_that_templates_name_is_there_and_no_secret_is(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    _, documents = overlay
    needed = {each for document in documents if document["kind"] in KINDS for each in named(document["spec"])}
    kinds = {
        "persistentVolumeClaim": "PersistentVolumeClaim",
        "configMap": "ConfigMap",
        "serviceAccount": "ServiceAccount",
    }
    for short, kind in kinds.items():
        assert {name for each, name in needed if each == short} <= set(of_kind(documents, kind)), kind
    assert {name for each, name in needed if each == "secret"} == SECRETS
    # Kubernetes puts the token in: what is rendered holds nothing.
    (token,) = of_kind(documents, "Secret").values()
    assert not {"data", "stringData"} & set(token)


def test_argos_own_container_finds_a_token_where_the_pod_has_none(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    _, documents = overlay
    templates = [
        each for document in documents if document["kind"] in KINDS for each in document["spec"].get("templates", [])
    ]
    without = [each for each in templates if each.get("automountServiceAccountToken") is False]
    accounts = {each["executor"]["serviceAccountName"] for each in without}
    assert accounts <= set(of_kind(documents, "ServiceAccount"))
    # Argo looks for the token under this name, and Kubernetes has made none by itself since 1.24.
    for account in accounts:
        secret = of_kind(documents, "Secret")[f"{account}.service-account-token"]
        assert secret["type"] == "kubernetes.io/service-account-token"
        assert secret["metadata"]["annotations"] == {"kubernetes.io/service-account.name": account}
    assert {each["name"] for each in without} == {"apply-kubernetes", "apply-hpk"}


def test_everything_is_in_the_namespace(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    _, documents = overlay
    for document in documents:
        expected = None if document["kind"] in CLUSTER_WIDE else "dafab"
        assert document["metadata"].get("namespace") == expected, document["metadata"]["name"]
    (namespace,) = of_kind(documents, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_config_maps_hold_what_ships(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    _, documents = overlay
    maps = of_kind(documents, "ConfigMap")
    assert maps["dafab-policies"]["data"] == {"retention.toml": (resources() / "etc/fdb/retention.toml").read_text()}
    assert maps["dafab-sources"]["data"] == {"sources.toml": (resources() / "etc/sources.toml").read_text()}
    assert maps["dafab-seasons"]["data"] == {"seasons.toml": (resources() / "etc/seasons.toml").read_text()}
    assert all(int(value) > 0 for value in maps["dafab-limits"]["data"].values())
    assert maps["dafab-memos"]["metadata"]["labels"] == {"workflows.argoproj.io/configmap-type": "Cache"}


def test_a_site_is_one_at_which_pods_of_the_cluster_can_be(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    name, documents = overlay
    stated = of_kind(documents, "ConfigMap")["dafab-sites"]["data"]
    shipped = {path.name: path.read_text() for path in (resources() / "argo_templates" / "sites").glob("*.yaml")}
    assert stated
    assert stated.items() <= shipped.items()
    runtimes = {yaml.safe_load(text)["runtime"] for text in stated.values()}
    assert runtimes == {"hpk" if name == "hpk" else "kubernetes"}


def test_argos_controller_may_write_what_is_memoised_and_no_other_config_map(
    overlay: tuple[str, list[dict[str, Any]]],
) -> None:
    _, documents = overlay
    (binding,) = [each for name, each in of_kind(documents, "RoleBinding").items() if name == "dafab-memos"]
    # The account of Argo's own manifests, in its own namespace.
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "argo", "namespace": "argo"}]
    by_name, made = of_kind(documents, "Role")[binding["roleRef"]["name"]]["rules"]
    assert (by_name["resources"], by_name["resourceNames"]) == (["configmaps"], ["dafab-memos"])
    assert {"get", "update"} <= set(by_name["verbs"])
    assert (made["resources"], made["verbs"]) == (["configmaps"], ["create"])
    assert "dafab-memos" in of_kind(documents, "ConfigMap")


def test_a_quota_refuses_no_pod_for_the_containers_that_argo_puts_beside_a_step(
    overlay: tuple[str, list[dict[str, Any]]],
) -> None:
    name, documents = overlay
    bounded = {
        member.removeprefix("requests.")
        for quota in of_kind(documents, "ResourceQuota").values()
        for member in quota["spec"]["hard"]
        if member in ("requests.cpu", "requests.memory")
    }
    ranges = of_kind(documents, "LimitRange").values()
    given = {key: value for each in ranges for key, value in each["spec"]["limits"][0]["defaultRequest"].items()}
    assert bounded <= set(given)
    if name == "hpk":
        # HPK sums the cores of a pod's containers, and Slurm takes whole ones.
        assert quantity(given["cpu"]) == int(quantity(given["cpu"]))


def test_the_api_server_of_kind_and_k3s_is_within_reach(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    name, documents = overlay
    if name != "kind":
        return
    egress = of_kind(documents, "NetworkPolicy")["nothing-by-default"]["spec"]["egress"]
    (ranges,) = [rule["to"] for rule in egress if {"protocol": "TCP", "port": 6443} in rule["ports"]]
    for address in ("10.96.0.1", "172.18.0.2", "192.168.1.10"):
        assert any(ip_address(address) in ip_network(each["ipBlock"]["cidr"]) for each in ranges), address


def test_pods_may_do_nothing_in_kubernetes_but_report(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    _, documents = overlay
    role = of_kind(documents, "Role")["dafab-workflow"]
    assert role["rules"] == [
        {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]},
        # What is free, by which placement goes.
        {"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["list"]},
    ]
    bindings = of_kind(documents, "RoleBinding").values()
    (binding,) = [each for each in bindings if each["subjects"][0]["name"] == "dafab-workflow"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "dafab-workflow", "namespace": "dafab"}]
    assert binding["roleRef"]["name"] == "dafab-workflow"


def test_the_pod_that_scales_may_change_one_config_map_by_its_name(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    name, documents = overlay
    accounts, roles = of_kind(documents, "ServiceAccount"), of_kind(documents, "Role")
    assert ("dafab-scale" in accounts) == ("dafab-scale-cron" in of_kind(documents, "CronWorkflow")) == (name == "hpk")
    assert set(accounts) == {"dafab-workflow", *(["dafab-scale"] if name == "hpk" else [])}
    if name != "hpk":
        assert not {"dafab-scale", "dafab-scale-cron"} & {document["metadata"]["name"] for document in documents}
        return
    bound = [
        each for each in of_kind(documents, "RoleBinding").values() if each["subjects"][0]["name"] == "dafab-scale"
    ]
    assert all(len(each["subjects"]) == 1 for each in bound)
    assert {each["roleRef"]["name"] for each in bound} == {"dafab-scale", "dafab-workflow"}
    (rule,) = roles["dafab-scale"]["rules"]
    maps = of_kind(documents, "ConfigMap")
    assert rule == {
        "apiGroups": [""],
        "resources": ["configmaps"],
        "resourceNames": ["dafab-limits"],
        "verbs": ["get", "patch"],
    }
    # Nothing else in the namespace may write a config map, but Argo its memos.
    others = [each for role in roles.keys() - {"dafab-scale", "dafab-memos"} for each in roles[role]["rules"]]
    assert not [each for each in others if "configmaps" in each["resources"]]
    settings = yaml.safe_load(maps["dafab-scale"]["data"]["scale.yaml"])
    assert {each["limit"] for each in settings["limits"]} <= set(maps["dafab-limits"]["data"])


def test_every_pod_of_a_supercomputer_tolerates_its_only_node(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    name, documents = overlay
    for template in of_kind(documents, "WorkflowTemplate").values():
        found = template["spec"].get("tolerations", [])
        assert [each["value"] for each in found] == (["hpk"] if name == "hpk" else [])


def test_what_differs_between_places(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    name, documents = overlay
    claims = of_kind(documents, "PersistentVolumeClaim").values()
    modes = {mode for claim in claims for mode in claim["spec"]["accessModes"]}
    assert modes == ({"ReadWriteOnce"} if name == "kind" else {"ReadWriteMany"})
    suspended = {each["spec"].get("suspend", False) for each in of_kind(documents, "CronWorkflow").values()}
    assert suspended == {name == "kind"}
    assert bool(of_kind(documents, "NetworkPolicy")) == (name != "hpk")
    assert bool(of_kind(documents, "ResourceQuota")) == (name != "kind")
    assert bool(of_kind(documents, "HorizontalPodAutoscaler")) == (name == "production")
    volumes = of_kind(documents, "PersistentVolume")
    assert set(volumes) == ({claim["metadata"]["name"] for claim in claims} if name == "hpk" else set())


def test_every_pod_is_let_out_by_its_label_alone(overlay: tuple[str, list[dict[str, Any]]]) -> None:
    name, documents = overlay
    if name == "hpk":
        return
    policies = of_kind(documents, "NetworkPolicy")
    assert policies["nothing-by-default"]["spec"]["podSelector"] == {}
    assert "ingress" not in policies["nothing-by-default"]["spec"]
    templates = [
        each
        for document in documents
        if document["kind"] in KINDS
        for each in document["spec"].get("templates", [])
        if "dag" not in each
    ]
    reached = {each["name"]: each["metadata"]["labels"][REACHES] for each in templates}
    assert reached["download"] == reached["discover"] == "archives"
    assert reached["publish"] == reached["finish"] == "catalogue"
    assert {reached[each] for each in ("apply-kubernetes", "apply-hpk", "infer-hpk", "clean")} == {"nothing"}


@pytest.mark.shared
def test_what_is_rendered_is_what_argo_allows(overlay: tuple[str, list[dict[str, Any]]], shared: Path) -> None:
    _, documents = overlay
    schema = load_strict(shared / "argo" / "argo-workflows-4.1.schema.json")
    ours = [document for document in documents if document["kind"] in KINDS]
    assert len(ours) >= 17
    for document in ours:
        assert check(document, schema) == []
        assert lint(workflow_of(document), ours) == []
