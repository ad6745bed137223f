"""Requests to an Argo server, recorded by a server on loopback that holds their bodies to Argo's own schema.

No real Argo server was ever asked: what is checked here is what is sent, and what is made of each kind of answer.
"""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from typing_extensions import override

from argo_templates.schema import load_strict
from argo_templates.server import ArgoServer, ServerError, ServerUnreachable, TokenRefused

TOKEN = "a-token"
ARGO = "io.argoproj.workflow.v1alpha1"


class Recorder(ThreadingHTTPServer):
    """Keeps requests and answers them as an Argo server would a user with the right token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str, Any]] = []
        self.answer: tuple[int, bytes] | None = None
        self.later: list[bytes] = []
        self.breaks_off = False

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Recorder

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_GET

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path, json.loads(body) if body else None))
        status, answer = self.server.answer or self._answer()
        if self.server.later:
            self.server.answer = (200, self.server.later.pop(0))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        if self.server.breaks_off:
            self.send_header("Transfer-Encoding", "chunked")
            answer = b"ffff\r\n" + answer
        else:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self) -> tuple[int, bytes]:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, b'{"code": 16, "message": "token not valid"}'
        workflow = {"metadata": {"name": "dafab-process-x7k2p"}, "status": {"phase": "Running"}}
        if "/log?" in self.path:
            return (
                200,
                b'{"result": {"content": "one", "podName": "p"}}\n{"result": {"content": "two", "podName": "p"}}\n',
            )
        if "?fields=" in self.path:
            return 200, json.dumps({"items": [workflow]}).encode()
        return 200, json.dumps(workflow).encode()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Return a server on loopback."""
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.shared
def test_a_submission_is_what_argos_schema_says(recorder: Recorder, shared: Path) -> None:
    server = ArgoServer(recorder.address, TOKEN, "dafab")
    assert server.submit("dafab-process", {"scene": "a b", "rse": "CLOUD"}, "mine") == "dafab-process-x7k2p"
    ((method, path, body),) = recorder.requests
    assert (method, path) == ("POST", "/api/v1/workflows/dafab/submit")
    assert (body["resourceKind"], body["resourceName"]) == ("WorkflowTemplate", "dafab-process")
    assert body["submitOptions"]["parameters"] == ["scene=a b", "rse=CLOUD"]
    assert faults(body, "WorkflowSubmitRequest", shared) == []
    assert faults(body | {"resourceNames": "x"}, "WorkflowSubmitRequest", shared) != []


@pytest.mark.shared
def test_what_stops_a_workflow_is_what_argos_schema_says(recorder: Recorder, shared: Path) -> None:
    ArgoServer(recorder.address, TOKEN, "dafab").stop("mine")
    ((method, path, body),) = recorder.requests
    assert (method, path) == ("PUT", "/api/v1/workflows/dafab/mine/stop")
    assert body == {"name": "mine", "namespace": "dafab"}
    assert faults(body, "WorkflowStopRequest", shared) == []
    assert faults(body | {"names": "x"}, "WorkflowStopRequest", shared) != []


def faults(value: Any, definition: str, shared: Path) -> list[str]:
    """Return where a value departs from a definition of Argo's."""
    definitions = load_strict(shared / "argo" / "argo-workflows-4.1.schema.json")["definitions"]
    validator = Draft7Validator({"$ref": f"#/definitions/{ARGO}.{definition}", "definitions": definitions})
    return [error.message for error in validator.iter_errors(value)]


def workflow(phase: str, **nodes: str) -> dict[str, Any]:
    """Return a workflow as a server has it, with the phases of its steps."""
    times = {"startedAt": "2026-11-24T02:00:00Z"} | ({"finishedAt": "2026-11-24T02:01:00Z"} if "ed" in phase else {})
    told = {
        name: {"id": name, "name": f"run.{name}", "displayName": name, "type": "Pod", "phase": each}
        for name, each in nodes.items()
    }
    metadata = {"name": "run", "namespace": "dafab"}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "nodes": told} | times}


@pytest.mark.shared
@pytest.mark.parametrize(("last", "status", "said"), [("Succeeded", 0, ""), ("Failed", 1, "it ended as Failed")])
def test_a_workflow_is_watched_to_its_end(
    recorder: Recorder, shared: Path, last: str, status: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGO_SERVER", recorder.address)
    monkeypatch.setenv("ARGO_TOKEN", TOKEN)
    waiting = {"metadata": {"name": "run"}, "spec": {}}
    answers = [waiting, workflow("Running", fetch="Running"), workflow(last, fetch="Succeeded", publish=last)]
    assert [faults(each, "Workflow", shared) for each in answers] == [[], [], []]
    first, *recorder.later = (json.dumps(each).encode() for each in answers)
    recorder.answer = (200, first)
    command = [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", "workflow", "watch", "run"]
    ended = subprocess.run([*command, "--server"], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (status, f"error: {said}\n" if said else "")
    # Each step is told when it has another phase, and only then.
    assert [line.split() for line in ended.stdout.splitlines()] == [
        ["Running", "fetch"], ["Succeeded", "fetch"], [last, "publish"]
    ]  # fmt: skip
    assert {(method, path) for method, path, _ in recorder.requests} == {("GET", "/api/v1/workflows/dafab/run")}


def test_the_other_requests(recorder: Recorder) -> None:
    server = ArgoServer(recorder.address, f"Bearer {TOKEN}", "dafab")
    assert [each["metadata"]["name"] for each in server.every()] == ["dafab-process-x7k2p"]
    assert server.workflow("a/b")["status"]["phase"] == "Running"
    server.stop("x")
    assert list(server.logs("x")) == [("p", "one"), ("p", "two")]
    assert [(method, path.partition("?")[0]) for method, path, _ in recorder.requests] == [
        ("GET", "/api/v1/workflows/dafab"),
        ("GET", "/api/v1/workflows/dafab/a%2Fb"),
        ("PUT", "/api/v1/workflows/dafab/x/stop"),
        ("GET", "/api/v1/workflows/dafab/x/log"),
    ]


def test_a_refused_token_is_one_line_without_the_token(recorder: Recorder) -> None:
    with pytest.raises(TokenRefused) as refusal:
        ArgoServer(recorder.address, "wrong-token", "dafab").submit("dafab-process", {})
    assert str(refusal.value) == f"{recorder.address} refuses the token of ARGO_TOKEN: token not valid"


def test_a_server_that_does_not_answer_is_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ServerUnreachable, match="does not answer") as refusal:
        ArgoServer(f"127.0.0.1:{port}", TOKEN, "dafab").workflow("x")
    assert refusal.value.exit_code == 75


@pytest.mark.parametrize(
    ("status", "answer", "line", "exit_code"),
    [
        (404, b'{"message": "workflowtemplates not found"}', r"refuses \(404\): workflowtemplates not found", 1),
        (503, b"<html>", "cannot answer now", 75),
        (200, b"<html>", "does not answer as an Argo server does: no JSON", 1),
        (200, b"[]", "does not answer as an Argo server does: no JSON object", 1),
        (302, b"", r"refuses \(302\)", 1),
    ],
)
def test_other_answers(recorder: Recorder, status: int, answer: bytes, line: str, exit_code: int) -> None:
    recorder.answer = (status, answer)
    with pytest.raises(ServerError, match=line) as refusal:
        ArgoServer(recorder.address, TOKEN, "dafab").workflow("x")
    assert refusal.value.exit_code == exit_code


def test_an_encrypted_connection_is_asked_for_where_none_is_offered(recorder: Recorder) -> None:
    with pytest.raises(ServerError, match=r"certificate is not trusted|does not answer"):
        ArgoServer(recorder.address.replace("http:", "https:"), TOKEN, "dafab").workflow("x")
    assert recorder.requests == []


@pytest.mark.parametrize("address", ["http://argo.example.org", "ftp://argo", "https://me:secret@argo", "https://"])
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(ServerError) as refusal:
        ArgoServer(address, TOKEN, "dafab")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("address", ["https://[::1", "argo:99999999", "argo:port", "argo?a=b"])
def test_what_is_no_address_is_refused_in_one_line(address: str) -> None:
    with pytest.raises(ServerError, match=r"^ARGO_SERVER holds no address: "):
        ArgoServer(address, TOKEN, "dafab")


@pytest.mark.parametrize("token", ["a\nb", "a\r\nX-More: b", "€", "a\0"])
def test_what_is_no_token_is_not_sent_and_not_shown(recorder: Recorder, token: str) -> None:
    with pytest.raises(ServerError, match=r"^ARGO_TOKEN holds no token: ") as refusal:
        ArgoServer(recorder.address, token, "dafab")
    assert token not in str(refusal.value)
    assert recorder.requests == []


@pytest.mark.parametrize("answer", [{"metadata": {}}, {"metadata": None}, {"metadata": []}, {}])
def test_a_submission_without_a_name(recorder: Recorder, answer: dict[str, Any]) -> None:
    recorder.answer = (200, json.dumps(answer).encode())
    with pytest.raises(ServerError, match="does not answer as an Argo server does"):
        ArgoServer(recorder.address, TOKEN, "dafab").submit("dafab-process", {})


@pytest.mark.parametrize("answer", [b'{"result": 3}', b'{"result": null}', b"<html>", b"3"])
def test_logs_that_are_none(recorder: Recorder, answer: bytes) -> None:
    recorder.answer = (200, answer)
    with pytest.raises(ServerError, match="does not answer as an Argo server does"):
        list(ArgoServer(recorder.address, TOKEN, "dafab").logs("x"))


def test_logs_that_break_off(recorder: Recorder) -> None:
    recorder.breaks_off = True
    with pytest.raises(ServerUnreachable, match="does not go on") as refusal:
        list(ArgoServer(recorder.address, TOKEN, "dafab").logs("x"))
    assert refusal.value.exit_code == 75


@pytest.mark.parametrize(
    ("arguments", "answer", "line"),
    [
        (("list", "--server"), b'{"items": [{"metadata": {}}]}', "does not answer as an Argo server does: 'name'"),
        (("list", "--server"), b'{"items": [3]}', "does not answer as an Argo server does"),
        (("watch", "x", "--server"), b'{"status": {"nodes": {"a": {}}}}', "not answer as an Argo server does: 'id'"),
        (("watch", "x", "--server"), b'{"status": {"nodes": null, "phase": "Failed", "finishedAt": 1}}', "as Failed"),
    ],
)
def test_the_command_says_it_in_one_line(
    recorder: Recorder, arguments: tuple[str, ...], answer: bytes, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGO_SERVER", recorder.address)
    recorder.answer = (200, answer)
    command = [sys.executable, "-c", "from rucio_dafab.cli.main import run; run()", "workflow", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert line in ended.stderr
