"""Replicas of the catalogue: in which order they are tried, and what happens where one is missing, damaged or cut."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any

import pytest

from dasi_backend.errors import ChecksumError, StoreError
from dasi_backend.interface import Retrieved, Rucio
from dasi_backend.language import Request
from dasi_backend.nearness import Nearness
from dasi_backend.plans import PARALLEL, Plan, Planned, Way
from rucio_dafab.client import DafabClient, Replica
from tests.integration.dasi_masks import RASTER, WHICH

pytestmark = pytest.mark.integration


@pytest.fixture
def replica(catalogue: Rucio) -> Iterator[Path]:
    """Return the only replica of a mask; it is mended afterwards."""
    (item,) = catalogue.list({**WHICH, "id": "dasi_test_2", "asset": "mask"})
    path = Path(item.uri.removeprefix("file://localhost"))
    yield path
    path.unlink(missing_ok=True)
    path.write_bytes(RASTER)


def test_a_damaged_replica_is_named_and_nothing_is_written(catalogue: Rucio, replica: Path, tmp_path: Path) -> None:
    replica.write_bytes(RASTER[:-1] + b"\0")
    with pytest.raises(ChecksumError, match=f"dasi_test_2.mask.tif.*{replica} is damaged"):
        catalogue.retrieve({**WHICH, "id": "dasi_test_2"}, tmp_path / "out" / "[id].tif")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_replica_is_said_with_its_rse(catalogue: Rucio, replica: Path, tmp_path: Path) -> None:
    replica.unlink()
    with pytest.raises(StoreError, match="MELUXINA"):
        catalogue.retrieve({**WHICH, "id": "dasi_test_2"}, tmp_path / "[id].tif")


def test_where_a_replica_is_missing_or_damaged_the_next_is_tried(
    site: Any, catalogue: Rucio, replica: Path, tmp_path: Path
) -> None:
    name = "dasi_test_2.mask.tif"
    (tmp_path / "mask.tif").write_bytes(RASTER)
    copy = site.client("dafab_admin").upload(tmp_path / "mask.tif", "CLOUD", name)
    checks = {"bytes": copy.bytes, "adler32": copy.adler32, "md5": copy.md5}
    site.client("dafab_admin").add_replicas("CLOUD", [{"scope": "dafab", "name": name, **checks}])
    for place, damage in (("missing", None), ("damaged", RASTER[:-1] + b"\0"), ("cut", RASTER[:-1])):
        replica.unlink(missing_ok=True)
        if damage is not None:
            replica.write_bytes(damage)
        (written,) = catalogue.retrieve({**WHICH, "id": "dasi_test_2"}, tmp_path / place / "[id].tif")
        assert written.path.read_bytes() == RASTER


@pytest.fixture
def far_and_near(site: Any) -> Iterator[None]:
    """Make RSEs here and there, which go afterwards."""
    admin, names = site.client("dafab_admin"), ("NEAR_HERE", "NEAR_SAME", "NEAR_FAR", "NEAR_NEXT", "NEAR_UNKNOWN")
    for name in names:
        admin.add_rse(name)
    for name, where in (("NEAR_HERE", "luxembourg"), ("NEAR_SAME", "luxembourg"), ("NEAR_FAR", "cern")):
        admin.add_rse_attribute(name, "site", where)
    for name, distance in (("NEAR_FAR", 9), ("NEAR_NEXT", 2), ("NEAR_SAME", 20)):
        admin.add_distance(name, "NEAR_HERE", {"distance": distance})
    yield
    for name in names:
        admin.delete_rse(name)


@pytest.mark.usefixtures("far_and_near")
def test_replicas_are_tried_from_the_nearest_to_the_farthest(site: Any) -> None:
    """The preferred RSE first, then those of its site, then by distance; where none is known, last."""
    names = ("NEAR_UNKNOWN", "NEAR_FAR", "NEAR_GONE", "NEAR_NEXT", "NEAR_SAME", "NEAR_HERE")
    replicas = [Replica(name, f"https://{name.lower()}.example/mask.tif") for name in names]
    nearness = Nearness(lambda: site.client("user_dafab"), "NEAR_HERE")
    assert [each.rse for each in nearness.ordered(replicas)] == [
        *("NEAR_HERE", "NEAR_SAME", "NEAR_NEXT", "NEAR_FAR", "NEAR_UNKNOWN", "NEAR_GONE"),
    ]


def test_nobody_is_asked_where_one_replica_is_elsewhere() -> None:
    def client() -> DafabClient:
        raise AssertionError("Rucio was asked")

    replicas = [Replica("CLOUD", "https://cloud.example/mask.tif"), Replica("HERE", "https://here.example/mask.tif")]
    assert [each.rse for each in Nearness(client, "HERE").ordered(replicas)] == ["HERE", "CLOUD"]


def test_after_one_file_failed_no_other_is_begun(tmp_path: Path) -> None:
    begun = []

    def write(number: int) -> Retrieved:
        begun.append(number)
        if number == 1:
            raise StoreError("the first is gone")
        sleep(0.05)
        return Retrieved(tmp_path / str(number), str(number), 0)

    plan = [
        Planned(tmp_path / str(number), str(number), partial(write, number), way=Way.THREAD) for number in range(40)
    ]
    request = Request("retrieve", {}, target="[id]")
    with pytest.raises(StoreError, match="the first is gone"):
        Plan(request, plan, "files", "the catalogue").carry_out()
    assert len(begun) < 3 * PARALLEL
    begun.clear()
    written = Plan(request, plan[2:], "files", "the catalogue").carry_out()
    assert [each.name for each in written] == [str(number) for number in range(2, 40)]
