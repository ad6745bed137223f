"""Several stores as one (``type: select``): rules on keys say who is asked, and where new data belong.

A request goes to every member that may answer it: its rule does not rule the request out, and it knows all keys that
the request names. What is archived goes to the first member whose rule takes its key.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from dasi_backend import plans
from dasi_backend.errors import KeyRefused, RequestError, tell_removed
from dasi_backend.items import Item, Key, Retrieved
from dasi_backend.language import Request
from dasi_backend.plans import Plan, Progress
from dasi_backend.rules import Rule
from rucio_dafab.errors import DafabError


class Backend(Protocol):
    """What a member does."""

    def knows(self, key: str) -> bool:
        """Say whether a request for this backend may name a key."""
        ...

    def list(self, request: Request, /) -> Iterator[Item]:
        """Yield what a request finds."""
        ...

    def read(self, request: Request, /) -> Iterator[Item]:
        """Yield what a retrieve gives, with bytes that are verified when they are read."""
        ...

    def plan(self, request: Request, /) -> Plan:
        """Return what a retrieve is going to write."""
        ...

    def wipe(self, request: Request, /, doit: bool = False, everything: bool = False) -> Sequence[Key]:
        """Remove what a request finds, or only say what."""
        ...


Held = TypeVar("Held")


@dataclass(frozen=True)  # Python 3.11 cannot make a generic class that is frozen and has slots
class Member(Generic[Held]):
    """One member.

    Attributes:
        name: What errors call it: its place in the configuration and its type.
        rule: What it takes.
        store: The member itself.
    """

    name: str
    rule: Rule
    store: Held


def home_of(key: Mapping[str, str], members: Sequence[Member[Held]]) -> Member[Held]:
    """Return the member that an object belongs to: the first whose rule takes its key.

    Raises:
        KeyRefused: naming the key and the rules, if it is nobody's.
    """
    for member in members:
        if member.rule.takes(key):
            return member
    raise KeyRefused(f"{Key(key)}: no member of fdbs takes it ({_rules(members)})")


class SelectBackend:
    """Members behind one face.

    Args:
        members: In the order of the configuration.
    """

    def __init__(self, members: Sequence[Member[Backend]]) -> None:
        self._members = tuple(members)

    def knows(self, key: str) -> bool:
        """Say whether some member knows a key."""
        return any(member.store.knows(key) for member in self._members)

    def list(self, request: Request) -> Iterator[Item]:
        """Yield what a request finds, member by member.

        Raises:
            RequestError: if no member can answer it.
            DafabError: as a member refuses it.
        """
        for backend in self._asked(request):
            yield from backend.list(request)

    def read(self, request: Request) -> Iterator[Item]:
        """Yield what a request gives, member by member, with bytes that are verified when they are read.

        Raises:
            RequestError: if no member can answer it.
            DafabError: as a member refuses it.
        """
        for backend in self._asked(request):
            yield from backend.read(request)

    def plan(self, request: Request) -> Plan:
        """Return what all members that are asked would write; refusals are those of :meth:`list`."""
        plans.template_of(request)
        planned = [one for backend in self._asked(request) for one in backend.plan(request).files]
        return Plan(request, planned, "answers", "the members of fdbs")

    def retrieve(self, request: Request, progress: Progress | None = None) -> tuple[Retrieved, ...]:
        """Write the answers of all members; what is expected is expected of all of them together.

        Raises:
            RequestError: if no member can answer it, or not as much as expected is found.
            TargetError: if two answers would be one file; nothing is written then.
            DafabError: as a member refuses it.
        """
        return self.plan(request).carry_out(progress)

    def wipe(self, request: Request, doit: bool = False, everything: bool = False) -> Sequence[Key]:
        """Remove what a request finds in all members that are asked; nothing before each has said what it would remove.

        Raises:
            RequestError: if no member can answer it.
            DafabError: as a member refuses it.
        """
        asked = self._asked(request)
        found = [key for backend in asked for key in backend.wipe(request, everything=everything)]
        removed = list[str]()
        for backend in asked if doit else ():
            try:
                removed += [key["id"] for key in backend.wipe(request, doit=True, everything=everything)]
            except DafabError as refusal:
                tell_removed(refusal, removed)
                raise
        return found

    def _asked(self, request: Request) -> Sequence[Backend]:
        ruled = [member for member in self._members if member.rule.may_hold(request.keys)]
        if not ruled:
            raise RequestError(f"no member of fdbs answers this request ({_rules(self._members)})")
        asked = [member.store for member in ruled if all(member.store.knows(key) for key in request.keys)]
        if not asked:
            lacking = "; ".join(f"{member.name} does not know {_unknown(member, request)}" for member in ruled)
            raise RequestError(f"no member of fdbs answers all of this request: {lacking}")
        return asked


def _unknown(member: Member[Backend], request: Request) -> str:
    return ", ".join(key for key in request.keys if not member.store.knows(key))


def _rules(members: Sequence[Member[Held]]) -> str:
    return "; ".join(f"{member.name}: {member.rule.text or 'everything'}" for member in members)
