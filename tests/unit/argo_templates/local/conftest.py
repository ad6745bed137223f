"""Small workflows, run for good: real processes, a real folder of a run."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates.local import documents, runs
from argo_templates.local.nodes import Node
from argo_templates.local.state import Run, Status
from rucio_dafab.site.home import Home

SHELL = """
  - name: sh
    inputs: {parameters: [{name: text, default: "true"}]}
    container: {image: none, command: [sh, -c], args: ["{{inputs.parameters.text}}"]}
"""
"""A template that runs a line of shell."""


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    run: Run
    status: Status

    def __getitem__(self, path: str) -> Node:
        """Return a step."""
        node = self.run.node(path)
        assert node is not None, f"{path} never began: {self.phases()}"
        return node

    def phases(self) -> dict[str, str]:
        """Return the phases of all steps by their paths below the entry point."""
        return {node.path.removeprefix("main."): node.phase for node in self.run.nodes() if node.path != "main"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home without a site."""
    monkeypatch.setenv("DAFAB_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@pytest.fixture
def prepared(home: Home, tmp_path: Path) -> Callable[..., Run]:
    """Return a function that prepares the run of a workflow written as YAML."""

    def prepare(text: str, **options: Any) -> Run:
        parameters = options.pop("parameters", {})
        path = tmp_path / "workflow.yaml"
        path.write_text(_whole(text, tmp_path))
        return runs.prepare(home, documents.find(str(path)), parameters, **options)

    return prepare


@pytest.fixture
def ran(prepared: Callable[..., Run], home: Home) -> Callable[..., Done]:
    """Return a function that runs a workflow written as YAML to its end."""

    def run(text: str, **options: Any) -> Done:
        made = prepared(text, **options)
        return Done(made, runs.execute(home, made))

    return run


def _whole(text: str, folder: Path) -> str:
    """Return a document around the members of ``spec``; its templates are joined by ``sh``.

    Every pod sees the test's folder as ``/outside``: what is below ``/tmp`` is a pod's own.
    """
    spec = yaml.safe_load(textwrap.dedent(text))
    spec = {"entrypoint": "main"} | spec
    spec["templates"] = [*spec["templates"], *yaml.safe_load(SHELL)]
    for container in filter(None, (each.get("script") or each.get("container") for each in spec["templates"])):
        mounts = container.get("volumeMounts", [])
        container["volumeMounts"] = [*mounts, {"name": "outside", "mountPath": "/outside"}]
    outside = {"name": "outside", "hostPath": {"path": str(folder)}}
    spec["volumes"] = [*spec.get("volumes", []), outside]
    document = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "test"}, "spec": spec}
    return yaml.safe_dump(document)
