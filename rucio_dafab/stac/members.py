"""Members of a document as people and clients give them, by key and value."""

from typing import Any, Final

import orjson

from rucio_dafab.query.versions import LATEST
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.geometry import as_geojson
from rucio_dafab.stac.validate import check_json
from rucio_dafab.vocabulary.coercion import coerce
from rucio_dafab.vocabulary.errors import VocabularyError
from rucio_dafab.vocabulary.queryables import Queryable, ValueType
from rucio_dafab.vocabulary.queryables import load as load_queryables

_SCALARS: Final = frozenset(
    {ValueType.NUMBER, ValueType.INTEGER, ValueType.STRING, ValueType.BOOLEAN, ValueType.DATETIME}
)


def resolve(key: str) -> Queryable:
    """Return what a key names: a queryable by name or alias, a JSON pointer, or else a property.

    Raises:
        DocumentInvalid: if it can name nothing.
    """
    try:
        return load_queryables().resolve(key)
    except VocabularyError as error:
        raise DocumentInvalid(str(error)) from error


def fitting(queryable: Queryable, key: str, value: Any) -> Any:
    """Return a value as its queryable declares it; null is what it is.

    Args:
        queryable: what the key names.
        key: the key as it was written, for messages.
        value: JSON; a string may stand for any type, as command lines can send nothing else.

    Raises:
        DocumentInvalid: if the value does not fit, or cannot be kept.
    """
    if queryable.pointer == LATEST.pointer:
        raise DocumentInvalid(f"{key} cannot be set: it follows from the links predecessor-version of other items")
    check_json(value, key)
    if value is None:
        return None
    if queryable.type is ValueType.GEOMETRY:
        value = as_geojson(_parsed(value), key)
    elif queryable.type in {ValueType.STRINGS, ValueType.CONCEPTS}:
        value = _parsed(value)
        value = [value] if queryable.type is ValueType.STRINGS and isinstance(value, str) else value
    elif queryable.type in _SCALARS:
        try:
            coerced = coerce(queryable, value)
        except VocabularyError as error:
            raise DocumentInvalid(str(error)) from error
        value = coerced if queryable.type is not ValueType.DATETIME else _rfc3339(value, coerced)
    return value


def _rfc3339(written: Any, coerced: Any) -> str:
    text = str(written)
    return text if "T" in text and text.endswith(("Z", "z")) else coerced.isoformat().replace("+00:00", "Z")


def _parsed(value: Any) -> Any:
    """Return what a string holds as JSON, where it does: command lines send arrays and geometries so."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
