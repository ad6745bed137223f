"""Argo's own JSON schema, made strict: what Argo would drop or refuse is found before it is submitted."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

from rucio_dafab.errors import DafabError

INT_OR_STRING: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_DEFINITION: Final = "io.argoproj.workflow.v1alpha1."


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What is wrong in a document, and where: the path of the member, with dots."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.path}: {self.message}"


class SchemaUnreadable(DafabError):
    """The file of the schema is not there or is none."""


def load_strict(path: Path) -> dict[str, Any]:
    """Read Argo's schema (``api/jsonschema/schema.json`` of its repository) and return it made strict.

    Raises:
        SchemaUnreadable: if there is no such file, or it is no schema with definitions.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SchemaUnreadable(f"cannot read Argo's schema {path}: {error}") from error
    if not isinstance(read, dict) or not isinstance(read.get("definitions"), dict):
        raise SchemaUnreadable(f"{path} is no JSON schema with definitions")
    return strict(read)


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Close every object that lists its members, so that a misspelt one is found; Argo itself drops those.

    Where Kubernetes takes a number or a text the schema says text alone, which is put right.
    """
    closed = deepcopy(dict(schema))
    for definition in closed["definitions"].values():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
    closed["definitions"][INT_OR_STRING] = {"type": ["string", "integer"]}
    return closed


def check(document: Mapping[str, Any], schema: Mapping[str, Any]) -> list[Finding]:
    """Return where a document departs from a schema made by :func:`strict`.

    It is judged as the kind that it says it is: against all five kinds at once, every error would read: none fits.
    """
    kind = f"{_DEFINITION}{document.get('kind')}"
    if kind not in schema["definitions"]:
        return [Finding("kind", f"{document.get('kind')!r} is no kind of Argo's")]
    one = {"$ref": f"#/definitions/{kind}", "definitions": schema["definitions"]}
    errors = (best_match([error]) or error for error in Draft7Validator(one).iter_errors(document))
    return sorted(Finding(".".join(map(str, error.absolute_path)), error.message) for error in errors)
