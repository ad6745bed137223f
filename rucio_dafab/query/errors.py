"""What the query languages refuse, always in one line that names the place."""

from collections.abc import Iterator
from contextlib import contextmanager

from rucio_dafab.errors import DafabError
from rucio_dafab.vocabulary.errors import VocabularyError


class QueryError(DafabError):
    """A question that cannot be asked so.

    Attributes:
        place: Where in the question the fault is: a key, or a JSON pointer into the CQL2 document. May be empty.
    """

    def __init__(self, message: str, place: str = "") -> None:
        self.place = place
        super().__init__(" ".join((f"{place}: {message}" if place else message).splitlines()))


class LimitError(QueryError):
    """A question that is larger than the limits allow."""


class UnsupportedQuery(QueryError):
    """A valid question that this catalogue cannot answer (yet)."""


@contextmanager
def located(place: str) -> Iterator[None]:
    """Turn what the vocabulary refuses inside the block into a :class:`QueryError` at `place`."""
    try:
        yield
    except VocabularyError as error:
        raise QueryError(str(error), place) from error
