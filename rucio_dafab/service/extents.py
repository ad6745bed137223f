"""Parts of files as answers: an object that a store keeps in a larger file, whole or one range of it (RFC 9110)."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self
from urllib.parse import urlsplit

from fastapi import Response
from fastapi.responses import StreamingResponse
from rucio.common.exception import RucioException
from rucio.rse import rsemanager

_PIECE: Final = 1 << 20
"""Bytes that are read at once."""

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class Extent:
    """A part of a file on this machine: its first byte and how many there are."""

    path: Path
    offset: int
    length: int

    @classmethod
    def of(cls, rse: str, pfn: str, vo: str) -> Self | None:
        """Return the part that a replica is, where its RSE keeps such on this machine; otherwise ``None``.

        An RSE's protocol that does says so by a method ``extent``.
        """
        if urlsplit(pfn).scheme != "file":
            return None
        try:
            protocol = rsemanager.create_protocol(rsemanager.get_rse_info(rse=rse, vo=vo), "read", scheme="file")
            found = protocol.extent(pfn) if hasattr(protocol, "extent") else None
        except RucioException:  # it left meanwhile, or is on another machine
            return None
        return None if found is None else cls(*found)

    def answer(self, method: str, wanted: str | None, headers: Mapping[str, str], media_type: str) -> Response:
        """Return the bytes, or the one range that is wanted.

        Args:
            method: ``GET`` or ``HEAD``.
            wanted: The header ``Range``; what is no single range of bytes is not heeded.
            headers: More headers of the answer.
            media_type: What the bytes are.

        Raises:
            OSError: if the file cannot be opened.
        """
        known = {**headers, "Accept-Ranges": "bytes"}
        first, last, status = 0, self.length - 1, 200
        if wanted is not None and (asked := _RANGE.fullmatch(wanted.strip())) and any(asked.groups()):
            first, last = self._range(asked[1], asked[2])
            if first > last:
                return Response(status_code=416, headers={**known, "Content-Range": f"bytes */{self.length}"})
            known["Content-Range"], status = f"bytes {first}-{last}/{self.length}", 206
        known["Content-Length"] = str(last - first + 1)
        if method == "HEAD":
            return Response(status_code=status, headers=known, media_type=media_type)
        file = self.path.open("rb")  # what is open stays readable when it is removed
        file.seek(self.offset + first, os.SEEK_SET)
        return StreamingResponse(_pieces(file, last - first + 1), status, known, media_type)

    def _range(self, first: str, last: str) -> tuple[int, int]:
        if not first:
            return max(self.length - int(last), 0), self.length - 1
        return int(first), min(int(last), self.length - 1) if last else self.length - 1


def _pieces(file: BinaryIO, length: int) -> Iterator[bytes]:
    with file:
        while length and (piece := file.read(min(_PIECE, length))):
            length -= len(piece)
            yield piece
