"""An ordinary FDB of GRIB messages beside the rolling store: standard MARS requests, answered with files of messages.

``dasi`` reads there. Fields for one path are written to one file, one after another, as MARS does.
"""

import filecmp
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from dasi_backend import plans, targets
from dasi_backend.appearing import appearing
from dasi_backend.errors import ChecksumError, KeyRefused, TargetError
from dasi_backend.fdb import Database, Element
from dasi_backend.fields import FIELD_KEYS, SHARED_KEYS, canonical
from dasi_backend.items import Item, Key, Retrieved
from dasi_backend.language import Request
from dasi_backend.plans import Plan, Planned, Progress

_BEGIN: Final = b"GRIB"
_END: Final = b"7777"
"""First and last bytes of a GRIB message (WMO manual on codes, FM 92)."""


class GribBackend:
    """One FDB of fields."""

    def __init__(self, schema: Path, roots: Sequence[Path]) -> None:
        self._database = Database(schema, tuple(roots))

    def knows(self, key: str) -> bool:
        """Say whether a request for fields may name a key."""
        return key in FIELD_KEYS or key in SHARED_KEYS

    def list(self, request: Request) -> Iterator[Item]:
        """Yield the fields that a request means.

        Raises:
            RequestError: if a key is none of fields, or a parameter is unknown.
            StoreError: if FDB refuses.
        """
        for element in self._elements(request):
            yield Item(
                key=Key(element.key),
                name=_name(element.key),
                uri=str(element.path),
                length=element.length,
                offset=element.offset,
                timestamp=element.timestamp,
            )

    def read(self, request: Request) -> Iterator[Item]:
        """Yield what :meth:`list` does, whose bytes are held to be a whole message when they are read.

        Raises:
            RequestError: if a key is none of fields, or a parameter is unknown.
            StoreError: if FDB refuses.
        """
        for item in self.list(request):
            yield replace(item, verified=partial(_message, item))

    def retrieve(self, request: Request, progress: Progress | None = None) -> tuple[Retrieved, ...]:
        """Write the fields that a request means to its target, each file whole and of whole messages.

        Raises:
            RequestError: if there is no target, or not as many fields as expected.
            TargetError: if a target holds other bytes.
            ChecksumError: if what a data file holds is no GRIB message.
        """
        return self.plan(request).carry_out(progress)

    def plan(self, request: Request) -> Plan:
        """Return what :meth:`retrieve` is going to write: one file for each path that the target makes."""
        template = plans.template_of(request)
        files: dict[Path, list[Item]] = {}
        for item in self.list(request):
            values = dict(item.key) | {"name": item.name, "id": item.name}
            files.setdefault(targets.fill(template, values, item.name), []).append(item)
        planned = []
        for path, items in files.items():
            name = items[0].name if len(items) == 1 else f"{len(items)} fields"
            content = tuple((item.uri, item.offset) for item in items)
            planned.append(Planned(path, name, partial(_write, path, items), len(items), content=content))
        return Plan(request, planned, "fields", "the FDB of fields")

    def wipe(self, _request: Request, /, doit: bool = False, everything: bool = False) -> NoReturn:  # noqa: ARG002
        """Refuse: whoever keeps the fields removes them.

        Raises:
            KeyRefused: always.
        """
        raise KeyRefused("fields are not wiped by dasi: whoever keeps this FDB does (fdb-wipe)")

    def _elements(self, request: Request) -> Sequence[Element]:
        if unknown := [key for key in request.keys if not self.knows(key)]:
            raise KeyRefused(f"{unknown[0]}: fields have no such key (they have {', '.join(FIELD_KEYS)})")
        selection = {key: [canonical(key, value) for value in values] for key, values in request.keys.items()}
        return sorted(self._database.objects(selection), key=lambda element: _name(element.key))


def _name(key: Mapping[str, str]) -> str:
    """Return what a field is, on one line that is a name of a file."""
    return "_".join(key[name] for name in (*FIELD_KEYS[:5], *SHARED_KEYS, *FIELD_KEYS[5:]) if key.get(name))


def _write(path: Path, items: Sequence[Item]) -> Retrieved:
    size = sum(item.length for item in items)
    name = items[0].name if len(items) == 1 else f"{len(items)} fields"
    with appearing(path, TargetError) as made:
        with made.open("wb") as file:
            for item in items:
                file.write(_message(item))
        kept = path.exists()
        if kept:
            _require_same(path, made)
            made.unlink()
    return Retrieved(path, name, size, kept)


def _message(item: Item) -> bytes:
    data = item.data
    if len(data) != item.length or not data.startswith(_BEGIN) or not data.endswith(_END):
        raise ChecksumError(f"{item.name}: what {item.uri} holds at {item.offset} is no whole GRIB message")
    return data


def _require_same(path: Path, other: Path) -> None:
    """Refuse a file that is there with other bytes.

    Raises:
        TargetError: if it has others.
    """
    if not path.is_file() or not filecmp.cmp(path, other, shallow=False):
        raise TargetError(f"{path} is there and holds something else: remove it or choose another target")
