"""The rules by which items are linked: read from ``etc/interlinking.toml``, which says what each member means."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.typed import typed_queryables
from rucio_dafab.names import is_name
from rucio_dafab.resources import resources
from rucio_dafab.stac.links import DERIVED, NOT_KEPT, VERSIONS
from rucio_dafab.vocabulary.queryables import ValueType
from rucio_dafab.vocabulary.queryables import load as load_queryables

MOST_NEAREST: Final = 10
LONGEST_DAYS: Final = 36_600

_NAME: Final = re.compile(r"[a-z0-9-]{1,60}")
_VERSION: Final = re.compile(r"[0-9A-Za-z.-]{1,20}")
_RELATION: Final = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_NEEDED: Final = ("name", "version", "relation", "from", "to")
_OPTIONAL: Final = (
    *("title", "same_source", "same", "footprint", "days", "order", "days_at_least"),
    *("from_isa", "to_isa", "nearest"),
)


class RulesInvalid(CatalogueError):
    """The file of rules cannot be read, or a rule in it cannot be."""


class Order(StrEnum):
    """How the other item's begin stands to this one's."""

    EARLIER = "earlier"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which items of a collection get a link to which of another one, or of the same.

    Attributes:
        name: its name.
        version: its version.
        relation: of the links.
        source: collection of the items that get links.
        target: collection of those that are named.
        title: of the links, or ``None``.
        same_source: whether both must be derived from one item.
        same: columns in which both must have one value.
        footprint: least share of the smaller footprint that is common, 0…1, or ``None`` where any two will do.
        days: most days between their extents in time, or ``None``.
        order: how the other's begin stands to this one's, or ``None``.
        days_at_least: least days between their beginnings, with an order.
        source_isa: name of the class of the one, or ``None``.
        target_isa: name of the class of the other, or ``None``.
        nearest: how many are linked at most, the nearest in time first.
    """

    name: str
    version: str
    relation: str
    source: str
    target: str
    title: str | None = None
    same_source: bool = False
    same: tuple[str, ...] = ()
    footprint: float | None = None
    days: float | None = None
    order: Order | None = None
    days_at_least: float = 0.0
    source_isa: str | None = None
    target_isa: str | None = None
    nearest: int = 1

    @property
    def tag(self) -> str:
        """What its links carry: name and version."""
        return f"{self.name}/{self.version}"


def installed() -> Path:
    """Return the file of this installation."""
    return resources() / "etc" / "interlinking.toml"


def read(path: Path) -> tuple[Rule, ...]:
    """Read and check a file of rules.

    Raises:
        RulesInvalid: naming the rule and what is wrong with it.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RulesInvalid(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise RulesInvalid(f"{path.name} is no TOML: {' '.join(str(error).split())}") from error
    tables = document.get("rule", [])
    if set(document) - {"rule"} or not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise RulesInvalid(f"{path.name}: nothing but tables [[rule]] can be there")
    rules = tuple(_rule(table, f"{path.name}: rule {number}") for number, table in enumerate(tables, start=1))
    _refuse_shared(rules, path.name)
    return rules


def _rule(table: Mapping[str, Any], place: str) -> Rule:
    if isinstance(table.get("name"), str):
        place = f"{place} ({table['name'][:60]})"
    if unknown := sorted(set(table) - {*_NEEDED, *_OPTIONAL}):
        raise RulesInvalid(f"{place}: nothing is called {unknown[0][:60]!r}: the file says what there is")
    if missing := [each for each in _NEEDED if each not in table]:
        raise RulesInvalid(f"{place}: {missing[0]} is missing")
    read = _Reader(table, place)
    rule = Rule(
        name=read.matching("name", _NAME),
        version=read.matching("version", _VERSION),
        relation=read.relation(),
        source=read.collection("from"),
        target=read.collection("to"),
        title=read.text("title"),
        same_source=read.flag("same_source"),
        same=read.columns(),
        footprint=read.number("footprint", 1.0),
        days=read.number("days", LONGEST_DAYS),
        order=read.order(),
        days_at_least=read.number("days_at_least", LONGEST_DAYS) or 0.0,
        source_isa=read.text("from_isa"),
        target_isa=read.text("to_isa"),
        nearest=read.nearest(),
    )
    _check_sense(rule, place)
    return rule


def _check_sense(rule: Rule, place: str) -> None:
    """Refuse what would link everything with everything, an item with itself, or nothing at all."""
    if not rule.same_source and not rule.same and rule.footprint is None:
        raise RulesInvalid(f"{place}: one of same_source, same and footprint must be there")
    if rule.source == rule.target and rule.order is None:
        raise RulesInvalid(f"{place}: within one collection order must be there: earlier or later")
    if rule.days_at_least and rule.order is None:
        raise RulesInvalid(f"{place}: days_at_least needs order: earlier or later")
    if rule.days is not None and rule.days < rule.days_at_least:
        raise RulesInvalid(f"{place}: days are fewer than days_at_least")


def _refuse_shared(rules: tuple[Rule, ...], file: str) -> None:
    owners: dict[tuple[str, ...], str] = {}
    for rule in rules:
        for claim in ((rule.name,), (rule.relation, rule.source, rule.target)):
            if claim in owners:
                raise RulesInvalid(f"{file}: {owners[claim]} and {rule.name} both are {' '.join(claim)}")
            owners[claim] = rule.name


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the members of a rule; each refusal names the place and the member."""

    table: Mapping[str, Any]
    place: str

    def fault(self, member: str, wanted: str) -> RulesInvalid:
        return RulesInvalid(f"{self.place}: {member} must be {wanted}, not {str(self.table[member])[:60]!r}")

    def text(self, member: str) -> str | None:
        value = self.table.get(member)
        if value is not None and (not isinstance(value, str) or not value.strip() or "\x00" in value):
            raise self.fault(member, "some text")
        return value

    def matching(self, member: str, pattern: re.Pattern[str]) -> str:
        value = self.table[member]
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise self.fault(member, f"a string like {pattern.pattern}")
        return value

    def relation(self) -> str:
        relation = self.matching("relation", _RELATION)
        if relation in NOT_KEPT | VERSIONS | {DERIVED}:
            raise self.fault("relation", "one that nothing else writes")
        return relation

    def collection(self, member: str) -> str:
        value = self.table[member]
        if not isinstance(value, str) or not is_name(value):
            raise self.fault(member, "the name of a collection")
        return value

    def flag(self, member: str) -> bool:
        value = self.table.get(member, False)
        if not isinstance(value, bool):
            raise self.fault(member, "true or false")
        return value

    def number(self, member: str, most: float) -> float | None:
        value = self.table.get(member)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            raise self.fault(member, f"a number from 0 to {most:g}")
        return float(value)

    def nearest(self) -> int:
        value = self.table.get("nearest", 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_NEAREST:
            raise self.fault("nearest", f"a whole number from 1 to {MOST_NEAREST}")
        return value

    def order(self) -> Order | None:
        value = self.table.get("order")
        if value is not None and value not in list(Order):
            raise self.fault("order", "earlier or later")
        return None if value is None else Order(value)

    def columns(self) -> tuple[str, ...]:
        """Return the columns of the queryables that must be the same."""
        names = self.table.get("same", [])
        if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
            raise self.fault("same", "a list of queryables")
        known = {each.name: (each, column) for each, column in typed_queryables(load_queryables())}
        columns = []
        for name in names:
            queryable, column = known.get(name, (None, ""))
            if queryable is None or queryable.type is ValueType.STRINGS:
                raise self.fault("same", f"queryables with a column of one value ({name[:60]} has none)")
            columns.append(column)
        return tuple(columns)
