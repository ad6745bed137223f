"""The images of `deployment/containers/`, built by podman from this checkout and run as a cluster would run them."""

import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from argo_templates.factory import USER_ID
from rucio_dafab import __version__
from tests.integration.waiting import eventually

# The first session of a machine makes the base and all layers; later ones only what has changed.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

Podman = Callable[..., "subprocess.CompletedProcess[str]"]
RESTRICTED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp:mode=1777",
)
"""What a pod of our templates gets: a /tmp of its own, and nothing else that it may write."""


def output(ran: "subprocess.CompletedProcess[str]") -> str:
    """Return what a container wrote that must have succeeded."""
    assert ran.returncode == 0, ran.stdout[-1000:] + ran.stderr[-2000:]
    return ran.stdout


def run(podman: Podman, image: str, line: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of shell in a restricted container without a network."""
    shell = ["--entrypoint=", image, "sh", "-euc", line]
    return podman("run", "--rm", "--network=none", *RESTRICTED, *options, *shell)


@pytest.mark.parametrize("name", ["worker", "server"])
def test_an_image_runs_as_nobody_and_holds_no_tools(podman: Podman, request: pytest.FixtureRequest, name: str) -> None:
    image = request.getfixturevalue(f"{name}_image")
    told = output(run(podman, image, "id -u; rucio-dafab --version; command -v python"))
    assert told.split("\n")[:3] == [str(USER_ID), f"rucio-dafab {__version__}", "/opt/dafab/bin/python"]
    assert run(podman, image, "touch /dafab/x").returncode != 0
    # Nothing that builds, and nothing of the machine that built it.
    assert run(podman, image, "command -v gcc || command -v pip || python -m pip --version").returncode != 0
    assert output(run(podman, image, "cat /etc/pip.conf 2>/dev/null || true; env")).count("PIP_") == 0
    (inspected,) = json.loads(output(podman("image", "inspect", image)))
    assert inspected["Labels"]["org.opencontainers.image.version"] == __version__
    assert inspected["Labels"]["org.opencontainers.image.title"] == f"rucio-dafab-{name}"
    assert inspected["User"] == f"{USER_ID}:{USER_ID}"


def test_a_step_runs_in_the_worker(podman: Podman, worker_image: str) -> None:
    line = """
    rucio-dafab simulate /tmp/scenes --seed 5 --size 256 >/dev/null
    mkdir -p /tmp/work
    echo "[{\\"name\\": \\"scene\\", \\"value\\": \\"$(ls -d /tmp/scenes/*.SAFE)\\"},
           {\\"name\\": \\"work\\", \\"value\\": \\"/tmp/work\\"}]" > /tmp/parameters
    export hera__outputs_directory=/tmp/outputs
    python -m argo_templates.pod -e argo_templates.steps.fetch:fetch /tmp/parameters
    cat /tmp/outputs/parameters/bands
    """
    assert "B02" in output(run(podman, worker_image, line)).splitlines()[-1]


def test_the_worker_says_a_refusal_in_one_line(podman: Podman, worker_image: str) -> None:
    parameters = '[{"name": "scene", "value": "/scenes/absent"}, {"name": "work", "value": "/tmp/work"}]'
    line = f"echo '{parameters}' > /tmp/p; python -m argo_templates.pod -e argo_templates.steps.fetch:fetch /tmp/p"
    ended = run(podman, worker_image, line)
    assert (ended.returncode, ended.stderr) == (1, "error: /scenes/absent: no such folder\n")


def test_the_models_and_the_rolling_store_are_in_the_worker(podman: Podman, worker_image: str) -> None:
    line = """
    dasi --help > /dev/null
    python - <<'PROGRAM'
    import pyfdb, argo_templates.steps.archive, argo_templates.steps.publish
    from rucio_dafab.eo.inference import load_model
    print([load_model(name).name for name in ("water", "fields", "water_radar")])
    PROGRAM
    """
    told = output(run(podman, worker_image, line.replace("\n    ", "\n")))
    assert told.strip() == "['water', 'fields', 'water_radar']"


def test_the_worker_for_gpus_lacks_nothing_but_a_gpu(podman: Podman, worker_gpu_image: str) -> None:
    line = """
    python - <<'PROGRAM'
    import ctypes
    import onnxruntime
    assert "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    for name in ("cublasLt.so.13", "cublas.so.13", "cudart.so.13", "cudnn.so.9", "cufft.so.12", "curand.so.10"):
        ctypes.CDLL(f"lib{name}")
    from rucio_dafab.eo.inference import load_model
    print(load_model("water").provider)
    PROGRAM
    ldd /opt/dafab/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime_providers_cuda.so | grep "not found"
    """
    told = output(run(podman, worker_gpu_image, line.replace("\n    ", "\n"))).splitlines()
    assert [each.strip() for each in told] == ["CPUExecutionProvider", "libcuda.so.1 => not found"]


@contextmanager
def serving(podman: Podman, image: str, configuration: Path) -> Iterator[tuple[str, int]]:
    """Run the server with the configuration of a site; yield its container and port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    mount = f"--mount=type=bind,source={configuration},target=/dafab/etc/server/rucio.cfg,ro=true"
    variables = (f"--env=DAFAB_PORT={port}", "--env=DAFAB_HOST=127.0.0.1")
    name = output(podman("run", "--detach", "--network=host", *RESTRICTED, mount, *variables, image)).strip()
    try:
        yield name, port
    finally:
        podman("rm", "--force", "--time=5", name)


def test_the_server_serves_the_catalogue(
    podman: Podman, server_image: str, site: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    configuration = tmp_path_factory.mktemp("server") / "rucio.cfg"
    shutil.copyfile(site.home.server_config, configuration)
    configuration.chmod(0o400)
    shutil.chown(configuration, USER_ID, USER_ID)
    with serving(podman, server_image, configuration) as (name, port):
        assert eventually(lambda: answers(port), 120), podman("logs", name).stderr[-2000:]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/dafab/health", timeout=30) as answer:
            assert json.load(answer)["status"] == "ok"
        checked = podman("healthcheck", "run", name)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=30) as answer:
            assert "version" in json.load(answer)


def answers(port: int) -> bool:
    """Tell whether something listens on a port."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
