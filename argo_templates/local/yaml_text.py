"""YAML of anybody, read as Argo reads it: into what JSON can say, and never into more than its bytes promise.

A date, a time of day and a lone ``=`` are texts, as they are to the reader that Argo and Kubernetes use; a name that
stands twice, a circle of anchors and the tags of languages are refused, and what is large only once its anchors are
put in is not put together.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from argo_templates.local.errors import LocalError

MOST_BYTES: Final = 4 * 2**20
"""Of a file, and of what its anchors make of it. A cluster keeps no object of more than 1.5 MiB."""

MOST_DEPTH: Final = 100
"""Lists and mappings within one another."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_TEXT: Final = f"{_TAG}str"
_MERGE: Final = f"{_TAG}merge"
_TEXTS: Final = frozenset(f"{_TAG}{name}" for name in ("timestamp", "value"))
_NUMBERS: Final = frozenset(f"{_TAG}{name}" for name in ("int", "float"))
_KNOWN: Final = _NUMBERS | {f"{_TAG}{name}" for name in ("map", "seq", "str", "bool", "null")}


def read_file(path: Path) -> list[Any]:
    """Return the documents of a file of YAML, without empty ones.

    Raises:
        LocalError: if it cannot be read, is larger than :data:`MOST_BYTES`, or is refused by :func:`read_all`.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise LocalError(f"{path} has more than {MOST_BYTES:,} bytes: no workflow has")
        return read_all(content.decode("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise LocalError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def read_all(text: str, place: str) -> list[Any]:
    """Return the documents of a text of YAML, without empty ones: of mappings, lists, texts, numbers, truths and null.

    Args:
        text: at most :data:`MOST_BYTES`.
        place: where it stands, for refusals.

    Raises:
        LocalError: if it is not YAML, or more than JSON can say.
    """
    try:
        return [each for each in _documents(text, place) if each is not None]
    except yaml.YAMLError as error:
        raise LocalError(f"{place} is not YAML: {_said(error)}") from error
    except ValueError as error:
        raise LocalError(f"{place} is not YAML: {error}") from error


def _documents(text: str, place: str) -> Iterator[Any]:
    _check_depth(text, place)
    loader = _LOADER(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                _Check(place).measure(node, 0)
            yield loader.construct_document(node)
    finally:
        loader.dispose()


def _check_depth(text: str, place: str) -> None:
    """Refuse what goes too deep before it is put together: the reader in C calls itself for each level, unguarded."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise _too_deep(place)


class _Check:
    """Looks at the nodes of one document before anything is made of them."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._known: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def measure(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        """Return how many characters a node comes to and how deep it goes, with its anchors put in.

        Raises:
            LocalError: if it is too large, too deep, or what no workflow holds.
        """
        if isinstance(node, yaml.ScalarNode):
            self._scalar(node)
            return len(node.value) + 1, 0
        if id(node) in self._open:
            raise self._refusal(node, "an anchor stands within itself")
        if id(node) not in self._known:
            self._tag(node)
            self._open.add(id(node))
            found = [self.measure(each, depth + 1) for each in self._inner(node)]
            self._open.remove(id(node))
            self._known[id(node)] = 1 + sum(size for size, _ in found), 1 + max((deep for _, deep in found), default=0)
        size, deep = self._known[id(node)]
        if depth + deep > MOST_DEPTH:
            raise _too_deep(self._place)
        if size > MOST_BYTES:
            raise self._refusal(node, f"with its anchors put in it comes to more than {MOST_BYTES:,} characters")
        return size, deep

    def _inner(self, node: yaml.Node) -> Iterator[yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            yield from node.value
            return
        names = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._refusal(key, "a name has to be a text")
            if key.tag != _MERGE:
                if key.value in names:
                    raise self._refusal(key, f"{key.value!r} stands twice")
                names.add(key.value)
                key.tag = _TEXT
                yield key
            yield value

    def _scalar(self, node: yaml.ScalarNode) -> None:
        # 12:30 is a number of base 60 to YAML 1.1, and a text to Argo.
        if node.tag in _TEXTS or (node.tag in _NUMBERS and ":" in node.value):
            node.tag = _TEXT
        self._tag(node)

    def _tag(self, node: yaml.Node) -> None:
        if node.tag not in _KNOWN:
            raise self._refusal(node, f"the tag {node.tag.replace(_TAG, '!!')} is none of JSON's")

    def _refusal(self, node: yaml.Node, reason: str) -> LocalError:
        return LocalError(f"{self._place}: line {node.start_mark.line + 1}: {reason}")


def _too_deep(place: str) -> LocalError:
    return LocalError(f"{place}: lists and mappings stand within one another more than {MOST_DEPTH} deep")


def _said(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    said = f"{problem} (line {mark.line + 1})" if mark is not None and problem else str(error)
    return " ".join(said.split())
