"""What runs, but not as meant: rules of HPK, and images that may change under a workflow."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from argo_templates.schema import Finding

FLAGS: Final = "slurm.hpk.io/flags"
_FLAG: Final = re.compile(r"--[a-z][a-z-]*(=[^\s]+)?")
_TAG: Final = re.compile(r"\{\{.*?\}\}")
_PROVIDER: Final = "virtual-kubelet.io/provider"
_IGNORED: Final = ("affinity", "nodeSelector")
"""Members of a pod that HPK leaves out without a word."""


def warnings(document: Mapping[str, Any]) -> list[Finding]:
    """Return what a workflow's templates do that HPK ignores or cannot, and images without a digest."""
    spec = document["spec"]
    images = {each["name"]: str(each.get("value", "")) for each in spec.get("arguments", {}).get("parameters", [])}
    found: list[Finding] = []
    for template in spec.get("templates", []):
        container = template.get("script") or template.get("container")
        if container:
            found += _image(template["name"], container.get("image", ""), images)
            found += _hpk(template, container, spec)
    return sorted(found)


def _image(name: str, image: str, parameters: Mapping[str, str]) -> Iterator[Finding]:
    parameter = re.fullmatch(r"\{\{workflow\.parameters\.([^}]+)\}\}", image)
    named = parameters.get(parameter[1], "") if parameter else image
    if "@sha256:" not in named:
        yield Finding(name, f"the image {named or image!r} has no digest: what runs may change under its tag")


def _hpk(template: Mapping[str, Any], container: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[Finding]:
    name, annotations = template["name"], template.get("metadata", {}).get("annotations", {})
    tolerations = [*template.get("tolerations", []), *spec.get("tolerations", [])]
    tolerated = any(each.get("key") == _PROVIDER for each in tolerations)
    if FLAGS not in annotations:
        return
    if not tolerated:
        yield Finding(name, f"HPK's nodes are tainted: without a toleration of {_PROVIDER} it is never placed there")
    for flag in _TAG.sub("x", annotations[FLAGS]).split(" "):
        if not _FLAG.fullmatch(flag):
            yield Finding(name, f"{FLAGS}: {flag!r} is no --key=value between single spaces")
    yield from _hpk_container(name, container)
    for member in _IGNORED:
        if member in template or member in spec:
            yield Finding(name, f"HPK ignores {member}")


def _hpk_container(name: str, container: Mapping[str, Any]) -> Iterator[Finding]:
    requests = container.get("resources", {})
    for each in {**requests.get("limits", {}), **requests.get("requests", {})}:
        if each.startswith("nvidia.com/"):
            yield Finding(name, f"HPK knows no {each}: ask by --gres in {FLAGS}")
    cpu = str(requests.get("requests", {}).get("cpu", "1"))
    if not cpu.isdigit() and not _TAG.fullmatch(cpu):
        yield Finding(name, f"HPK takes whole cores, not {cpu}")
    if "workingDir" in container:
        yield Finding(name, "HPK ignores workingDir")
    names = {each["name"] for each in container.get("env", [])}
    if not {"HOME", "USER"} <= names:
        yield Finding(name, "on HPK's nodes HOME and USER may be absent: set both")
