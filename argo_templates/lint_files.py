"""Files of workflows linted, ours and others': by Argo's schema where it is at hand, then for what no schema sees."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from argo_templates import references
from argo_templates.lint import lint
from argo_templates.local import documents
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
        """Return all of it in one line."""
        place = ": ".join(filter(None, (self.file, self.document, self.path)))
        return f"{place}: {'warning: ' if self.level == WARNING else ''}{' '.join(self.message.split())}"


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
    others = [document for file in files for document in _documents(file)]
    found = [finding for file in files for finding in _of_file(file, strict, others)]
    if strict is None:
        message = f"no schema of Argo (--schema, {SCHEMA}): misspelt members are not looked for"
        found.append(FileFinding("schema", "", "", message, WARNING))
    return found


def _documents(file: Path) -> list[dict[str, Any]]:
    """Return what a file holds, to which other files may refer; what is wrong with it is told of the file itself."""
    try:
        return documents.read(file)
    except LocalError:
        return []


def _of_file(
    file: Path, schema: Mapping[str, Any] | None, others: Sequence[Mapping[str, Any]]
) -> Iterator[FileFinding]:
    try:
        read = documents.read(file)
    except LocalError as refusal:
        yield FileFinding(str(file), "", "", str(refusal).removeprefix(f"{file}: "))
        return
    if not read:
        yield FileFinding(str(file), "", "", "it holds no document")
    for document in read:
        name = str(document.get("metadata", {}).get("name") or document.get("metadata", {}).get("generateName", ""))
        of_schema = [] if schema is None else check(document, schema)
        for finding in of_schema:
            yield FileFinding(str(file), name, finding.path, finding.message)
        # Where the schema is not kept, what stands where cannot be relied on.
        if not of_schema:
            yield from _meaning(file, name, document, others)


def _meaning(
    file: Path, name: str, document: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> Iterator[FileFinding]:
    try:
        workflow = documents.workflow_of(document)
        errors = lint(workflow, others)
        warned = [*warnings(workflow), *references.not_here(workflow, others)]
    except (KeyError, TypeError, AttributeError) as error:
        yield FileFinding(str(file), name, "", f"it is not built as a workflow is: {error!r}")
        return
    for finding in errors:
        yield FileFinding(str(file), name, finding.path, finding.message)
    for finding in warned:
        yield FileFinding(str(file), name, finding.path, finding.message, WARNING)


__all__ = ["ERROR", "SCHEMA", "WARNING", "FileFinding", "SchemaUnreadable", "lint_files"]
