"""``{{tags}}`` put in: texts by name, as Argo's simple tags are."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from argo_templates.local.errors import TagError

Scope: TypeAlias = Mapping[str, str]
"""What a tag stands for, by its name without braces."""

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def put_in(value: Any, scope: Scope) -> Any:
    """Return a value of a document with the tags in all its texts replaced, once: what is put in is not read again.

    Raises:
        TagError: if a tag resolves to nothing.
    """
    if isinstance(value, str):
        return _replaced(lambda tag: _resolved(tag[1], scope), value)
    if isinstance(value, Mapping):
        return {key: put_in(each, scope) for key, each in value.items()}
    if isinstance(value, list):
        return [put_in(each, scope) for each in value]
    return value


def of_text(text: str) -> list[str]:
    """Return the tags of a text as they stand, without braces."""
    return [str(tag) for tag in _TAG.findall(text[: _end(text)])]


def names(value: Any) -> set[str]:
    """Return the tags in all texts of a value, without braces."""
    if isinstance(value, str):
        return {tag.strip() for tag in of_text(value)}
    if isinstance(value, Mapping):
        value = list(value.values())
    return set().union(*map(names, value)) if isinstance(value, list) else set()


def without(text: str) -> str:
    """Return a text with a digit for every tag, which is a number alone and a text between quotes."""
    return _replaced(lambda _tag: "0", text)


def _replaced(by: Callable[[re.Match[str]], str], text: str) -> str:
    end = _end(text)
    return _TAG.sub(by, text[:end]) + text[end:]


def _end(text: str) -> int:
    """Return where the last tag may end: behind it the pattern would search the rest again from every brace on."""
    return text.rfind("}}") + 2 if "}}" in text else 0


def _resolved(tag: str, scope: Scope) -> str:
    try:
        return scope[tag.strip()]
    except KeyError as error:
        raise TagError(f"{{{{{tag}}}}} resolves to nothing") from error
