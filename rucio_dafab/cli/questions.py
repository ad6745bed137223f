"""Questions put to a site through the installed commands ``rucio`` and ``dasi``, with the answers they must give."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from rucio_dafab.client import DafabClient
from rucio_dafab.errors import DafabError
from rucio_dafab.site.environment import process_environment
from rucio_dafab.site.home import SCOPE, Home
from rucio_dafab.stac.asset_names import every_asset
from rucio_dafab.storage import checksums

READER: Final = "user_dafab"
"""The account that asks: it may read and nothing else."""

SECONDS: Final = 120
SHA2_256: Final = "1220"
"""The multihash prefix of SHA2-256 with 32 bytes (https://multiformats.io/multihash/)."""


class QuestionError(DafabError):
    """A command failed, or what it brought is not what the catalogue says."""


@dataclass(frozen=True, slots=True)
class Question:
    """A filter for ``rucio did list``.

    Attributes:
        title: What kind of question it is.
        filter: The value of ``--filter``.
        expected: The names that must be in the answer.
        among: The names that are judged; others may be in the catalogue and are left aside.
    """

    title: str
    filter: str
    expected: frozenset[str]
    among: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What ``rucio did list`` answered: the names, all of them, and the wall seconds of the command."""

    question: Question
    found: frozenset[str]
    seconds: float

    @property
    def right(self) -> bool:
        """Whether the judged names are exactly the expected ones."""
        return self.found & self.question.among == self.question.expected


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A file that ``dasi retrieve`` wrote, its checksum equal to the one in the catalogue."""

    request: str
    path: Path
    sha256: str


def ask(home: Home, question: Question) -> Answer:
    """Put a question through the stock command line.

    Raises:
        QuestionError: if the command fails; the text is its own last line.
    """
    began = perf_counter()
    output = _command(home, "rucio", "did", "list", f"{SCOPE}:*", "--filter", question.filter)
    names = frozenset(re.findall(rf"\b{SCOPE}:([A-Za-z0-9._/-]+)", output))
    return Answer(question, names, perf_counter() - began)


def retrieve(home: Home, item: str, out: Path) -> Retrieved:
    """Fetch the main file of an item with ``dasi retrieve`` and compare its bytes with the catalogue's checksum.

    Raises:
        QuestionError: if the command fails, writes nothing, or writes other bytes.
    """
    document = _document(home, item)
    collection, day = document["collection"], str(document["properties"]["datetime"])[:10]
    target = out.absolute() / f"{item}.tif"
    target.unlink(missing_ok=True)
    request = (
        f'retrieve, collection={collection}, date={day}, cloud_cover="<60", geometry=@luxembourg, '
        f'target="{out.absolute()}/[id].tif"'
    )
    _command(home, "dasi", "retrieve", request)
    if not target.is_file():
        raise QuestionError(f"dasi retrieve wrote no {target}")
    digest = checksums(target).sha256
    known = {asset.get("file:checksum") for asset in every_asset(document).values()}
    if SHA2_256 + digest not in known:
        raise QuestionError(f"{target} has sha256 {digest}, which is no asset of {SCOPE}:{item}")
    return Retrieved(request, target, digest)


def _document(home: Home, item: str) -> dict[str, Any]:
    by_id = {"op": "=", "args": [{"property": "id"}, item]}
    found = next(DafabClient.of_account(READER, home).search(SCOPE, by_id, limit=1), None)
    if found is None or found.document is None:
        raise QuestionError(f"the catalogue has no document of {SCOPE}:{item}")
    return found.document


def _command(home: Home, *arguments: str) -> str:
    result = subprocess.run(  # noqa: S603  # our own commands, arguments as a list
        arguments,
        env=process_environment(home, READER),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if result.returncode != 0:
        last = next((line for line in reversed(result.stderr.splitlines()) if line.strip()), "no message")
        raise QuestionError(f"{' '.join(arguments[:3])} ended with status {result.returncode}: {last.strip()}")
    return result.stdout
