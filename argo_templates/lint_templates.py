"""What Argo refuses in a single template whatever calls it: its kind, its retries, an executor without a token."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from argo_templates.local import expressions, retries, tags
from argo_templates.local.errors import LocalError
from argo_templates.schema import Finding

Document = Mapping[str, Any]

KINDS: Final = (
    "container", "containerSet", "script", "dag", "steps", "resource", "suspend", "data", "http", "plugin"
)  # fmt: skip
"""What a template may be; it is one of them."""

POLICIES: Final = ("Always", "OnFailure", "OnError", "OnTransientError")
_DURATIONS: Final = ("duration", "cap", "maxDuration")
_TEXT: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`""")
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def check(spec: Document) -> Iterator[Finding]:
    """Find what is wrong in the templates of a workflow, each looked at alone."""
    yield from _retries("spec", spec)
    for template in spec.get("templates", []):
        yield from _kind(template)
        yield from _retries(template["name"], template)
        yield from _token(template, spec)


def not_here(spec: Document) -> Iterator[Finding]:
    """Find what Argo does and the local executor does not: nothing is wrong with it but where it can run."""
    for template in spec.get("templates", []):
        for tag in sorted({each for each in tags.names(template) if each.startswith("=")}):
            yield Finding(template["name"], f"{{{{{tag}}}}} is an expression: Argo evaluates it, --local does not")
    for place, holder in (("spec", spec), *((each["name"], each) for each in spec.get("templates", []))):
        expression = str(holder.get("retryStrategy", {}).get("expression", ""))
        if not expression or tags.of_text(expression) or _open(expression):
            continue
        try:
            expressions.parse(expression, expressions.RETRY)
        except LocalError as refusal:
            yield Finding(f"{place}.retryStrategy", f"{refusal}: Argo may evaluate it, --local does not")


def _kind(template: Document) -> Iterator[Finding]:
    found = [kind for kind in KINDS if kind in template]
    if len(found) != 1:
        yield Finding(template["name"], f"a template is one of {', '.join(KINDS)}, not {' and '.join(found) or 'none'}")


def _retries(place: str, holder: Document) -> Iterator[Finding]:
    strategy = holder.get("retryStrategy", {})
    where = f"{place}.retryStrategy"
    policy = strategy.get("retryPolicy", POLICIES[0])
    if policy not in POLICIES and not tags.names(policy):
        yield Finding(f"{where}.retryPolicy", f"{policy!r} is none of {', '.join(POLICIES)}")
    if not _is_number(strategy.get("limit", 0), whole=True):
        yield Finding(f"{where}.limit", f"{strategy['limit']!r} is no number of tries")
    if fault := _open(str(strategy.get("expression", ""))):
        yield Finding(f"{where}.expression", f"{strategy['expression']!r} cannot be read: {fault}")
    yield from _pauses(f"{where}.backoff", strategy.get("backoff", {}))


def _pauses(where: str, backoff: Document) -> Iterator[Finding]:
    if not _is_number(backoff.get("factor", 1)):
        yield Finding(f"{where}.factor", f"{backoff['factor']!r} is no number")
    for member in _DURATIONS:
        value = backoff.get(member, 0)
        try:
            _ = tags.names(value) or retries.duration(value)
        except LocalError as refusal:
            yield Finding(f"{where}.{member}", str(refusal))


def _is_number(value: Any, *, whole: bool = False) -> bool:
    """Tell whether a value is a number, or text that is one; a tag may become one."""
    if tags.names(value):
        return True
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return number == int(number) if whole else True


def _open(expression: str) -> str:
    """Return which bracket or quotation mark of an expression has no other; nothing where all have.

    Argo's language of expressions knows more than the local executor's: what is certain of any is that these match.
    """
    waiting: list[str] = []
    left = _TEXT.sub("", expression)
    for each in left:
        if each in _PAIRS.values():
            waiting.append(each)
        elif each in _PAIRS and (not waiting or waiting.pop() != _PAIRS[each]):
            return f"nothing opens {each!r}"
        elif each in "'\"":
            return f"nothing closes {each}"
    return f"nothing closes {waiting[-1]!r}" if waiting else ""


def _token(template: Document, spec: Document) -> Iterator[Finding]:
    """Find a pod without a token in which Argo's own container would have none to report by."""
    if "dag" in template or "steps" in template:
        return
    member = "automountServiceAccountToken"
    accounts = [each.get("executor", {}).get("serviceAccountName") for each in (template, spec)]
    if template.get(member, spec.get(member)) is False and not any(accounts):
        yield Finding(template["name"], f"{member} is false: Argo wants executor.serviceAccountName beside it")
