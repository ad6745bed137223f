"""When a step is tried again: ``retryStrategy``.

https://argo-workflows.readthedocs.io/en/latest/retries/
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from argo_templates.local import expressions
from argo_templates.local.errors import LocalError
from argo_templates.local.nodes import ERROR, FAILED, Node

POLICIES: Final = {"Always": {FAILED, ERROR}, "OnFailure": {FAILED}, "OnError": {ERROR}}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Retries:
    """A strategy.

    Attributes:
        limit: tries after the first; ``None`` for as many as it takes.
        phases: of a node that is tried again.
        expression: must hold of the last try.
        pause: seconds before the second try.
        factor: by which each pause is longer than the one before.
        cap: seconds of the longest pause.
        most: seconds from the first try on, after which none begins.
    """

    limit: int | None = 0
    phases: frozenset[str] = frozenset({FAILED})
    expression: expressions.Expression | None = None
    pause: float = 0.0
    factor: float = 1.0
    cap: float | None = None
    most: float | None = None

    def again(self, node: Node, attempts: int, since_first: float) -> float | None:
        """Return after how many seconds to try again; ``None`` for not at all."""
        if self.limit is not None and attempts > self.limit:
            return None
        if node.phase not in self.phases or not self._holds(node, attempts):
            return None
        pause = self.pause * self.factor ** (attempts - 1)
        pause = pause if self.cap is None else min(pause, self.cap)
        return None if self.most is not None and since_first + pause > self.most else pause

    def _holds(self, node: Node, attempts: int) -> bool:
        if self.expression is None:
            return True
        scope: expressions.Scope = {
            "lastRetry.exitCode": "-1" if node.exit_code is None else str(node.exit_code),
            "lastRetry.status": node.phase,
            "lastRetry.duration": str(int(node.seconds)),
            "lastRetry.message": node.message,
            "retries": str(attempts - 1),
        }
        return expressions.evaluate(self.expression, scope) is True


NEVER: Final = Retries()


def parse(strategy: Mapping[str, Any]) -> Retries:
    """Read a ``retryStrategy``.

    Raises:
        LocalError: if a number, a duration or the policy is none, or the expression cannot be read.
    """
    expression, backoff = strategy.get("expression"), strategy.get("backoff", {})
    # Argo's own default: with an expression every kind of failure, without one the step's own alone.
    policy = strategy.get("retryPolicy", "Always" if expression else "OnFailure")
    if policy not in POLICIES:
        raise LocalError(f"retryPolicy {policy} is not done here: {', '.join(POLICIES)} are")
    limit = strategy.get("limit")
    return Retries(
        limit=None if limit is None else int(_number("limit", limit)),
        phases=frozenset(POLICIES[policy]),
        expression=expressions.parse(expression, expressions.RETRY) if expression else None,
        pause=duration(backoff.get("duration", 0)),
        factor=_number("factor", backoff.get("factor", 1)),
        cap=duration(backoff["cap"]) if "cap" in backoff else None,
        most=duration(backoff["maxDuration"]) if "maxDuration" in backoff else None,
    )


def duration(value: str | float) -> float:
    """Return a duration such as ``30``, ``30s`` or ``1m30s`` in seconds.

    Raises:
        LocalError: if it is none.
    """
    text = str(value)
    if text.replace(".", "", 1).isdigit():
        return float(text)
    if not re.fullmatch(f"({_DURATION.pattern})+", text):
        raise LocalError(f"{text!r} is no duration")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))


def _number(name: str, value: str | float) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise LocalError(f"retryStrategy: {name} {value!r} is no number") from error
