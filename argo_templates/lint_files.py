"""Files of workflows linted, ours and others': by Argo's schema where it is at hand, then for what no schema sees."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from argo_templates import lint_templates, references
from argo_templates.lint import lint
from argo_templates.local import documents, shapes
from argo_templates.local.errors import LocalError
from argo_templates.schema import SchemaUnreadable, check, load_strict
from argo_templates.warnings import warnings

ERROR: Final = "error"
WARNING: Final = "warning"

SCHEMA: Final = "ARGO_SCHEMA"
"""The environment variable that names Argo's JSON schema, which is not shipped with this project."""


@dataclass(frozen=True, slots=True, order=True)
class FileFinding:
    """What is wrong in a file.

    Attributes:
        file: its name.
        document: the name of the workflow in it.
        path: the member, with dots.
        message: what is wrong.
        level: ``error`` or ``warning``.
    """

    file: str
    document: str
    path: str
    message: str
    level: str = ERROR

    def __str__(self) -> str:
        """Return all of it in one line that no terminal takes for an order."""
        place = ": ".join(filter(None, (self.file, self.document, self.path)))
        line = f"{place}: {'warning: ' if self.level == WARNING else ''}{self.message}"
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in " ".join(line.split()))


def lint_files(files: Sequence[Path], schema: Path | None = None) -> list[FileFinding]:
    """Return what is wrong in files of workflows, in the order of the files.

    Args:
        files: of YAML.
        schema: Argo's JSON schema (``api/jsonschema/schema.json`` of its repository); by default that of
            ``ARGO_SCHEMA``; without one, misspelt members are not found, which is told as a warning.

    Raises:
        SchemaUnreadable: if the schema cannot be read.
    """
    named = schema or (Path(os.environ[SCHEMA]) if os.environ.get(SCHEMA) else None)
    strict = None if named is None else load_strict(named)
    read = [(file, _read(file)) for file in files]
    others = [each for _, held in read if not isinstance(held, LocalError) for each in held]
    found = [finding for file, held in read for finding in _of_file(file, held, strict, others)]
    if strict is None:
        message = f"no schema of Argo (--schema, {SCHEMA}): misspelt members are not looked for"
        found.append(FileFinding("schema", "", "", message, WARNING))
    return found


def _read(file: Path) -> list[dict[str, Any]] | LocalError:
    """Return what a file holds, to which others may refer, or what is wrong with it; once, since it may be a pipe."""
    try:
        return documents.read(file)
    except LocalError as refusal:
        return refusal


def _of_file(
    file: Path,
    held: list[dict[str, Any]] | LocalError,
    schema: Mapping[str, Any] | None,
    others: Sequence[Mapping[str, Any]],
) -> Iterator[FileFinding]:
    if isinstance(held, LocalError):
        yield FileFinding(str(file), "", "", str(held).removeprefix(f"{file}: "))
        return
    if not held:
        yield FileFinding(str(file), "", "", "it holds no document")
    for document in held:
        name = _name(document)
        of_schema = [] if schema is None else check(document, schema)
        for finding in of_schema:
            yield FileFinding(str(file), name, finding.path, finding.message)
        # Where the schema is not kept, what stands where cannot be relied on.
        if not of_schema:
            yield from _meaning(file, name, document, others)


def _name(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return ""
    return str(metadata.get("name") or metadata.get("generateName", ""))


def _meaning(
    file: Path, name: str, document: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> Iterator[FileFinding]:
    try:
        workflow = documents.workflow_of(document)
        if wrong := shapes.misbuilt(workflow):
            raise ValueError("; ".join(wrong[:3]))
        errors = lint(workflow, others)
        warned = [*warnings(workflow), *references.not_here(workflow, others)]
        warned += lint_templates.not_here(workflow["spec"])
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError) as error:
        said = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        yield FileFinding(str(file), name, "", f"it is not built as a workflow is: {said}")
        return
    for finding in errors:
        yield FileFinding(str(file), name, finding.path, finding.message)
    for finding in warned:
        yield FileFinding(str(file), name, finding.path, finding.message, WARNING)


__all__ = ["ERROR", "SCHEMA", "WARNING", "FileFinding", "SchemaUnreadable", "lint_files"]
