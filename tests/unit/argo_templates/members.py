"""Members of templates, by name."""

from typing import Any


def task(document: dict[str, Any], template: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for each in named(document["spec"]["templates"], template)["dag"]["tasks"] if each["name"] == name
    )
    return found


def named(values: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(value for value in values if value["name"] == name)
