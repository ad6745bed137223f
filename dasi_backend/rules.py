"""Rules of ``type: select``: regular expressions on keys, as FDB writes them (``mission=^s2,level=l2a``)."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from dasi_backend.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rule:
    """What a member takes. Expressions are searched for in values, whatever their case: ``^`` and ``$`` hold the ends.

    Attributes:
        text: As it is written; empty takes everything.
        patterns: Expression by key; all of them hold.
    """

    text: str
    patterns: Mapping[str, re.Pattern[str]]

    @classmethod
    def parse(cls, text: str, known: Collection[str]) -> Self:
        """Read a rule.

        Args:
            text: ``key=expression``, separated by commas.
            known: The keys of the language.

        Raises:
            ConfigError: naming the key or the expression.
        """
        patterns: dict[str, re.Pattern[str]] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, equals, expression = (piece.strip() for piece in part.partition("="))
            if not equals or not key or not expression:
                raise ConfigError(f"select: '{part}' is not key=expression")
            if key not in known:
                raise ConfigError(f"select: unknown key '{key}'")
            if key in patterns:
                raise ConfigError(f"select: {key} is named twice")
            try:
                patterns[key] = re.compile(expression, re.IGNORECASE)
            except re.error as error:
                raise ConfigError(f"select: {key}={expression} is no regular expression ({error})") from error
        return cls(text.strip(), patterns)

    def may_hold(self, keys: Mapping[str, Sequence[str]]) -> bool:
        """Say whether a request may find something here: no key that it names rules that out."""
        return all(
            key not in keys or any(pattern.search(value) for value in keys[key])
            for key, pattern in self.patterns.items()
        )

    def takes(self, key: Mapping[str, str]) -> bool:
        """Say whether an object with this key belongs here: it names all that the rule does."""
        return all(name in key and pattern.search(key[name]) for name, pattern in self.patterns.items())
