"""Answers that are streamed, a JSON object a line."""

from collections.abc import Iterator

from fastapi.responses import StreamingResponse


def streamed(lines: Iterator[bytes], media_type: str) -> StreamingResponse:
    """Return the answer of some lines, given in batches.

    The first batch is made before the answer begins: what is wrong with the question still gets its own status.
    """
    return StreamingResponse(_joined(next(lines, b""), lines), media_type=media_type)


def _joined(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others
