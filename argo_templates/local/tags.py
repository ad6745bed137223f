"""``{{tags}}`` put in: texts by name, as Argo's simple tags are."""

import re
from collections.abc import Mapping
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
        return _TAG.sub(lambda tag: _resolved(tag[1], scope), value)
    if isinstance(value, Mapping):
        return {key: put_in(each, scope) for key, each in value.items()}
    if isinstance(value, list):
        return [put_in(each, scope) for each in value]
    return value


def names(value: Any) -> set[str]:
    """Return the tags in all texts of a value, without braces."""
    if isinstance(value, str):
        return {tag.strip() for tag in _TAG.findall(value)}
    if isinstance(value, Mapping):
        value = list(value.values())
    return set().union(*map(names, value)) if isinstance(value, list) else set()


def without(text: str) -> str:
    """Return a text with a digit for every tag, which is a number alone and a text between quotes."""
    return _TAG.sub("0", text)


def _resolved(tag: str, scope: Scope) -> str:
    try:
        return scope[tag.strip()]
    except KeyError as error:
        raise TagError(f"{{{{{tag}}}}} resolves to nothing") from error
