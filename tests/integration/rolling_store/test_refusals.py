"""What the rolling store does not keep, and what it says of it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dasi_backend import cli
from dasi_backend.errors import ContentDiffers, KeyRefused, StagedError
from dasi_backend.store import Store
from tests.integration.rolling_store.scenes import contents, make_scene

pytestmark = pytest.mark.integration


def test_another_content_under_the_same_id_is_refused_by_name(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    other = make_scene(tmp_path / "other", seed=1)
    with pytest.raises(ContentDiffers, match=r"'scene_a' already: B02\.tif, B03\.tif"):
        store.archive(other)
    assert contents(store.retrieve("scene_a", tmp_path / "out")) == contents(scene)


def test_another_day_under_the_same_id_is_refused(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    later = make_scene(tmp_path / "later", datetime="2026-06-02T00:00:00Z")
    with pytest.raises(ContentDiffers, match=r"item\.json differs"):
        store.archive(later)


def test_ids_that_differ_in_case_alone_are_refused(store: Store, scene: Path, tmp_path: Path) -> None:
    store.archive(scene)
    with pytest.raises(ContentDiffers, match="'Scene_A' is the stored 'scene_a' but for case"):
        store.archive(make_scene(tmp_path / "twin", "Scene_A"))
    assert not store.contains("Scene_A")


@pytest.mark.parametrize("identifier", ["sc:ene", "sc/ene", "sc ene", "scène", "x" * 151, "../scene", "all"])
def test_an_id_that_fdb_cannot_keep_is_refused_and_the_store_still_lists(
    store: Store, scene: Path, tmp_path: Path, identifier: str
) -> None:
    store.archive(scene)
    with pytest.raises(KeyRefused) as refusal:
        store.archive(make_scene(tmp_path / "bad", identifier))
    assert identifier in str(refusal.value)
    assert [product.key.id for product in store.products()] == ["scene_a"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "item.json").unlink(), "no item.json"),
        (lambda folder: (folder / "item.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "item.json").write_text("[]"), "no STAC item"),
        (lambda folder: (folder / "item.json").write_text("[" * 200_000), "cannot be read"),
        (lambda folder: (folder / "item.json").write_text('{"id": "x", "title": "\\ud800"}'), "cannot be read"),
        (lambda folder: (folder / "B03.tif").unlink(), r"asset B03 names B03\.tif"),
        (lambda folder: (folder / "B03.tif").write_bytes(b"no raster"), r"asset B03: B03\.tif is no raster"),
        (shutil.rmtree, "no item.json"),
    ],
)
def test_a_folder_that_is_no_staged_scene_is_refused(
    store: Store, scene: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(scene)
    with pytest.raises(StagedError, match=said):
        store.archive(scene)
    assert list(store.products()) == []


def test_a_file_whose_name_is_no_text_is_named(store: Store, scene: Path) -> None:
    (scene / "safe" / "MTD_MSIL2A.xml").rename(scene / "safe" / os.fsdecode(b"caf\xe9.xml"))
    with pytest.raises(StagedError, match=r"a file whose name is no UTF-8: b'safe/caf\\xe9.xml'"):
        store.archive(scene)


@pytest.mark.parametrize("command", ["list", "retention", "inspect --space", "wipe mission=s2", "archive staged"])
@pytest.mark.parametrize(
    ("root", "said"), [("store", "is no folder"), ("store/below", "cannot be entered: Not a directory")]
)
def test_a_root_that_is_a_file_is_named(
    scene: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str, root: str, said: str
) -> None:
    (tmp_path / "store").write_text("a file")
    (tmp_path / "dasi.yml").write_text(f"spaces: [{{roots: [{{path: {root}}}]}}]")
    name, *arguments = command.replace("staged", str(scene)).split()
    with pytest.raises(SystemExit) as ended:
        cli.run([name, *arguments, "--config", str(tmp_path / "dasi.yml")])
    assert ended.value.code == 1
    assert capfd.readouterr().err == f"error: the store {tmp_path / root} {said}\n"


@pytest.mark.parametrize("href", ["../B03.tif", "/etc/passwd", "https://example.org/B03.tif"])
def test_a_band_outside_the_folder_is_refused(store: Store, scene: Path, href: str) -> None:
    item = json.loads((scene / "item.json").read_text())
    item["assets"]["B03"]["href"] = href
    (scene / "item.json").write_text(json.dumps(item))
    with pytest.raises(StagedError, match="B03"):
        store.archive(scene)


@pytest.mark.parametrize("name", ["B03.tif", "safe/MTD_MSIL2A.xml"])
def test_a_link_out_of_the_folder_is_refused(store: Store, scene: Path, tmp_path: Path, name: str) -> None:
    """Whoever made a scene that is archived by a service does not say which files of the service are read."""
    (tmp_path / "secret").write_text("secret")
    (scene / name).unlink()
    (scene / name).symlink_to(tmp_path / "secret")
    with pytest.raises(StagedError, match=rf"{name} is a link to .*secret, outside of the folder"):
        store.archive(scene)
    (scene / name).unlink()
    (scene / "inside").write_text("inside")
    (scene / name).symlink_to(scene / "inside")
    if name.startswith("safe"):
        store.archive(scene)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"tile": "a:b"}, "tile=a:b"),
        ({"colour": "x"}, "colour"),
        ({"date": "20260231"}, "date=20260231"),
        ({"band": "b02"}, "band"),
    ],
)
def test_a_query_that_fdb_would_choke_on_is_refused(store: Store, query: dict[str, str], said: str) -> None:
    with pytest.raises(KeyRefused, match=said):
        list(store.products(query))


READ_ONLY = """
import json, os, sys
from pathlib import Path
from dasi_backend import writer
from dasi_backend.errors import StoreError
from dasi_backend.store import Store

store = Store(Path(sys.argv[1]))
store.retrieve("scene_a", Path(sys.argv[2]) / "before")  # what is loaded late is loaded while it can be
list(store.parts.database.objects({}))
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
assert [product.key.id for product in store.products()] == ["scene_a"]
store.retrieve("scene_a", Path(sys.argv[2]) / "scene")
for act in (lambda: store.wipe({"product": "scene_a"}, doit=True), lambda: store.holds.pin("scene_a")):
    try:
        act()
    except StoreError as refusal:
        print(refusal)
"""


def test_who_may_only_read_a_store_reads_it() -> None:
    """Whoever archives is seldom whoever reads: locks are shared without a right to write."""
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        folder.chmod(0o755)
        store = Store(folder / "store")
        store.archive(make_scene(folder / "staged"))
        (folder / "out").mkdir()
        (folder / "out").chmod(0o777)
        kept = [*store.root.rglob("*"), store.root]
        for path in kept:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            done = subprocess.run(
                [sys.executable, "-c", READ_ONLY, str(store.root), str(folder / "out")],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            for path in reversed(kept):
                path.chmod(0o755)
        assert done.returncode == 0, done.stderr
        refusals = [line for line in done.stdout.splitlines() if "cannot be locked" in line]
        assert len(refusals) == 2
        assert all("Permission denied" in line for line in refusals)
        assert contents(folder / "out" / "scene") == contents(folder / "staged")
