"""For tests alone: the shared site and an archive for workflows, and a Slurm of one node with a GPU that is none."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import documents, runs
from argo_templates.local.state import Run, Status
from rucio_dafab.site.home import Home
from tests.integration.workflows.campaigns import Products, Submit
from tests.unit.eo.sources.archive import running
from tests.unit.eo.sources.conftest import TABLE

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "runuser")
PATIENCE = 60

CONFIGURATION = """
ClusterName=dafab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={state}/munge/socket
CryptoType=crypto/munge
StateSaveLocation={state}/state
SlurmdSpoolDir={state}/spool
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# A real one bounds jobs by control groups; here their memory is looked at every second, and they end the same way.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
MinJobAge=600
KillWait=2
GresTypes=gpu
# The machine may have fewer cores and less memory than the node says.
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 {more}
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="session")
def slurm() -> Iterator[Path]:
    """Start a Slurm and return its configuration, which ``SLURM_CONF`` names while the tests run."""
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons need root, which these tests are not run as")
    os.environ["PATH"] += f"{os.pathsep}/usr/sbin"
    if any(shutil.which(name) is None for name in PROGRAMS):
        install()
    with ExitStack() as stack:
        state = Path(tempfile.mkdtemp(prefix="dafab-slurm-", dir="/tmp"))
        stack.callback(shutil.rmtree, state, ignore_errors=True)
        yield start(state, stack)


def install() -> None:
    """Install Debian's packages, or skip with the reason."""
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "slurm-wlm", "munge"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    installed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    if installed.returncode:
        pytest.skip(f"Slurm is not here and apt cannot install it: {installed.stderr.strip()[-200:]}")


def start(state: Path, stack: ExitStack) -> Path:
    """Start the three daemons and wait for the node."""
    for name in ("munge", "state", "spool"):
        (state / name).mkdir()
    state.chmod(0o755)
    shutil.chown(state / "munge", "munge", "munge")
    host = socket.gethostname().split(".")[0]
    ports = dict(zip(("controller", "node"), free_ports(), strict=True))
    more = "RealMemory=16000 Gres=gpu:fake:1 State=UNKNOWN"
    configuration = state / "slurm.conf"
    configuration.write_text(CONFIGURATION.format(host=host, state=state, more=more, **ports))
    (state / "gres.conf").write_text(f"NodeName={host} Name=gpu Type=fake File=/dev/null\n")
    os.environ["SLURM_CONF"] = str(configuration)
    munge = state / "munge"
    key = munge / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    shutil.chown(key, "munge", "munge")
    files = {"socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed", "key-file": "key"}
    options = [f"--{option}={munge / name}" for option, name in files.items()]
    begin(stack, ["runuser", "-u", "munge", "--", "munged", "--foreground", "--force", *options], state)
    wait_until((munge / "socket").exists, "munged", state)
    begin(stack, ["slurmctld", "-D", "-f", str(configuration)], state)
    begin(stack, ["slurmd", "-D", "-f", str(configuration), "-N", host], state)
    wait_until(lambda: "State=IDLE" in scontrol("show", "node", host), "Slurm's node", state)
    return configuration


def begin(stack: ExitStack, command: list[str], state: Path) -> None:
    """Start a daemon that is ended with the tests."""
    log = stack.enter_context((state / "daemons.log").open("ab"))
    daemon = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGTERM)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()

    stack.callback(end)


def wait_until(holds: Callable[[], bool], what: str, state: Path) -> None:
    """Wait for a daemon."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"{what} did not start: {said(state)}"
        time.sleep(0.2)


def said(state: Path) -> str:
    """Return the last that the daemons said."""
    logs = [state / "daemons.log", state / "slurmctld.log", state / "slurmd.log"]
    return "".join(path.read_text(errors="replace")[-800:] for path in logs if path.exists())


def scontrol(*arguments: str) -> str:
    """Return what Slurm says."""
    return subprocess.run(["scontrol", *arguments], capture_output=True, text=True, check=False).stdout


def free_ports() -> list[int]:
    """Return two ports that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return [one.getsockname()[1], two.getsockname()[1]]


@pytest.fixture
def at_site(site: Any, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return the home of the shared site, which ``DAFAB_HOME`` names."""
    monkeypatch.setenv("DAFAB_HOME", str(site.home.root))
    home: Home = site.home
    return home


@pytest.fixture
def submit(at_site: Home) -> Submit:
    """Return a function that runs a committed template to its end."""

    def run(template: str, **parameters: str) -> tuple[Run, Status]:
        made = runs.prepare(at_site, documents.find(template), parameters)
        return made, runs.execute(at_site, made)

    return run


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Products]:
    """Return an empty archive."""
    with running() as server:
        found = Products(server)
        server.route("/odata/v1/Products", found.answer)
        table = tmp_path / "sources.toml"
        table.write_text(TABLE.format(url=server.url, hosts="[]"))
        monkeypatch.setenv("DAFAB_SOURCES", str(table))
        yield found
