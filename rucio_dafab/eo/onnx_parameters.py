"""How many parameters an ONNX file holds, read from the file itself.

ONNX Runtime does not tell its initialisers, and the package ``onnx`` is for training alone. Little is needed of the
format: an ONNX file is one protobuf message (github.com/onnx/onnx, onnx.proto), whose graph lists its tensors.
"""

from collections.abc import Iterator
from math import prod
from typing import Final

from rucio_dafab.eo.errors import ModelError

# Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.dims and .data_type.
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE = 7, 5, 1, 2
# Wire types of protobuf: varint, eight bytes, so many bytes as its length says, four bytes.
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5

_FLOATS: Final = frozenset({1, 10, 11, 16})
"""TensorProto.DataType: float32, float16, float64, bfloat16. Whole numbers are shapes and axes: nothing learnt."""


def count_parameters(content: bytes) -> int:
    """Return how many numbers the floating-point initialisers of an ONNX file hold: weights, biases, fixed scales.

    Args:
        content: the file.

    Raises:
        ModelError: if it is no protobuf message.
    """
    total = 0
    for graph in _messages(memoryview(content), _GRAPH):
        for tensor in _messages(graph, _INITIALIZER):
            total += _size(tensor)
    return total


def _size(tensor: memoryview) -> int:
    """Return the number of elements of a tensor, 0 of one that holds whole numbers."""
    dimensions: list[int] = []
    data_type = 0
    for field, value in _fields(tensor):
        if field == _DIMS:
            # Repeated numbers are written one by one or packed.
            dimensions += [value] if isinstance(value, int) else _packed(value)
        elif field == _DATA_TYPE and isinstance(value, int):
            data_type = value
    return prod(dimensions) if data_type in _FLOATS else 0


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    return (value for field, value in _fields(message) if field == wanted and isinstance(value, memoryview))


def _packed(content: memoryview) -> list[int]:
    numbers, place = [], 0
    while place < len(content):
        number, place = _varint(content, place)
        numbers.append(number)
    return numbers


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message: whole numbers, and the bytes of everything else."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        field, wire = key >> 3, key & 7
        if wire == _VARINT:
            number, place = _varint(message, place)
            yield field, number
            continue
        length = {_EIGHT: 8, _FOUR: 4}.get(wire)
        if wire == _LENGTH:
            length, place = _varint(message, place)
        if length is None or place + length > len(message):
            raise ModelError("an ONNX file ends in the middle, or is none")
        yield field, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, the lowest first, and the place behind it."""
    number = shift = 0
    while place < len(message):
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
    raise ModelError("an ONNX file ends in the middle, or is none")
