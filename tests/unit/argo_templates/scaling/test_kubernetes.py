"""The config map of limits, at an API server on loopback that checks what is sent and keeps what is patched.

No real Kubernetes was ever asked: TLS, the token, the path, the kind of patch and its body are checked, and what is
made of each kind of answer. Slurm is asked in tests/integration/workflows/test_scaling.py.
"""

import json
import socket
from pathlib import Path

import pytest

from argo_templates.scaling.errors import NoAnswer, ScaleError
from argo_templates.scaling.kubernetes import Account, ConfigMap
from tests.kubernetes_recorder import ApiServer, account_of

PATH = "/api/v1/namespaces/dafab/configmaps/dafab-limits"


def limits(server: ApiServer, folder: Path) -> ConfigMap:
    """Return the config map as a pod with an account sees it."""
    return ConfigMap(Account(server.url, account_of(server, folder)), "dafab-limits")


def test_what_is_read_is_patched_by_key(api_server: ApiServer, tmp_path: Path) -> None:
    found = limits(api_server, tmp_path)
    assert found.read() == {"downloads": "4", "hpk-cpu": "8", "hpk-gpu": "1"}
    found.write({"hpk-cpu": 12})
    assert api_server.data == {"downloads": "4", "hpk-cpu": "12", "hpk-gpu": "1"}
    assert [(each.method, each.path, each.kind) for each in api_server.requests] == [
        ("GET", PATH, ""),
        ("PATCH", PATH, "application/merge-patch+json"),
    ]
    assert api_server.requests[1].body == {"metadata": {"resourceVersion": "7"}, "data": {"hpk-cpu": "12"}}


def test_what_somebody_else_has_changed_is_not_written_over(api_server: ApiServer, tmp_path: Path) -> None:
    found = limits(api_server, tmp_path)
    found.read()
    api_server.version += 1
    with pytest.raises(NoAnswer, match="somebody else has changed it meanwhile") as refusal:
        found.write({"hpk-cpu": 12})
    assert refusal.value.exit_code == 75
    assert api_server.data["hpk-cpu"] == "8"


def test_a_token_that_is_written_anew_is_read_anew(api_server: ApiServer, tmp_path: Path) -> None:
    found = limits(api_server, tmp_path)
    found.read()
    api_server.token = "another-token"
    with pytest.raises(ScaleError, match=r"refuses the service account \(401\)") as refusal:
        found.read()
    assert "another-token" not in str(refusal.value)
    (tmp_path / "token").write_text("another-token\n")
    assert found.read()["hpk-cpu"] == "8"


def test_another_authority_is_not_trusted(api_server: ApiServer, other_server: ApiServer, tmp_path: Path) -> None:
    account = account_of(other_server, tmp_path)
    with pytest.raises(ScaleError, match="its certificate is not trusted"):
        ConfigMap(Account(api_server.url, account), "dafab-limits").read()
    assert api_server.requests == []


@pytest.mark.parametrize(
    ("status", "answer", "line", "exit_code"),
    [
        (403, b'{"message": "configmaps is forbidden"}', r"\(403\): configmaps is forbidden", 1),
        (404, b'{"message": "not found"}', r"refuses \(404\): not found", 1),
        (409, b"{}", "somebody else", 75),
        (422, b'{"message": "is invalid"}', r"refuses \(422\): is invalid", 1),
        (429, b"", r"cannot answer now \(429\)", 75),
        (503, b"<html>", r"cannot answer now \(503\)", 75),
        (302, b"", r"refuses \(302\)", 1),
        (200, b"<html>", "does not answer as Kubernetes does: no JSON", 1),
        (200, b"[]", "does not answer as Kubernetes does", 1),
        (200, b'{"metadata": null}', "does not answer as Kubernetes does", 1),
    ],
)
def test_other_answers_are_one_line(
    api_server: ApiServer, tmp_path: Path, status: int, answer: bytes, line: str, exit_code: int
) -> None:
    api_server.answer = (status, answer)
    with pytest.raises(ScaleError, match=line) as refusal:
        limits(api_server, tmp_path).read()
    assert refusal.value.exit_code == exit_code
    assert len(str(refusal.value).splitlines()) == 1


def test_a_server_that_does_not_answer_is_worth_another_try(api_server: ApiServer, tmp_path: Path) -> None:
    account = account_of(api_server, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NoAnswer, match="does not answer") as refusal:
        ConfigMap(Account(f"https://127.0.0.1:{port}", account), "dafab-limits").read()
    assert refusal.value.exit_code == 75


def test_what_is_no_pod_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ScaleError, match="this is no pod with a service account: KUBERNETES_SERVICE_HOST"):
        Account.of_this_pod(tmp_path)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "€"])
def test_what_is_no_token_is_not_sent(api_server: ApiServer, tmp_path: Path, token: str) -> None:
    account = account_of(api_server, tmp_path)
    (account / "token").write_text(token)
    with pytest.raises(ScaleError, match="the service account can"):
        ConfigMap(Account(api_server.url, account), "dafab-limits").read()
    assert api_server.requests == []


def test_the_recorder_refuses_what_kubernetes_would(api_server: ApiServer) -> None:
    wrong = [{"data": {"hpk-cpu": 12}}, {"datum": {}}, {"metadata": {"resourceVersion": 7}}]
    assert [api_server.faults(json.loads(json.dumps(body))) != [] for body in wrong] == [True] * 3
