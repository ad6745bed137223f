"""The product profiles: a versioned JSON schema (2020-12) a collection, ``etc/schemas/<collection>/<version>.json``.

A document is held to the version that it names in ``stac_extensions``, else to the newest of its collection. One of a
collection without a schema is held to none. Which library validates, and why, stands in ADR 0011.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import orjson

from rucio_dafab.resources import resources
from rucio_dafab.stac import pointers
from rucio_dafab.stac.errors import DocumentInvalid, SchemaError, SchemaUnknown

BASE: Final = "https://w3id.org/dafab/schemas"
"""Every schema's ``$id`` is ``<BASE>/<collection>/<version>/schema.json``."""

MOST_VIOLATIONS: Final = 50
"""Violations that one refusal lists; a document with more has them listed when these are gone."""

_LONGEST_VALUE: Final = 80
_MASK: Final = "[value]"

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """Where a document leaves its schema (JSON pointer, of the absent member where one is missing), and how."""

    pointer: str
    message: str

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.pointer or 'the document'} {self.message}"


class ProfileViolated(DocumentInvalid):
    """A document does not fit the schema of its collection.

    ``violations`` are all of them, :data:`MOST_VIOLATIONS` at most; the text names the first few.
    """

    def __init__(self, schema: str, violations: tuple[Violation, ...]) -> None:
        """Tell them.

        Args:
            schema: which schema, for people.
            violations: one at least.
        """
        shown = "; ".join(str(each) for each in violations[:5])
        more = f"; and {len(violations) - 5} more" if len(violations) > 5 else ""
        super().__init__(f"the document does not fit the schema {schema}: {shown}{more}")
        self.violations = violations


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a collection's profile, compiled.

    Attributes:
        collection: id of the collection.
        version: ``major.minor.patch``.
        content: the JSON schema itself.
    """

    collection: str
    version: str
    content: Mapping[str, Any] = field(repr=False, compare=False)
    _validator: jsonschema_rs.Validator = field(repr=False, compare=False)

    @property
    def uri(self) -> str:
        """Its ``$id``, by which an item names it in ``stac_extensions``."""
        return _uri(self.collection, self.version)

    @property
    def number(self) -> Version:
        """Its version as numbers, in the order of which versions follow each other."""
        return _number(self.version)

    def fits(self, document: Mapping[str, Any]) -> bool:
        """Return whether a document has no violation: about 5 µs a kilobyte, a tenth of the time to list any."""
        return self._validator.is_valid(document)

    def violations(self, document: Mapping[str, Any]) -> tuple[Violation, ...]:
        """Return what is wrong with a document, :data:`MOST_VIOLATIONS` at most.

        Args:
            document: JSON that passed :func:`rucio_dafab.stac.validate.check_json`.
        """
        if self.fits(document):
            return ()
        return tuple(_violation(error) for error in islice(self._validator.iter_errors(document), MOST_VIOLATIONS))


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of an installation by collection and version, the oldest version first."""

    by_collection: Mapping[str, Mapping[str, Schema]]

    def __iter__(self) -> Iterator[Schema]:
        """Yield them by collection, oldest version first."""
        for versions in self.by_collection.values():
            yield from versions.values()

    def newest(self, collection: str) -> Schema | None:
        """Return the newest schema of a collection, or ``None`` where it has none."""
        versions = self.by_collection.get(collection)
        return list(versions.values())[-1] if versions else None

    def named(self, name: str) -> Schema:
        """Return the schema of a name: its ``$id``, ``<collection>/<version>`` or ``<collection>``, the newest.

        Raises:
            SchemaUnknown: if there is none.
        """
        collection, _, version = name.removeprefix(f"{BASE}/").removesuffix("/schema.json").partition("/")
        found = self.by_collection.get(collection, {}).get(version) if version else self.newest(collection)
        if found is None:
            known = ", ".join(f"{each.collection}/{each.version}" for each in self)
            raise SchemaUnknown(f"there is no schema {name[:200]!r}: known are {known}")
        return found

    def declared(self, document: Mapping[str, Any]) -> Schema | None:
        """Return the version of its collection's schema that a document names, or ``None`` where it names none.

        Raises:
            SchemaUnknown: if it names one that is not known.
        """
        named = document.get("stac_extensions")
        prefix = f"{BASE}/{document.get('collection')}/"
        listed = named if isinstance(named, list) else []
        own = [self.named(each) for each in listed if isinstance(each, str) and each.startswith(prefix)]
        return max(own, key=lambda each: each.number) if own else None

    def governing(self, document: Mapping[str, Any]) -> Schema | None:
        """Return the schema that a document is held to, or ``None`` for a collection without one.

        Raises:
            SchemaUnknown: if it names a version that is not known.
        """
        collection = document.get("collection")
        if not isinstance(collection, str) or collection not in self.by_collection:
            return None
        return self.declared(document) or self.newest(collection)


def check_profile(document: Mapping[str, Any], schema: Schema | None = None) -> None:
    """Check an item against a schema.

    Args:
        document: JSON that passed :func:`rucio_dafab.stac.validate.check_json`.
        schema: which one; by default the one that the document is held to, if any.

    Raises:
        ProfileViolated: with all violations.
        DocumentInvalid: if the document names a version of its schema that is not known.
    """
    try:
        wanted = schema or load().governing(document)
    except SchemaUnknown as error:
        raise DocumentInvalid(f"/stac_extensions: {error}") from error
    if wanted is not None and (found := wanted.violations(document)):
        raise ProfileViolated(f"{wanted.collection} {wanted.version}", found)


def may_lack_place(document: Mapping[str, Any]) -> bool:
    """Return whether an item may have a geometry of null: where the schema of its collection says so.

    STAC allows it of every item; of a scene or a product it is a mistake that no search would ever tell.

    Raises:
        DocumentInvalid: if the document names a version of its schema that is not known.
    """
    try:
        schema = load().governing(document)
    except SchemaUnknown as error:
        raise DocumentInvalid(f"/stac_extensions: {error}") from error
    geometry = schema.content.get("properties", {}).get("geometry", {}) if schema else {}
    return "null" in geometry.get("type", ())


def read(folder: Path) -> Schemas:
    """Read and compile the schemas of a folder (``<collection>/<version>.json``).

    Raises:
        SchemaError: if a file is no schema, or is not called as its ``$id`` says.
    """
    found: dict[str, dict[str, Schema]] = {}
    for path in sorted(folder.glob("*/*.json")):
        schema = _read_one(path)
        found.setdefault(schema.collection, {})[schema.version] = schema
    ordered = {name: dict(sorted(each.items(), key=lambda item: item[1].number)) for name, each in found.items()}
    return Schemas(ordered)


@cache
def load() -> Schemas:
    """Return the schemas of this installation (``etc/schemas``), compiled once a process: about 6 ms each."""
    return read(resources() / "etc" / "schemas")


def _read_one(path: Path) -> Schema:
    collection, version = path.parent.name, path.stem
    try:
        content = orjson.loads(path.read_bytes())
        # Offline: a reference to another host is a fault of the file, and never asked for.
        validator = jsonschema_rs.validator_for(content, mask=_MASK, offline=True)
        if content["$id"] != _uri(collection, version):
            raise SchemaError(f"{path}: its $id must be {_uri(collection, version)}")
        _number(version)
    except (OSError, ValueError, KeyError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise SchemaError(f"{path} is no schema: {' '.join(str(error).split())}") from error
    return Schema(collection, version, content, validator)


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    path = error.instance_path
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(absent):
            return Violation(pointers.join(*path, absent), "is missing")
        case jsonschema_rs.ValidationErrorKind.Type(types):
            wanted = " or ".join(each for each in types if each != "null")
            return Violation(pointers.join(*path), f"must be of type {wanted}, not {_shown(error.instance)}")
        case jsonschema_rs.ValidationErrorKind.Constant(expected):
            return Violation(pointers.join(*path), f"must be {expected!r}, not {_shown(error.instance)}")
        case jsonschema_rs.ValidationErrorKind.Enum(options):
            wanted = ", ".join(repr(each) for each in _listed(options) if each is not None)
            return Violation(pointers.join(*path), f"must be one of {wanted}, not {_shown(error.instance)}")
    return Violation(pointers.join(*path), error.message.replace(_MASK, _shown(error.instance)))


def _listed(options: Any) -> list[Any]:
    return options if isinstance(options, list) else [options]


def _shown(value: Any) -> str:
    """Return a value as the other refusals show it; of a large one, what it is."""
    if isinstance(value, dict):
        return f"an object of {len(value)} members"
    if isinstance(value, list):
        return f"an array of {len(value)} elements"
    if isinstance(value, str) and len(value) > _LONGEST_VALUE:
        return f"{value[:_LONGEST_VALUE]!r}…"
    return repr(value)


def _uri(collection: str, version: str) -> str:
    return f"{BASE}/{collection}/{version}/schema.json"


def _number(version: str) -> Version:
    """Return ``1.2.3`` as numbers.

    Raises:
        ValueError: if it is no such version.
    """
    numbers = tuple(int(part) for part in version.split("."))
    if len(numbers) != 3 or min(numbers) < 0:
        raise ValueError(f"{version} is no version such as 1.0.0")
    return numbers
