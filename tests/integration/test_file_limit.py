"""A limit on the size of files (``ulimit -f``): each step says in one line what has no room, and where."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from argo_templates.work import Work
from tests.integration.scenes import CopyScene

pytestmark = [pytest.mark.integration, pytest.mark.shared]

# The limit is set after the imports: Python's own caches are files, too.
STEP = """
import resource, sys
from argo_templates.steps import archive, fetch, infer, make
from rucio_dafab.errors import DafabError

step, work, scene, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
given = {
    "fetch": lambda: fetch.fetch(fetch.FetchInput(scene=scene, work=work)),
    "archive": lambda: archive.archive(archive.ArchiveInput(work=work)),
    "infer": lambda: infer.infer(infer.InferInput(work=work, model="fields")),
    "make": lambda: make.make(make.MakeInput(work=work, model="fields")),
}
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    given[step]()
except DafabError as refusal:
    sys.exit(str(refusal))
"""


def test_each_step_says_what_has_no_room(copied: CopyScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, work = copied("terramesh_433D_629L_3_1", "limited"), Work(tmp_path / "work")
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))

    def run(step: str, limit: int = resource.RLIM_INFINITY) -> str:
        command = [sys.executable, "-c", STEP, step, str(work.root), str(scene), str(limit)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (limit == resource.RLIM_INFINITY), done.stderr
        return done.stderr.strip()

    small = 20_000
    run("fetch")
    refusal = run("archive", small)
    assert refusal.startswith("limited needs a file of ")
    assert refusal.endswith(f" MB in {tmp_path}/home/store, and files may have 0.02 MB at most (ulimit -f)")
    run("archive")
    assert_room(run("infer", small), work.root)
    assert not work.prediction("fields").exists()
    run("infer")
    assert_room(run("make", small), work.root)
    assert not work.product("fields").exists()
    run("make")


def assert_room(refusal: str, place: Path) -> None:
    """Check that a refusal is one line that names a file below ``place`` and says that there is no room."""
    assert "\n" not in refusal, refusal
    assert str(place) in refusal
    assert any(said in refusal for said in ("File too large", "files may not grow so large")), refusal
