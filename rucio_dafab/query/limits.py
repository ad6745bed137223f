"""How large a question may be. Everything is counted before any library sees it or recursion begins."""

from dataclasses import dataclass

import shapely

from rucio_dafab.query.errors import LimitError
from rucio_dafab.query.model import Expression, In, walk


@dataclass(frozen=True)
class Limits:
    """The largest question that is answered.

    Attributes:
        filter_bytes: UTF-8 bytes of a filter, geometries left out.
        geometry_bytes: UTF-8 bytes of one geometry.
        nodes: Tests and connectives; each value of a list counts.
        depth: Nested connectives.
        vertices: Coordinates of all geometries together.
    """

    filter_bytes: int = 32 * 1024
    geometry_bytes: int = 2 * 1024 * 1024
    nodes: int = 256
    depth: int = 32
    vertices: int = 10_000


LIMITS = Limits()


def check_bytes(text: str, most: int, what: str, place: str = "") -> None:
    """Raise :class:`LimitError` where `text` has more than `most` bytes."""
    # A character is at least one byte, so the cheap test decides for hostile sizes.
    size = len(text) if len(text) > most else len(text.encode("utf-8", "surrogatepass"))
    if size > most:
        raise LimitError(f"{what} has {size:,} bytes, at most {most:,} are taken", place)


def check(expression: Expression, limits: Limits = LIMITS) -> Expression:
    """Return `expression` if it keeps within `limits`.

    Raises:
        LimitError: naming the limit and the size.
    """
    nodes = vertices = 0
    for node, depth in walk(expression):
        nodes += 1 + (len(node.values) if isinstance(node, In) else 0)
        vertices += shapely.get_num_coordinates(getattr(node, "geometry", None))
        if nodes > limits.nodes:
            raise LimitError(f"the filter has more than {limits.nodes} tests and values")
        if depth > limits.depth:
            raise LimitError(f"the filter is nested deeper than {limits.depth} levels")
        if vertices > limits.vertices:
            raise LimitError(
                f"the geometries have more than {limits.vertices:,} vertices together: simplify, or use a named area"
            )
    return expression
