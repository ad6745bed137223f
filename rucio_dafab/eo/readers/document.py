"""XML files asked by local names: untrusted input, refused with a reason when it is not plain XML."""

import math
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from rucio_dafab.eo.errors import SceneError

_MAXIMUM_BYTES = 64 * 2**20


class Document:
    """A parsed XML file that is asked by local names and names itself in every refusal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.stat().st_size > _MAXIMUM_BYTES:
                raise SceneError(f"{path}: larger than {_MAXIMUM_BYTES // 2**20} MiB: no product metadata")
            root: Element | None = parse(path, forbid_dtd=True).getroot()
        except OSError as error:
            raise SceneError(f"{path}: cannot be read: {error.strerror}") from error
        except DefusedXmlException as error:
            raise SceneError(f"{path}: declares a DTD or entities, which product metadata never does") from error
        except ParseError as error:
            raise SceneError(f"{path}: is not XML: {error}") from error
        if root is None:
            raise SceneError(f"{path}: is empty")
        self.root = root

    def elements(self, name: str, within: Element | None = None) -> list[Element]:
        """Return every element of that local name, in document order."""
        return [element for element in (within if within is not None else self.root).iter() if local(element) == name]

    def text(self, *names: str) -> str | None:
        """Return the text of the first element that has one of the names, in the order of the names."""
        for name in names:
            for element in self.elements(name):
                if element.text and element.text.strip():
                    return element.text.strip()
        return None

    def required(self, *names: str) -> str:
        """Return the text of the first element of these names.

        Raises:
            SceneError: if there is none.
        """
        found = self.text(*names)
        if found is None:
            raise SceneError(f"{self.path}: has no {names[0]}")
        return found

    def number(self, text: str, what: str) -> float:
        """Return ``text`` as a finite number.

        Raises:
            SceneError: if it is none, naming ``what``.
        """
        found = self.number_or_nan(text, what)
        if not math.isfinite(found):
            raise SceneError(f"{self.path}: {what} is not a finite number: {text}")
        return found

    def number_or_nan(self, text: str, what: str) -> float:
        """Return ``text`` as a number, which need not be finite: some values are not known, and say so by NaN.

        Raises:
            SceneError: if it is none, naming ``what``.
        """
        try:
            return float(text)
        except ValueError as error:
            raise SceneError(f"{self.path}: {what} is not a number: {text}") from error

    def time(self, text: str, what: str) -> datetime:
        """Return ``text`` as a UTC time.

        Raises:
            SceneError: if it is none, naming ``what``.
        """
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError as error:
            raise SceneError(f"{self.path}: {what} is no time: {text}") from error

    def leaves(self) -> dict[str, str]:
        """Return the first text of every local name."""
        found: dict[str, str] = {}
        for element in self.root.iter():
            if element.text and element.text.strip() and len(element) == 0:
                found.setdefault(local(element), element.text.strip())
        return found


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]
