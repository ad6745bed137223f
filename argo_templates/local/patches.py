"""``podSpecPatch``: what a try of a pod asks for in place of its template's resources, more memory for instance.

Argo merges the patch into the pod as it is made. Here it may change the resources of the container ``main``, which is
the one of the template; whatever else it does is refused by name before anything runs.

https://argo-workflows.readthedocs.io/en/latest/fields/#template
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from argo_templates.local import tags, yaml_text
from argo_templates.local.errors import LocalError, Unsupported

MAIN: Final = "main"
"""What Argo calls the container of a script or container template."""

MEMBER: Final = "podSpecPatch"


def check(name: str, template: Mapping[str, Any]) -> None:
    """Refuse a patch that does more than this executor does.

    Raises:
        LocalError: if it is no object of YAML.
        Unsupported: naming what it changes besides the resources of ``main``.
    """
    beyond = sorted(set(_beyond(read(name, tags.without(template.get(MEMBER, ""))))))
    if beyond:
        raise Unsupported(f"{name}: the local executor does not do {', '.join(beyond)} in {MEMBER}")


def read(name: str, patch: str) -> dict[str, Any]:
    """Return a patch; an empty one of an empty text.

    Raises:
        LocalError: if it is no object of YAML.
    """
    documents = yaml_text.read_all(patch, f"{name}: {MEMBER}")
    found = documents[0] if len(documents) == 1 else documents or {}
    if not isinstance(found, dict):
        raise LocalError(f"{name}: {MEMBER} is no part of a pod: {patch[:60]!r}")
    return found


def resources(
    template: Mapping[str, Any], container: Mapping[str, Any], scope: tags.Scope
) -> dict[str, dict[str, Any]]:
    """Return the ``requests`` and ``limits`` of a try, those of the patch before those of the container.

    Args:
        template: whose patch.
        container: of the template, without tags.
        scope: what the tags of the patch stand for; ``retries`` is the number of the try.

    Raises:
        TagError: if a tag resolves to nothing.
    """
    patch = read(template["name"], tags.put_in(template.get(MEMBER, ""), scope))
    own, patched = container.get("resources", {}), _of_main(patch)
    return {kind: {**own.get(kind, {}), **patched.get(kind, {})} for kind in ("requests", "limits")}


def _of_main(patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the resources of the container ``main``."""
    return next((each.get("resources", {}) for each in patch.get("containers", []) if each.get("name") == MAIN), {})


def _beyond(patch: Mapping[str, Any]) -> Iterator[str]:
    """Yield the members that are not resources of ``main``."""
    yield from (member for member in patch if member != "containers")
    for container in patch.get("containers", []):
        if container.get("name") != MAIN:
            yield f"containers[{container.get('name')}]"
        yield from (f"containers[{MAIN}].{member}" for member in container if member not in ("name", "resources"))
        yield from (
            f"containers[{MAIN}].resources.{kind}"
            for kind in container.get("resources", {})
            if kind not in ("requests", "limits")
        )
