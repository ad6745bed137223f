"""Rules that give a document classes by the values that stand in it, as an ontology declares them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rucio_dafab.vocabulary.queryables import split_pointer


@dataclass(frozen=True)
class Condition:
    """A test of one member of a document; what is absent, or no number where one is needed, fails it.

    Attributes:
        member: JSON pointer from the root of the document.
        relative_to: Pointer of another member: the number is the share of that in per cent.
        values: Texts, of which the member must be one; none where numbers are compared.
        above: What the number must exceed.
        below: What it must stay below.
        at_least: What it must reach.
        at_most: What it must not exceed.
    """

    member: str
    relative_to: str | None = None
    values: tuple[str, ...] = ()
    above: float | None = None
    below: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Return whether the document passes."""
        found = _get(document, self._path)
        if found is None:
            return False
        if self.values:
            return isinstance(found, str) and found in self.values
        number = self._share(document, found) if self._whole else _number(found)
        return number is not None and self._is_within(number)

    def _is_within(self, number: float) -> bool:
        return not (
            (self.above is not None and number <= self.above)
            or (self.below is not None and number >= self.below)
            or (self.at_least is not None and number < self.at_least)
            or (self.at_most is not None and number > self.at_most)
        )

    def _share(self, document: Mapping[str, Any], part: Any) -> float | None:
        numerator, denominator = _number(part), _number(_get(document, self._whole))
        return None if numerator is None or not denominator else 100.0 * numerator / denominator

    @cached_property
    def _path(self) -> tuple[str, ...]:
        return split_pointer(self.member)

    @cached_property
    def _whole(self) -> tuple[str, ...]:
        return split_pointer(self.relative_to) if self.relative_to else ()


@dataclass(frozen=True)
class Rule:
    """All `conditions` together give a document the class `class_id`; `name` is the rule's own IRI."""

    name: str
    class_id: str
    conditions: tuple[Condition, ...]

    @cached_property
    def needed(self) -> str | None:
        """The property of an item without which no document gets the class; ``None`` where there is none."""
        asked = [split_pointer(each.member) for each in self.conditions]
        return next((path[1] for path in asked if len(path) > 1 and path[0] == "properties"), None)

    def holds(self, document: Mapping[str, Any]) -> bool:
        """Return whether the document gets the class."""
        return all(each.holds(document) for each in self.conditions)


def classify(document: Mapping[str, Any], rules: Iterable[Rule]) -> set[str]:
    """Return the ids of the classes that the rules give a document."""
    properties = document.get("properties")
    # Most items have none of the properties that rules ask for, and each of a load is asked.
    present = properties if isinstance(properties, dict) else {}
    return {each.class_id for each in rules if (each.needed is None or each.needed in present) and each.holds(document)}


def _get(document: Any, path: Iterable[str]) -> Any:
    """Return the member of nested objects at `path`, or ``None``."""
    for segment in path:
        # JSON's objects: asking for Mapping costs four times as much, for each item of a load.
        if not isinstance(document, dict):
            return None
        document = document.get(segment)
    return document


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
