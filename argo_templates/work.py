"""The working folder of one run: where each step leaves its result, whole or not at all."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, Self

from rucio_dafab.errors import DafabError
from rucio_dafab.files import write_file

MODELS: Final = ("water", "fields")
"""The models of which products are made, in the order in which they run."""

WATER: Final = "water"
"""The one of them that is compared with reference water."""

FIELDS: Final = "fields"
"""The one of them that delineates parcels."""

Parcels = Literal["season", "own"]
SEASON: Final = "season"
OWN: Final = "own"
PARCELS: Final = (SEASON, OWN)
"""Whose parcels a scene's fields are: those of its tile and season, where there are any, or always its own."""

CPU: Final = "cpu"
GPU: Final = "gpu"
"""What inference runs on."""

DEVICE: Final = "DAFAB_DEVICE"
"""The variable by which a pod is told that it was given a GPU."""

SECOND_OF: Final = "second-of-"
"""Begins the name of the working folder of a second acquisition; that of the scene's, in which it is, follows."""

MODEL_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class WorkError(DafabError):
    """A step does not find what an earlier one should have left, or the folder cannot be used."""


@dataclass(frozen=True, slots=True)
class Work:
    """The places of one run's results. Steps get the folder's path and nothing bigger."""

    root: Path

    @property
    def source(self) -> Path:
        """Where a scene from an archive is downloaded to."""
        return self.root / "source"

    @property
    def staged(self) -> Path:
        """The staged scene: a STAC folder with the band files."""
        return self.root / "staged"

    @property
    def origin(self) -> Path:
        """Where the scene came from (JSON): ``{"bands": {name: file}, "absent": {name: file it should be in}}``."""
        return self.root / "origin.json"

    @property
    def curation(self) -> Path:
        """How the scene was judged (JSON): ``{"line": …, "dafab:curation": {…}}``."""
        return self.root / "curation.json"

    @property
    def archived(self) -> Path:
        """What the rolling store calls the scene (JSON)."""
        return self.root / "archived.json"

    @property
    def published(self) -> Path:
        """What was registered (JSON)."""
        return self.root / "published.json"

    @property
    def second(self) -> "Work":
        """The working folder of the second acquisition, where this run brings one: it ends with that of the scene."""
        return Work(self.root / f"{SECOND_OF}{self.root.name}")

    def bands(self, model: str) -> Path:
        """Return the folder of what a model reads: the bands it takes, retrieved from the rolling store."""
        return self._of(model) / "bands"

    def second_bands(self, model: str) -> Path:
        """Return the folder of what a model reads of a second acquisition, likewise."""
        return self._of(model) / "second"

    def prediction(self, model: str) -> Path:
        """Return the folder of a model's prediction."""
        return self._of(model) / "prediction"

    def product(self, model: str) -> Path:
        """Return the folder of a model's products."""
        return self._of(model) / "product"

    def outcome(self, model: str) -> Path:
        """Return the file that says whether a model ran, and why not (JSON)."""
        return self._of(model) / "outcome.json"

    @property
    def reference(self) -> Path:
        """The folder of the reference water."""
        return self.root / "reference"

    def _of(self, model: str) -> Path:
        if not MODEL_NAME.fullmatch(model):
            raise WorkError(f"{model!r} is no name of a model")
        return self.root / model


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one workflow among the working folders: a working folder a scene, and what is kept of each."""

    root: Path

    @property
    def scenes(self) -> Path:
        """The working folders of its scenes."""
        return self.root / "scenes"

    @property
    def measured(self) -> Path:
        """What each step took (JSON, a file a try)."""
        return self.root / "measured"

    @property
    def ended(self) -> Path:
        """What came of each scene (JSON, a file a scene)."""
        return self.root / "ended"

    @property
    def walked(self) -> Path:
        """What each step of a walk through an archive handed out (JSON, a file a step)."""
        return self.root / "walked"

    @classmethod
    def of(cls, work: Work) -> Self | None:
        """Return the folder that the working folder of a scene lies in; ``None`` for one that is of no workflow."""
        above = work.root.parent
        return cls(above.parent) if above.name == "scenes" else None


def fingerprint(*parts: Any) -> str:
    """Return a checksum (hexadecimal) of values that JSON can say: what a result was made from."""
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def finished(result: Path, made_from: str) -> bool:
    """Tell whether a result is there, whole, and made from exactly this."""
    seal = _seal(result)
    return result.is_dir() and seal.is_file() and seal.read_text(encoding="ascii") == made_from


def seal_of(result: Path) -> str:
    """Return what a whole result was made from.

    Raises:
        WorkError: if the result is not there or not whole.
    """
    seal = _seal(result)
    if not (result.is_dir() and seal.is_file()):
        raise WorkError(f"{result} is missing: the step that makes it has not ended")
    return seal.read_text(encoding="ascii")


@contextmanager
def whole(result: Path, made_from: str) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``result`` when the block ends without an error.

    The seal is removed first and written last, so a step that is killed anywhere leaves nothing that looks finished.

    Raises:
        WorkError: if the folder cannot be made, or what is written to it finds no room.
    """
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
        for left in result.parent.glob(f".{result.name}-*"):  # by a step that was killed; one run, one folder
            shutil.rmtree(left)
        partial = Path(tempfile.mkdtemp(prefix=f".{result.name}-", dir=result.parent))
    except OSError as error:
        raise WorkError(f"cannot work in {result.parent}: {error.strerror}") from error
    try:
        yield partial
        _seal(result).unlink(missing_ok=True)
        shutil.rmtree(result, ignore_errors=True)
        partial.rename(result)
        write_file(_seal(result), made_from)
    except OSError as error:
        raise WorkError(f"cannot write {error.filename or result}: {_why(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _why(error: OSError) -> str:
    """Return what the system says; NumPy only counts what it could not write."""
    return error.strerror or "no room is left, or files may not grow so large (ulimit -f)"


def listed(text: str) -> tuple[str, ...]:
    """Return the names of a list with commas, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one act: the same value, the same bytes."""
    write_file(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False))


def read_json(path: Path) -> Any:
    """Read a JSON file that an earlier step wrote.

    Raises:
        WorkError: if it is not there or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorkError(f"{path} is missing or damaged: the step that writes it has not ended") from error


def _seal(result: Path) -> Path:
    return result.with_name(f"{result.name}.seal")
