"""Names that stand twice, and templates that call themselves for ever: what Argo refuses, or never ends."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from argo_templates.local import documents
from argo_templates.schema import Finding

Document = Mapping[str, Any]


def check(spec: Document) -> Iterator[Finding]:
    """Find names that stand twice where they have to be unique, and calls in a circle that nothing can end.

    A template may call itself, as a loop, where a condition, a list of items or a ``depends`` decides about it.
    """
    yield from _twice("spec", "template", spec.get("templates", []))
    yield from _twice("spec", "parameter", spec.get("arguments", {}).get("parameters", []))
    by_name = {each["name"]: each for each in spec.get("templates", [])}
    for name, template in by_name.items():
        users = [
            *template.get("dag", {}).get("tasks", []),
            *(each for row in template.get("steps", []) for each in row),
        ]
        yield from _twice(name, "task", users)
        for way in ("inputs", "outputs"):
            yield from _twice(name, f"parameter of the {way}", template.get(way, {}).get("parameters", []))
        for user in users:
            yield from _twice(f"{name}.{user['name']}", "argument", user.get("arguments", {}).get("parameters", []))
        if name in _called(name, by_name):
            yield Finding(name, "it calls itself whatever happens: a condition has to decide about it")


def _twice(place: str, what: str, named: Iterable[Document]) -> Iterator[Finding]:
    for name, times in Counter(str(each["name"]) for each in named).items():
        if times > 1:
            yield Finding(place, f"the {what} {name} stands {times} times")


def _called(name: str, by_name: Mapping[str, Document]) -> set[str]:
    """Return the templates that one comes to whatever happens."""
    waiting, found = _surely(by_name[name]), set[str]()
    while waiting:
        called = waiting.pop()
        if called in by_name and called not in found:
            found.add(called)
            waiting += _surely(by_name[called])
    return found


def _surely(template: Document) -> list[str]:
    users = documents.users(template)
    decided = ("when", "withItems", "withParam", "withSequence", "depends", "templateRef")
    return [each["template"] for each in users if "template" in each and not any(member in each for member in decided)]
