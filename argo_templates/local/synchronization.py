"""What a step waits for before it begins: mutexes, and semaphores whose limits stand in config maps.

Both are files that are locked, so that they hold between all runs of a site, and end with the process that holds them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from argo_templates.local.errors import LocalError
from argo_templates.local.waiting import file_lock, file_slot

Synchronization = Mapping[str, Any]
"""``synchronization`` of a workflow or of a template."""


class Gate:
    """Lets steps through.

    Args:
        folder: where the files are that are locked.
        mapping: folders of config maps by name: a file a key.
    """

    def __init__(self, folder: Path, mapping: Mapping[str, str]) -> None:
        self._folder, self._mapping = folder, mapping
        self._mutexes: dict[str, asyncio.Lock] = {}

    @asynccontextmanager
    async def hold(self, synchronization: Synchronization) -> AsyncIterator[None]:
        """Hold all that is named, in the order of the names: mutexes, then a place of each semaphore.

        Raises:
            LocalError: if a semaphore has no limit.
        """
        names = sorted({str(each["name"]) for each in synchronization.get("mutexes", [])})
        async with AsyncExitStack() as stack:
            for name in names:
                await stack.enter_async_context(self._mutexes.setdefault(name, asyncio.Lock()))
                await stack.enter_async_context(file_lock(self._folder, name))
            for config_map, key in sorted(set(_semaphores(synchronization))):
                count = limit(config_map, key, self._mapping)
                await stack.enter_async_context(file_slot(self._folder, f"{config_map}.{key}", count))
            yield


def limit(config_map: str, key: str, mapping: Mapping[str, str]) -> int:
    """Return how many may hold a semaphore at once: the number in the file of its key.

    Raises:
        LocalError: if the config map has no folder, the key no file, or the file no number above 0.
    """
    if config_map not in mapping:
        raise LocalError(f"the config map {config_map} has no folder here: name one by --volume {config_map}=FOLDER")
    path = Path(mapping[config_map]) / key
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"the config map {config_map} has no key {key}: {path} cannot be read") from error
    if not text.isdecimal() or not int(text):
        raise LocalError(f"{path}: the limit of a semaphore is a whole number above 0, not {text[:20]!r}")
    return int(text)


def check(synchronizations: Iterator[Synchronization], mapping: Mapping[str, str]) -> None:
    """Refuse semaphores without a limit before anything runs.

    Raises:
        LocalError: naming the first.
    """
    for config_map, key in sorted({each for found in synchronizations for each in _semaphores(found)}):
        limit(config_map, key, mapping)


def _semaphores(synchronization: Synchronization) -> Iterator[tuple[str, str]]:
    for each in synchronization.get("semaphores", []):
        reference = each["configMapKeyRef"]
        yield str(reference["name"]), str(reference["key"])
