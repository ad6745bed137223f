"""The back end ``podman``: what only containers have."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates.local import documents, runs
from argo_templates.local.nodes import Node
from argo_templates.local.state import Run
from rucio_dafab.site.home import Home
from tests.integration.podman import BASE

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("podman"), pytest.mark.timeout(1800)]

Ran = Callable[..., tuple[str, Node]]


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ran:
    """Return a function that runs one pod: its line of shell and members of container and template."""
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    for name in ("data", "key"):
        (tmp_path / name).mkdir()
    (tmp_path / "key" / "token").write_text("s3cret, and\nmore of it\n")

    def run(line: str, template: "dict[str, Any] | None" = None, **container: Any) -> tuple[str, Node]:
        whole = {"image": BASE, "command": ["sh", "-c"], "args": [line]} | container
        made = {member: value for member, value in whole.items() if value is not None}
        spec = {
            "entrypoint": "main",
            "templates": [{"name": "main", "container": made} | (template or {})],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": False}},
                {"name": "key", "secret": {"secretName": "key"}},
                {"name": "dafab-rse", "persistentVolumeClaim": {"claimName": "dafab-rse"}},
            ],
        }
        path = tmp_path / "workflow.yaml"
        path.write_text(yaml.safe_dump({"kind": "Workflow", "metadata": {"name": "one"}, "spec": spec}))
        folders = {"data": tmp_path / "data", "key": tmp_path / "key", "dafab-rse": tmp_path / "data"}
        prepared = runs.prepare(home, documents.find(str(path)), {}, back_end="podman", mapping=folders)
        assert "image" not in prepared.options().noted
        status = runs.execute(home, prepared)
        return status.message, node_of(prepared)

    return run


def node_of(run: Run) -> Node:
    """Return the only step of a run."""
    node = run.node("main")
    assert node is not None
    return node


def mounted(name: str, path: str, **more: Any) -> dict[str, Any]:
    """Return a mount."""
    return {"name": name, "mountPath": path, **more}


def test_what_is_read_only_cannot_be_written(ran: Ran, tmp_path: Path) -> None:
    line = "touch /tmp/x; for path in /var/x /data/x /key/x /rw/x; do touch $path 2>/dev/null && echo $path; done; true"
    mounts = [mounted("data", "/data", readOnly=True), mounted("key", "/key"), mounted("data", "/rw", subPath="below")]
    security = {"readOnlyRootFilesystem": True}
    _, node = ran(line, volumeMounts=mounts, securityContext=security)
    assert node.result == "/rw/x"
    assert (tmp_path / "data" / "below" / "x").exists()
    assert ran("touch /var/x && echo written")[1].result == "written"


def test_it_has_no_capabilities_and_sees_nothing_of_the_machine(ran: Ran, tmp_path: Path) -> None:
    line = f"grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; ls -d {tmp_path} 2>/dev/null; env"
    told = str(ran(line)[1].result).splitlines()
    assert [line.split()[1] for line in told[:2]] == ["0000000000000000", "1"]
    assert str(tmp_path) not in told
    assert not [line for line in told if line.startswith(("DAFAB_HOME=", "PYTEST"))]


def test_the_label_that_reaches_nothing_leaves_no_network(ran: Ran) -> None:
    line = "cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' ' | xargs"
    assert ran(line, {"metadata": {"labels": {"dafab.eu/reaches": "nothing"}}})[1].result == "lo"
    assert ran("readlink /proc/self/ns/net")[1].result == str(Path("/proc/self/ns/net").readlink())


def test_the_key_of_a_secret_stands_in_no_command_line(ran: Ran, tmp_path: Path) -> None:
    variable = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}}
    absent = {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "key", "key": "no", "optional": True}}}
    line = 'ps_of() { cat /host/[0-9]*/cmdline | tr "\\0" " "; }; ps_of > /data/processes; echo "$TOKEN ${NONE-absent}"'
    processes = {"volumes": [{"name": "host", "hostPath": {"path": "/proc"}}]}
    mounts = [mounted("host", "/host"), mounted("data", "/data")]
    _, node = ran(line, processes, env=[variable, absent], volumeMounts=mounts)
    assert node.result == "s3cret, and\nmore of it absent"
    seen = (tmp_path / "data" / "processes").read_text()
    assert "--env=TOKEN " in seen
    assert "s3cret" not in seen


def test_storage_elements_are_where_rucio_knows_them(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "data" / "file").write_text("bytes")
    line = f"cat /dafab/rse/file {tmp_path}/data/file"
    assert ran(line, volumeMounts=[mounted("dafab-rse", "/dafab/rse")])[1].result == "bytesbytes"


def test_an_image_that_is_not_here_is_an_error_in_one_line(ran: Ran) -> None:
    retry = {"retryStrategy": {"limit": "3", "retryPolicy": "Always", "backoff": {"duration": "60s"}}}
    began = time.monotonic()
    message, node = ran("true", retry, image="localhost/rucio-dafab-no-such-image:none", imagePullPolicy="Never")
    # No other try would find it.
    assert time.monotonic() - began < 30
    assert node.phase == "Error"
    assert message.startswith("podman refused: ")
    assert "no-such-image" in message
    assert "\n" not in message


def test_the_image_says_what_is_run_if_the_template_does_not(ran: Ran, podman: Any, tmp_path: Path) -> None:
    lines = [f"FROM {BASE}", "WORKDIR /var", 'ENTRYPOINT ["sh", "-c", "pwd; echo $0"]', 'CMD ["nothing"]']
    (tmp_path / "Containerfile").write_text("\n".join(lines))
    name = "localhost/rucio-dafab-test-entry:test"
    built = podman("build", "--quiet", "--isolation=chroot", f"--tag={name}", str(tmp_path))
    assert built.returncode == 0, built.stderr
    try:
        bare = {"image": name, "command": None}
        assert ran("", **bare, args=["more"])[1].result == "/var\nmore"
        assert ran("", **bare, args=None, workingDir="/tmp")[1].result == "/tmp\nnothing"
    finally:
        podman("rmi", "--force", name)
