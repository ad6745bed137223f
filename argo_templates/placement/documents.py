"""Files of YAML read into values, with one line for each fault: sites, figures, scenarios."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from argo_templates.local import yaml_text
from argo_templates.local.errors import LocalError
from argo_templates.placement.errors import SiteFault

Value = TypeVar("Value")


def read_yaml(path: Path) -> Any:
    """Return what a file of YAML holds.

    Raises:
        SiteFault: if it cannot be read or is not YAML.
    """
    try:
        documents = yaml_text.read_file(path)
    except LocalError as refusal:
        raise SiteFault(str(refusal)) from refusal
    if len(documents) > 1:
        raise SiteFault(f"{path} is not YAML of one document: it holds {len(documents)}")
    return documents[0] if documents else None


def value_of(kind: type[Value], content: Any, where: str) -> Value:
    """Return the content as a value.

    Raises:
        SiteFault: a line for each member that is wrong, missing or unknown; ``where`` begins each.
    """
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        raise SiteFault("\n".join(_lines(error, where))) from error


def load(kind: type[Value], path: Path, faults: Callable[[Value], Iterable[str]]) -> Value:
    """Return what a file says as a value, whose members agree with one another.

    Args:
        kind: of value.
        path: of a file of YAML.
        faults: yields what is wrong among the members of a value, a line each without the file's name.

    Raises:
        SiteFault: a line for each fault, which begins with the name of the file.
    """
    found = value_of(kind, read_yaml(path), path.name)
    refuse([f"{path.name}: {fault}" for fault in faults(found)])
    return found


def refuse(faults: Sequence[str]) -> None:
    """Raise what was found wrong, if anything was.

    Raises:
        SiteFault: a line for each fault.
    """
    if faults:
        raise SiteFault("\n".join(faults))


def _lines(error: ValidationError, where: str) -> list[str]:
    return [_line(where, ".".join(map(str, each["loc"])), each["type"], each) for each in error.errors()]


def _line(where: str, place: str, kind: str, fault: Any) -> str:
    begin = f"{where}: {place}" if place else where
    if kind == "missing":
        return f"{begin} is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{begin} is no member of it"
    shown = repr(fault["input"])
    return f"{begin}: {fault['msg']} (it is {shown if len(shown) <= 60 else shown[:57] + '…'})"
