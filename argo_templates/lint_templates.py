"""What Argo refuses in a single template whatever calls it: an executor without a token."""

from collections.abc import Iterator, Mapping
from typing import Any

from argo_templates.schema import Finding

Document = Mapping[str, Any]


def check(spec: Document) -> Iterator[Finding]:
    """Find what is wrong in the templates of a workflow, each looked at alone."""
    for template in spec.get("templates", []):
        yield from _token(template, spec)


def _token(template: Document, spec: Document) -> Iterator[Finding]:
    """Find a pod without a token in which Argo's own container would have none to report by."""
    if "dag" in template or "steps" in template:
        return
    member = "automountServiceAccountToken"
    accounts = [each.get("executor", {}).get("serviceAccountName") for each in (template, spec)]
    if template.get(member, spec.get(member)) is False and not any(accounts):
        yield Finding(template["name"], f"{member} is false: Argo wants executor.serviceAccountName beside it")
