"""A file of RDF as triples, whatever it is written in and whoever wrote it.

Turtle, N-Triples, RDF/XML and JSON-LD are read by rdflib, OWL/XML by owlready2. Nothing is fetched from the network:
``owl:imports`` is not followed, and a JSON-LD context must stand in the file. Entities of XML are refused unless they
are plain abbreviations, so that none can grow.
"""

import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat
from xml.sax import SAXException

import orjson
from rdflib import OWL, Graph
from rdflib.exceptions import Error as RdfError

from rucio_dafab.vocabulary.errors import VocabularyError

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a file."""
DEEPEST: Final = 64
"""Levels of nested JSON."""
LONGEST_ENTITY: Final = 300
"""Characters that an XML entity may stand for: enough for the begin of an IRI."""

FORMATS: Final = {
    ".ttl": "turtle",
    ".nt": "nt",
    ".jsonld": "json-ld",
    ".json": "json-ld",
    ".rdf": "xml",
    ".owl": "xml",
    ".owx": "xml",
    ".xml": "xml",
}
"""What a file is written in, by the end of its name; XML is RDF/XML or OWL/XML, as its root says."""

_OWL_XML_ROOT: Final = f"{OWL}Ontology"
_IMPORT: Final = re.compile(rb"<((?:\w+:)?)Import\b[^>]*?(?:/>|>[^<]*</\1Import\s*>)")
# The base of relative IRIs, which an ontology should not have: no path of this machine gets into a class.
_BASE: Final = "https://relative.invalid/"
_BOM: Final = b"\xef\xbb\xbf"
# What rdflib's parsers raise on malformed files besides its own errors.
_MALFORMED: Final = (
    RdfError,
    SAXException,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RecursionError,
)


def parse(path: Path) -> Graph:
    """Return the triples of a file.

    Raises:
        VocabularyError: in one line, where the file is too large, in a wrong encoding or format, would fetch something
            from the network, or holds XML entities that could grow.
    """
    content = read_bytes(path)
    syntax = FORMATS.get(path.suffix.lower())
    if syntax is None:
        raise VocabularyError(f"{path.name}: its name must end with one of {', '.join(FORMATS)}")
    if syntax == "xml":
        syntax = _scan_xml(content, path.name)
    else:
        content = content.removeprefix(_BOM)
        _check_text(content, path.name)
        if syntax == "json-ld":
            _check_json(content, path.name)
    return _triples(content, syntax, path.name)


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """Return the content of a file of at most `largest` bytes.

    Raises:
        VocabularyError: if it is no regular file, cannot be read, or is larger.
    """
    try:
        if not path.is_file():
            raise VocabularyError(f"{path.name} is no file")
        size = path.stat().st_size
        if size > largest:
            raise VocabularyError(f"{path.name} has {size / 1e6:.0f} MB: at most {largest / 1e6:.0f} MB can be read")
        return path.read_bytes()
    except OSError as error:
        raise VocabularyError(f"{path.name} cannot be read: {error.strerror}") from error


def _check_text(content: bytes, name: str) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{name} is not UTF-8: the byte at {error.start} is no part of a character") from error
    if "\0" in text:
        raise VocabularyError(f"{name} holds the character NUL at {text.index(chr(0))}")


def _check_json(content: bytes, name: str) -> None:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise VocabularyError(f"{name} is no JSON: {error}") from error
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        for each in level:
            _refuse_remote(each, name)
        level = [member for each in level for member in _members(each)]
        if not level:
            return
    raise VocabularyError(f"{name} is nested deeper than {DEEPEST} levels")


def _members(value: Any) -> list[Any]:
    found = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [each for each in found if isinstance(each, dict | list)]


def _refuse_remote(value: Any, name: str) -> None:
    """Refuse a context that would be fetched."""
    if not isinstance(value, dict):
        return
    contexts = value.get("@context")
    for each in [*(contexts if isinstance(contexts, list) else [contexts]), value.get("@import")]:
        if isinstance(each, str):
            raise VocabularyError(f"{name} names the context {each[:100]}, which is not fetched: put it into the file")


def _scan_xml(content: bytes, name: str) -> str:
    """Return whether XML is RDF/XML (``xml``) or OWL/XML, without expanding anything that could grow."""
    roots: list[str] = []
    parser = expat.ParserCreate(namespace_separator="")

    def refuse_growth(entity: str, parameter: int, value: str | None, *_: Any) -> None:
        if parameter or value is None or "&" in value or "%" in value or len(value) > LONGEST_ENTITY:
            raise VocabularyError(f"{name} declares the XML entity {entity!r}, which is not plain text: refused")

    def note(element: str, _: Any) -> None:
        if not roots:
            roots.append(element)

    parser.EntityDeclHandler = refuse_growth
    parser.StartElementHandler = note
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise VocabularyError(f"{name} is no XML: {error}") from error
    except (LookupError, ValueError) as error:
        raise VocabularyError(f"{name} is in an encoding that cannot be read: {error}") from error
    return "owl/xml" if roots[0] == _OWL_XML_ROOT else "xml"


def _triples(content: bytes, syntax: str, name: str) -> Graph:
    with _quiet():
        try:
            if syntax == "owl/xml":
                content, syntax = _from_owl_xml(content), "nt"
            return Graph().parse(io.BytesIO(content), format=syntax, publicID=_BASE)
        except _MALFORMED as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise VocabularyError(f"{name} cannot be read: {reason}") from error


def _from_owl_xml(content: bytes) -> bytes:
    """Return OWL/XML as N-Triples; imports, which owlready2 would fetch, are left in as annotations alone."""
    import owlready2  # noqa: PLC0415 - slow to import, needed for this format only

    world = owlready2.World()
    try:
        loaded = world.get_ontology("urn:rucio-dafab:loading#")
        loaded.load(fileobj=io.BytesIO(_IMPORT.sub(b"", content)), only_local=True)
        written = io.BytesIO()
        loaded.save(written, format="ntriples")
        return written.getvalue()
    except owlready2.OwlReadyError as error:
        raise ValueError(str(error)) from error
    finally:
        world.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep rdflib from logging literals that are not what their type says, and from warning of its own JSON-LD."""
    logger = logging.getLogger("rdflib")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(before)
