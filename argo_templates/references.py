"""What a workflow refers to in other documents: a template by ``templateRef``, all by ``workflowTemplateRef``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from argo_templates.local import documents, tags
from argo_templates.schema import Finding

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Library:
    """Documents by name."""

    documents: Mapping[str, Document]

    @classmethod
    def of(cls, others: Sequence[Document]) -> Self:
        """Return the committed documents and others, which go before."""
        named = [each for each in others if isinstance(each.get("metadata"), Mapping) and "name" in each["metadata"]]
        given = {str(each["metadata"]["name"]): each for each in named}
        return cls({**_committed(), **given})

    def merged(self, spec: Document) -> Document:
        """Return a ``spec`` with what its ``workflowTemplateRef`` says below what it says itself."""
        name = spec.get("workflowTemplateRef", {}).get("name")
        return documents.merged(spec, self.documents[name]["spec"]) if name in self.documents else spec

    def template(self, reference: Document) -> Document | None:
        """Return the template of a ``templateRef``; ``None`` where its document has none of that name."""
        templates = self.documents[reference["name"]]["spec"].get("templates", [])
        return next((each for each in templates if each["name"] == reference["template"]), None)


class Templates:
    """The templates that tasks and hooks of one document name: its own, and those of others."""

    def __init__(self, library: Library, spec: Document) -> None:
        self._library = library
        self.own: dict[str, Document] = {each["name"]: each for each in spec.get("templates", [])}

    def of(self, user: Document) -> Document | None:
        """Return the template that a task or a hook names."""
        if "templateRef" not in user:
            return self.own.get(user.get("template", ""))
        return None if self.is_elsewhere(user) else self._library.template(user["templateRef"])

    def is_elsewhere(self, user: Document) -> bool:
        """Tell whether a task names a template of a document that is not here."""
        return "templateRef" in user and user["templateRef"].get("name") not in self._library.documents


def called(user: Document) -> str | None:
    """Return how a task or a hook calls its template."""
    reference = user.get("templateRef")
    return f"{reference['name']}/{reference['template']}" if reference else user.get("template")


def check(document: Document, spec: Document, library: Library) -> Iterator[Finding]:
    """Find the workflow's parameters that a referred template takes and this workflow does not have.

    Argo hands a template of another document the parameters of the workflow that calls it, not those of its document.
    """
    own = {each["name"] for each in spec.get("arguments", {}).get("parameters", [])}
    for name, template in sorted(_reached(document, spec, library).items()):
        for tag in sorted(tags.names(template)):
            parameter = tag.removeprefix("workflow.parameters.")
            if parameter not in (tag, "json") and parameter not in own:
                yield Finding(f"{name[0]}/{name[1]}", f"{{{{{tag}}}}} is no parameter of the workflow that calls it")


def _reached(document: Document, spec: Document, library: Library) -> dict[tuple[str, str], Document]:
    """Return the templates of other documents that a workflow may come to."""
    here = str(document.get("metadata", {}).get("name", ""))
    waiting = [(here, user) for template in spec.get("templates", []) for user in documents.users(template)]
    waiting += [(here, hook) for hook in spec.get("hooks", {}).values()]
    found: dict[tuple[str, str], Document] = {}
    while waiting:
        at, user = waiting.pop()
        reference = user.get("templateRef") or {"name": at, "template": user.get("template")}
        key = (str(reference["name"]), str(reference["template"]))
        if key[0] == here or key[0] not in library.documents or key in found:
            continue
        template = library.template(reference)
        if template is not None:
            found[key] = template
            waiting += [(key[0], each) for each in documents.users(template)]
    return found


def not_here(document: Document, others: Sequence[Document]) -> list[Finding]:
    """Return the references that nothing could be said of: a warning each."""
    library = Library.of(others)
    users = [
        (template["name"], user)
        for template in document["spec"].get("templates", [])
        for user in documents.users(template)
    ]
    users += [("spec.hooks", hook) for hook in document["spec"].get("hooks", {}).values()]
    names = {(place, user["templateRef"]["name"]) for place, user in users if user.get("templateRef")}
    reference = document["spec"].get("workflowTemplateRef")
    names |= {("spec", reference["name"])} if reference else set()
    return [
        Finding(place, f"{name} is not here, so that what is handed to it was not looked at")
        for place, name in sorted(names)
        if name not in library.documents
    ]


@cache
def _committed() -> dict[str, Document]:
    found = [document for path in documents.committed().values() for document in documents.read(path)]
    return {each["metadata"]["name"]: each for each in found}
