"""The languages of filters, by the names under which a request says which one it is in."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, cast

from rucio_dafab.query import cql2, cql2_text, dafab_filter, rucio_filter
from rucio_dafab.query.errors import QueryError
from rucio_dafab.query.model import Expression, Property, all_of, one_of
from rucio_dafab.vocabulary import Vocabulary
from rucio_dafab.vocabulary.coercion import coerce

FilterLanguage = Literal["cql2-json", "cql2-text", "dafab-json", "rucio"]
"""The first two as OGC API Features and STAC call them."""


def read(document: object, language: FilterLanguage, vocabulary: Vocabulary) -> Expression:
    """Return the expression of a filter.

    Args:
        document: The filter: JSON values, a text for ``cql2-text``, and for ``rucio`` a text, a dictionary or a list of
            dictionaries.
        language: The language that it is in.
        vocabulary: Properties, areas and classes.

    Raises:
        QueryError: saying what is wrong, and where.
    """
    if language == "cql2-text" and not isinstance(document, str):
        raise QueryError("a filter in cql2-text is a string")
    return _PARSERS[language](cast("Any", document), vocabulary)


def in_collections(asked: Expression, collections: Iterable[str], vocabulary: Vocabulary) -> Expression:
    """Return a question of which only what is in one of the collections is an answer.

    Raises:
        VocabularyError: if an id is none that a collection could have.
    """
    collection = vocabulary.queryables["collection"]
    ids = (coerce(collection, each) for each in collections)
    return all_of(one_of(Property(collection.pointer), *ids), asked)


_PARSERS: Mapping[str, Callable[[Any, Vocabulary], Expression]] = {
    "cql2-json": cql2.from_json,
    "cql2-text": cql2_text.parse,
    "dafab-json": dafab_filter.parse,
    "rucio": rucio_filter.parse,
}
