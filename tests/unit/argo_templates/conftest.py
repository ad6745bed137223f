"""The committed templates, and copies of them that a test may spoil."""

import copy
import os
from typing import Any

import pytest
import yaml

from argo_templates import render

REGENERATE = bool(os.environ.get("DAFAB_REGENERATE"))


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    """Return the committed templates by name; with ``DAFAB_REGENERATE=1`` they are written first."""
    if REGENERATE:
        render.main([])
    return {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in render.FOLDER.rglob("*.yaml")}


@pytest.fixture
def process(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a copy of ``dafab-process`` that a test may spoil."""
    return copy.deepcopy(documents["dafab-process"])


@pytest.fixture
def library(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a copy of the library that a test may spoil, its first template being one of a pod."""
    found = copy.deepcopy(documents["dafab-steps"])
    found["spec"]["templates"].sort(key=lambda template: "script" not in template)
    return found
