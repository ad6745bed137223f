"""Values that a pod hands on to Kubernetes as a label, or to Slurm as a flag: what these refuse or take for more.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from argo_templates.local import tags
from argo_templates.local.errors import LocalError, ParameterError

LIBRARY: Final = "dafab-steps"
"""The library of steps: its pods have the parameters ``site`` as a label and ``partition`` as a flag."""

FLAGS: Final = "slurm.hpk.io/flags"
"""The annotation whose words HPK hands to ``sbatch``."""

_LABEL: Final = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_PARTITION: Final = re.compile(r"[A-Za-z0-9_][\w.,-]*", re.ASCII)
_HANDED_ON: Final = {
    "site": (_LABEL, "no value of a label: 63 letters, digits, - _ . at most, the first and last no sign"),
    "partition": (_PARTITION, "no partition of Slurm's: letters, digits, - _ . and commas between several"),
}
_ONE_TAG: Final = re.compile(r"\{\{[^{}]*\}\}")


def check_arguments(workflow: str, values: Mapping[str, str]) -> None:
    """Refuse a site that Kubernetes would refuse as a label, and a partition that would be more than one flag.

    Args:
        workflow: its name.
        values: of its parameters; it is one that calls the library.

    Raises:
        ParameterError: naming the parameter.
    """
    for name, (pattern, what) in _HANDED_ON.items():
        if name in values and not pattern.fullmatch(values[name]):
            raise ParameterError(f"{workflow}: {name} {values[name][:80]!r} is {what}")


def check_labels(template: str, labels: Mapping[str, Any]) -> None:
    """Refuse labels with which Kubernetes would refuse the pod.

    Raises:
        LocalError: naming the first one.
    """
    for name, value in labels.items():
        if not _LABEL.fullmatch(str(value)):
            raise LocalError(f"{template}: the label {name} {str(value)[:80]!r} is {_HANDED_ON['site'][1]}")


def flags(annotations: Mapping[str, Any], scope: tags.Scope) -> tuple[str, ...]:
    """Return what HPK would hand to ``sbatch``: the words of the annotation as it stands in the template.

    A tag within a word stays within it, whatever is put in: only a word that is a tag and nothing else may be several.
    """
    found: list[str] = []
    for word in str(annotations.get(FLAGS, "")).split():
        put_in = str(tags.put_in(word, scope))
        found += put_in.split() if _ONE_TAG.fullmatch(word) else [put_in]
    return tuple(found)
