"""What one document hands to another, as the linter looks at it."""

from typing import Any

from argo_templates.lint import lint
from argo_templates.schema import Finding
from tests.unit.argo_templates.members import named, task


class TestReferences:
    """What one document hands to another is looked at, too."""

    def test_an_input_that_the_library_wants_and_does_not_get(self, process: dict[str, Any]) -> None:
        del task(process, "main", "scene")["arguments"]["parameters"][0]
        assert lint(process) == [Finding("main.scene", "the input work of dafab-steps/scene is not supplied")]

    def test_a_template_that_the_library_lacks(self, process: dict[str, Any]) -> None:
        task(process, "main", "scene")["templateRef"]["template"] = "scenes"
        assert lint(process) == [Finding("main.scene", "there is no template 'dafab-steps/scenes'")]

    def test_a_parameter_that_the_library_takes_from_its_caller(self, process: dict[str, Any]) -> None:
        process["spec"]["arguments"]["parameters"] = [
            each for each in process["spec"]["arguments"]["parameters"] if each["name"] != "image"
        ]
        found = lint(process)
        expected = "{{workflow.parameters.image}} is no parameter of the workflow that calls it"
        assert Finding("dafab-steps/archive", expected) in found
        assert {finding.message for finding in found} == {expected}

    def test_the_hook_is_looked_at_like_a_task(self, process: dict[str, Any]) -> None:
        del process["spec"]["hooks"]["exit"]["arguments"]["parameters"][1]
        expected = "the input name of dafab-steps/finish is not supplied"
        assert lint(process) == [Finding("spec.hooks.exit", expected)]

    def test_another_document_may_be_handed_along(self, process: dict[str, Any], library: dict[str, Any]) -> None:
        named(library["spec"]["templates"], "scene")["inputs"]["parameters"].append({"name": "more"})
        assert lint(process) == []
        expected = "the input more of dafab-steps/scene is not supplied"
        assert lint(process, [library]) == [Finding("main.scene", expected)]
