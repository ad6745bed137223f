"""Rules on keys, and who is asked by them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from dasi_backend.errors import ConfigError, KeyRefused, NothingFound, RequestError, TargetError
from dasi_backend.items import Item, Key, Retrieved
from dasi_backend.language import Request
from dasi_backend.plans import Plan, Planned
from dasi_backend.rules import Rule
from dasi_backend.select import Backend, Member, SelectBackend, home_of

KEYS = frozenset({"mission", "level", "date", "band", "cloud_cover"})


def rule(text: str) -> Rule:
    return Rule.parse(text, KEYS)


@pytest.mark.parametrize(
    ("text", "keys", "holds"),
    [
        ("", {"mission": ("s2a",)}, True),
        ("mission=^s2", {}, True),
        ("mission=^s2", {"date": ("20260601",)}, True),
        ("mission=^s2", {"mission": ("s2a",)}, True),
        ("mission=^s2", {"mission": ("S2A",)}, True),
        ("mission=^s2", {"mission": ("s1a", "s2a")}, True),
        ("mission=^s2", {"mission": ("s1a",)}, False),
        ("mission=2", {"mission": ("s2a",)}, True),
        ("mission=^2", {"mission": ("s2a",)}, False),
        ("mission=^s(1|2)$", {"mission": ("s2a",)}, False),
        ("mission=^s2, level=^l2a$", {"mission": ("s2a",), "level": ("l1c",)}, False),
        ("mission=^s2, level=^l2a$", {"level": ("l2a",)}, True),
    ],
)
def test_a_request_is_ruled_out_by_what_it_names_alone(text: str, keys: dict[str, Sequence[str]], holds: bool) -> None:
    assert rule(text).may_hold(keys) is holds


@pytest.mark.parametrize(
    ("text", "taken"),
    [("", True), ("mission=^s2", True), ("mission=^s1", False), ("mission=^s2,date=^2026", False)],
)
def test_an_object_is_taken_where_its_key_names_all_of_a_rule(text: str, taken: bool) -> None:
    assert rule(text).takes({"mission": "s2a", "level": "l2a"}) is taken


@pytest.mark.parametrize("text", ["mission", "=x", "mission=", "mission=(", "mission=a,mission=b", "colour=x"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="select: "):
        rule(text)


@dataclass
class Shelf:
    """A backend of names: everything on it answers every request that it is asked."""

    names: Sequence[str]
    keys: frozenset[str] = frozenset({"mission", "date"})
    asked: list[Request] = field(default_factory=list)

    def knows(self, key: str) -> bool:
        return key in self.keys

    def list(self, request: Request) -> Iterator[Item]:
        self.asked.append(request)
        return (Item(Key({"id": name}), name, "", 1) for name in self.names)

    def plan(self, request: Request) -> Plan:
        path = str(request.target)
        files = [
            Planned(Path(path.replace("[id]", name)), name, partial(Retrieved, Path(name), name, 1))
            for name in self.names
        ]
        return Plan(request, files, "names", "the shelf")


def select(*members: tuple[str, Shelf]) -> SelectBackend:
    return SelectBackend([Member[Backend](f"fdbs[{n}]", rule(text), shelf) for n, (text, shelf) in enumerate(members)])


def listed(backend: SelectBackend, **keys: tuple[str, ...]) -> list[str]:
    return [item.name for item in backend.list(Request("list", keys))]


def test_a_request_goes_to_every_member_that_may_answer_it() -> None:
    backend = select(("mission=^s2", Shelf("a")), ("mission=^s", Shelf("b")), ("date=^2026", Shelf("c")))
    assert listed(backend, mission=("s2a",)) == ["a", "b", "c"]
    assert listed(backend, mission=("s1a",), date=("20260601",)) == ["b", "c"]
    assert listed(backend) == ["a", "b", "c"]


def test_a_member_that_lacks_a_key_is_not_asked() -> None:
    store, catalogue = Shelf("a", KEYS - {"cloud_cover"}), Shelf("b", KEYS - {"band"})
    backend = select(("", store), ("", catalogue))
    assert listed(backend, band=("b02",)) == ["a"]
    assert listed(backend, cloud_cover=("<20",)) == ["b"]
    assert (len(store.asked), len(catalogue.asked)) == (1, 1)
    assert backend.knows("band")
    assert not backend.knows("colour")
    with pytest.raises(RequestError, match=r"fdbs\[0\] does not know cloud_cover; fdbs\[1\] does not know band"):
        listed(backend, band=("b02",), cloud_cover=("<20",))


def test_a_request_for_nobody_is_refused_with_the_rules() -> None:
    with pytest.raises(RequestError, match=r"no member of fdbs answers this request \(fdbs\[0\]: mission=\^s2\)"):
        listed(select(("mission=^s2", Shelf("a"))), mission=("s1a",))


def retrieved(backend: SelectBackend, target: str, expect: int | str | None = None) -> list[str]:
    return [one.name for one in backend.retrieve(Request("retrieve", {}, target, expect))]


def test_what_is_expected_is_expected_of_all_members_together() -> None:
    backend = select(("", Shelf("ab")), ("", Shelf("c")))
    assert retrieved(backend, "[id]", 3) == ["a", "b", "c"]
    with pytest.raises(RequestError, match="3 answers answer the request, and expect=2"):
        retrieved(backend, "[id]", 2)
    with pytest.raises(NothingFound):
        retrieved(select(("", Shelf(""))), "[id]")
    assert retrieved(select(("", Shelf(""))), "[id]", "any") == []


def test_answers_of_two_members_never_become_one_file() -> None:
    with pytest.raises(TargetError, match="a and b would both be written to"):
        retrieved(select(("", Shelf("a")), ("", Shelf("b"))), "one")


def test_an_object_belongs_to_the_first_member_that_takes_it() -> None:
    members = [Member("first", rule("level=^l2"), 1), Member("second", rule("mission=^s2"), 2)]
    assert home_of({"mission": "s2a", "level": "l2a"}, members).store == 1
    assert home_of({"mission": "s2a", "level": "l1c"}, members).store == 2
    with pytest.raises(KeyRefused, match=r"mission=s1a: no member of fdbs takes it \(first: level=\^l2; second"):
        home_of({"mission": "s1a"}, members)
