"""One file brought over: begun where it broke off, verified, and under its name only when it is whole."""

import os
import re
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError, NotSupportedError, PermissionDeniedError, UnauthenticatedError

from rucio_dafab.eo.sources.access import Access, Opened, first_line
from rucio_dafab.eo.sources.checksums import first_mismatch, of_entity_tag
from rucio_dafab.eo.sources.errors import SourceBusy, SourceError, TokenRefused
from rucio_dafab.eo.sources.pace import Pace
from rucio_dafab.eo.sources.plan import PlannedFile
from rucio_dafab.eo.sources.retry import TOO_MANY_REQUESTS, Attempts, is_temporary
from rucio_dafab.eo.sources.web import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import GetOptions, GetResult

PART: Final = ".part"
"""What the name of a file ends with until it is whole."""

TAG: Final = ".tag"
"""What the name of the file with its entity tag ends with until then."""

_CHUNK: Final = 2**20
_RESTARTS: Final = 3
_NOT_SATISFIABLE: Final = 416
_STATUS: Final = re.compile(r"status code: (\d{3})")

Progress = Callable[[int], None]
"""Is told by how many bytes a download came further; fewer than none where it has to begin again."""


class Stopped(SourceBusy):
    """Another file of the product failed, or the user wants no more."""


class Transfer:
    """Brings files of one archive into one folder. Threads may share one."""

    def __init__(
        self, access: Access, pace: Pace, folder: Path, progress: Progress | None = None,
        stop: threading.Event | None = None,
    ) -> None:  # fmt: skip
        self._access, self._pace, self._folder = access, pace, folder
        self._progress = progress or (lambda _: None)
        self._stop = stop or threading.Event()

    def bring(self, file: PlannedFile) -> Path:
        """Return the path of a file that is here, whole and verified; what is there of it already is kept.

        Raises:
            SourceBusy: if the server is busy or away, after all tries; what came stays for the next time.
            SourceError: if the server refuses, or the file has another size or checksum than it should.
        """
        path = self._folder / file.path
        if path.is_file():
            self._progress(path.stat().st_size)
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._progress(_size(_part(path)))
        url, token = self._access.choose(file.urls), None
        attempts, restarts, furthest = Attempts(self._access.web.patience, self._stop), 0, _size(_part(path))
        while True:
            if self._stop.is_set():
                raise Stopped(f"{plain(url)} was stopped")
            try:
                self._attempt(file, url, path, token)
                return path
            except _BeginAgain as useless:
                self._discard(path)
                restarts += 1
                if restarts > useless.times:
                    raise useless.refusal(url) from useless
            except TokenRefused as error:
                # Once: a token may end sooner than was said, an account without rights stays without.
                if token is not None or not isinstance(error, _OldToken):
                    raise
                token = error.token
            except SourceBusy as busy:
                if _size(_part(path)) - furthest >= _CHUNK:
                    furthest = _size(_part(path))
                    attempts.progressed()
                attempts.pause_after(busy)

    def size_of(self, file: PlannedFile) -> int:
        """Return the bytes of a file as its server tells them.

        Raises:
            SourceBusy: if the server is busy or away.
            SourceError: if it refuses.
        """
        url, attempts = self._access.choose(file.urls), Attempts(self._access.web.patience)
        while True:
            try:
                opened = self._access.open(url)
                with self._pace.connection(), self._refusals(opened, url):
                    return obstore.head(opened.store, opened.path)["size"]
            except SourceBusy as busy:
                attempts.pause_after(busy)

    def _attempt(self, file: PlannedFile, url: str, path: Path, refused: str | None) -> None:
        part, tag = _part(path), path.with_name(path.name + TAG)
        opened = self._access.open(url, refused)
        announced: str | None = tag.read_text("utf-8") if tag.is_file() else None
        too_long = file.size is not None and _size(part) > file.size
        # Without a tag or a checksum nothing would tell that the file has changed in between.
        if too_long or (_size(part) and not (announced or file.checksums)):
            raise _Changed
        if not _size(part) or file.size is None or _size(part) < file.size:
            announced = self._stream(file, opened, url, part, tag, announced)
        checksums = file.checksums
        md5 = of_entity_tag(announced) if self._access.entity_tag_is_md5(url) else None
        wrong = first_mismatch(part, (*checksums, md5) if md5 else checksums)
        if wrong:
            raise _Mismatch(wrong)
        part.replace(path)
        tag.unlink(missing_ok=True)

    def _stream(
        self, file: PlannedFile, opened: Opened, url: str, part: Path, tag: Path, known: str | None
    ) -> str | None:
        """Append what is missing, and return the entity tag."""
        begin = _size(part)
        options: GetOptions = {"range": {"offset": begin}} if begin else {}
        with self._pace.connection() as speed, self._refusals(opened, url):
            answer = obstore.get(opened.store, opened.path, options=options)
            size, entity_tag = answer.meta["size"], answer.meta["e_tag"]
            if file.size is not None and size != file.size:
                raise SourceError(f"{plain(url)} has {size} bytes, and {file.size} are announced")
            if begin and known and entity_tag != known:
                raise _Changed
            if entity_tag:
                tag.write_text(entity_tag, "utf-8")
            self._write(answer, part, speed.took)
        if _size(part) != size:
            raise SourceBusy(f"{plain(url)} broke off after {_size(part)} of {size} bytes")
        return entity_tag

    def _write(self, answer: "GetResult", part: Path, took: Callable[[int], None]) -> None:
        with part.open("ab") as stream:
            for chunk in answer.stream(min_chunk_size=_CHUNK):
                if self._stop.is_set():
                    raise Stopped("stopped")
                stream.write(chunk)
                self._progress(len(chunk))
                took(len(chunk))
            stream.flush()
            os.fsync(stream.fileno())

    def _discard(self, path: Path) -> None:
        part = _part(path)
        self._progress(-_size(part))
        part.unlink(missing_ok=True)
        path.with_name(path.name + TAG).unlink(missing_ok=True)

    @contextmanager
    def _refusals(self, opened: Opened, url: str) -> "Iterator[None]":
        """Say what obstore raises in our words: temporary or not."""
        try:
            yield
        except NotSupportedError as error:
            raise _Changed from error  # The server cannot begin in the middle.
        except UnauthenticatedError as error:
            if opened.token:
                raise _OldToken(f"{plain(url)} answers 401: it does not take the token", opened.token) from error
            raise TokenRefused(f"{plain(url)} answers 401: it wants an account") from error
        except PermissionDeniedError as error:
            raise SourceError(f"{plain(url)} answers 403: the file is not for this account") from error
        except FileNotFoundError as error:
            if error.errno is not None:  # A file of ours; obstore's refusals have no number.
                raise
            raise SourceError(f"{plain(url)} is not there (404)") from error
        except BaseError as error:
            raise self._refusal(opened, url, error) from error

    def _refusal(self, opened: Opened, url: str, error: Exception) -> SourceError:
        said = _STATUS.search(str(error))
        status = int(said[1]) if said else None
        if status is None:
            if "Content-Length Header missing" in str(error):
                return SourceError(f"{plain(url)}: the server does not say how many bytes the file has")
            return SourceBusy(f"{plain(url)}: {first_line(error)}")
        if status == _NOT_SATISFIABLE:
            raise _Changed from error
        if not is_temporary(status):
            return SourceError(f"{plain(url)} answers {status}")
        # obstore shows no headers of a refusal, so that the pause it asks for is asked for once more.
        wait = None
        if opened.asks_plainly and status in (TOO_MANY_REQUESTS, 503):
            wait = self._access.web.retry_after(opened.url, opened.headers)
        return SourceBusy(f"{plain(url)} answers {status}", wait)


class _BeginAgain(Exception):
    """What is there of a file is of no use: it is fetched from its beginning, this many times."""

    times = _RESTARTS

    def refusal(self, url: str) -> SourceError:
        """Return what is said when there is no use in it."""
        return SourceError(f"{plain(url)}: {self}")


class _Mismatch(_BeginAgain):
    """A file that came has another checksum than it should."""

    times = 1


class _Changed(_BeginAgain):
    """The file is another one than before, or its server cannot begin in the middle."""

    def refusal(self, url: str) -> SourceError:
        """Return what is said when it happens again and again."""
        return SourceBusy(f"{plain(url)} breaks off, and cannot be gone on with")


class _OldToken(TokenRefused):
    """A token that was good for us and is not for the server."""

    def __init__(self, text: str, token: str) -> None:
        super().__init__(text)
        self.token = token


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
