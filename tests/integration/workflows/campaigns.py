"""An archive on loopback whose products have days, and workflows that walk it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from argo_templates.local import documents, runs
from argo_templates.local.state import Run, Status
from dasi_backend.store import Store
from rucio_dafab.site.home import Home
from tests.unit.eo.sources.archive import Archive, Asked, as_json
from tests.unit.eo.sources.conftest import node_path, odata_product

Submit = Callable[..., tuple[Run, Status]]


class Products:
    """Products of an archive, by their days; it answers by name and by time, as OData does."""

    def __init__(self, server: Archive) -> None:
        self.server = server
        self.said: dict[str, dict[str, Any]] = {}

    def add(self, safe: Path, day: str) -> str:
        """Add a product of a day; return its name."""
        start = f"{day}T10:30:31.024000Z"
        self.said[safe.stem] = odata_product(
            safe, ContentDate={"Start": start, "End": start}, ContentLength=10_000_000, Checksum=[]
        )
        for path in (path for path in safe.rglob("*") if path.is_file()):
            self.server.files[node_path(safe, path.relative_to(safe).as_posix())] = path.read_bytes()
        return safe.stem

    def of_tile(self, name: str, tile: str, clouds: float) -> None:
        """Say the tile of a product, and its clouds in per cent."""
        said = {"cloudCover": clouds, "productType": "S2MSI2A", "tileId": tile}
        self.said[name]["Attributes"] = [{"Name": key, "Value": value} for key, value in said.items()]

    def answer(self, asked: Asked) -> Any:
        """Answer a question for a name, or for a time."""
        (question,) = asked.query["$filter"]
        name = re.search(r"^Name eq '([^']+)\.SAFE'", question)
        if name:
            return as_json({"value": [each for key, each in self.said.items() if key == name[1]]})
        first, last = (re.search(rf"ContentDate/Start {sign} (\S+)", question)[1] for sign in ("ge", "le"))  # type: ignore[index]
        found = [each for each in self.said.values() if first <= each["ContentDate"]["Start"] <= last]
        return as_json({"value": found})


def leases(home: Home) -> list[str]:
    """Return the leases of the rolling store."""
    return [str(lease) for lease in Store(home.store).holds.leases()]


def steps(run: Run, name: str) -> list[Any]:
    """Return the pods of a step."""
    return [node for node in run.nodes() if node.kind == "Pod" and node.path.rpartition(".")[2] == name]


def seasons_of(folder: Path, *crops: str) -> Path:
    """Write a file of seasons of crops, and return it."""
    lines = ['area = "6_49_7_50"', 'start = "03-01"', 'harvest = "07-10"', "lead_weeks = 4"]
    folder.mkdir(exist_ok=True)
    said = [line for crop in crops for line in ("[[season]]", f'name = "{crop}"', f'crop = "{crop}"', *lines)]
    (folder / "seasons.toml").write_text("\n".join(said))
    return folder / "seasons.toml"


def season(home: Home, folder: Path, crop: str, day: str = "2026-07-05", **parameters: str) -> Run:
    """Run the committed template on a day in the last weeks of a crop's season."""
    seasons_of(folder, crop)
    given = {"source": "safe", "day": day} | parameters
    made = runs.prepare(home, documents.find("dafab-season"), given, mapping={"dafab-seasons": folder})
    status = runs.execute(home, made)
    assert (status.phase, status.message) == ("Succeeded", "")
    return made
