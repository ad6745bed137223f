"""podman for tests, with storage of its own, and the images that they run.

There is no registry of images here: the base is made from Debian's packages. What was built stays in the user's cache
folder, layer by layer, so that a later session builds only what has changed.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("podman", "runc", "mmdebstrap")
GPU_IMAGE = "DAFAB_TEST_GPU_IMAGE"
BASE = "localhost/rucio-dafab-test-base:bookworm"
OLD = "until=72h"
"""Layers that were made more than three days ago go at the end of a session: some take a gigabyte."""

# Whoever runs tests may neither raise limits nor have systemd, and a network of its own needs more of the kernel.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "/run/rucio-dafab-test-podman"
"""


def said(*arguments: str, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
    """Run podman and return what it said, whatever its status."""
    return subprocess.run(
        ["podman", *arguments], capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
    )


@pytest.fixture(scope="session")
def podman() -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    """Return :func:`said` where podman can run a container; its base image is there."""
    if os.geteuid() != 0:
        pytest.skip("podman with storage of the tests' own needs root, which these tests are not run as")
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    install()
    with pytest.MonkeyPatch.context() as patch:
        for name, text in (("CONTAINERS_CONF", CONFIGURATION), ("CONTAINERS_STORAGE_CONF", STORAGE)):
            path = folder / name.lower()
            path.write_text(text.replace("{folder}", str(folder)))
            patch.setenv(name, str(path))
        make_base()
        tried = said("run", "--rm", "--network=none", BASE, "true")
        if tried.returncode:
            pytest.skip(f"podman cannot run a container here: {tried.stderr.strip()[-200:]}")
        yield said
        said("image", "prune", "--force", f"--filter={OLD}")


@pytest.fixture(scope="session")
def worker_image(podman: Callable[..., "subprocess.CompletedProcess[str]"]) -> str:
    """Return the image of the worker, built from this checkout."""
    return build("worker")


@pytest.fixture(scope="session")
def server_image(podman: Callable[..., "subprocess.CompletedProcess[str]"]) -> str:
    """Return the image of the server, built from this checkout."""
    return build("server")


@pytest.fixture(scope="session")
def worker_gpu_image(podman: Callable[..., "subprocess.CompletedProcess[str]"]) -> str:
    """Return the image of the worker for GPUs, where the environment asks for it: its packages are 2.5 GB to fetch."""
    if not os.environ.get(GPU_IMAGE):
        pytest.skip(f"{GPU_IMAGE} is not set: the image for GPUs has 3.8 GB and takes some four minutes")
    return build("worker-gpu")


def install() -> None:
    """Install Debian's packages, or skip with the reason."""
    if all(shutil.which(name) for name in PACKAGES):
        return
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for each in (["apt-get", "update", "-qq"], command):
        ran = subprocess.run(each, env=environment, capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode:
        pytest.skip(f"podman is not here and apt cannot install it: {ran.stderr.strip()[-200:]}")


def cache() -> Path:
    """Return the folder of what sessions share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rucio-dafab" / "podman"


@contextmanager
def alone() -> Iterator[None]:
    """Build alone: two sessions at once would do the same work twice."""
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_base() -> None:
    """Make the base image from Debian's packages, once; skip where they cannot be had."""
    if said("image", "exists", BASE).returncode == 0:
        return
    with alone():
        if said("image", "exists", BASE).returncode:
            bootstrap(cache() / "base.tar")


def bootstrap(archive: Path) -> None:
    """Make the base image by way of an archive."""
    command = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-venv", "bookworm"]
    made = subprocess.run([*command, str(archive)], capture_output=True, text=True, check=False, timeout=900)
    if made.returncode:
        pytest.skip(f"the packages of a base image cannot be had: {made.stderr.strip()[-200:]}")
    imported = said("import", str(archive), BASE, seconds=300)
    archive.unlink()
    assert imported.returncode == 0, imported.stderr


def build(name: str) -> str:
    """Build an image as `make images` does and return its name."""
    # Another checkout beside this one has images of its own.
    tag = f"--tag=test-{sha256(str(ROOT).encode()).hexdigest()[:8]}"
    command = [sys.executable, str(ROOT / "scripts" / "images.py"), "--chroot", f"--base={BASE}", tag, name]
    with alone():
        built = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1500)
    assert built.returncode == 0, built.stdout[-1000:] + built.stderr[-2000:]
    return built.stdout.splitlines()[-1]
