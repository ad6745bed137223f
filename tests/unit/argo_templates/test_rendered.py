"""The committed YAML: what the code renders, what Argo's schema allows, what makes sense."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from argo_templates import lint_templates, render
from argo_templates.lint import lint
from argo_templates.local import patches
from argo_templates.local.documents import workflow_of
from argo_templates.local.expressions import WHEN, is_true
from argo_templates.local.pods import quantity
from argo_templates.local.tags import put_in
from argo_templates.schema import Finding, check, load_strict
from rucio_dafab.resources import resources
from tests.unit.argo_templates.members import named, task


@pytest.fixture(scope="module")
def schema(shared: Path) -> dict[str, Any]:
    """Return Argo's schema, strict."""
    return load_strict(shared / "argo" / "argo-workflows-4.1.schema.json")


def test_what_is_committed_is_what_the_code_renders(documents: dict[str, dict[str, Any]]) -> None:
    assert sorted(documents) == sorted(path.stem for path in render.rendered() if path.suffix == ".yaml")
    assert render.drifted() == []


def test_what_is_written_is_the_same_without_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "DUMPER", yaml.SafeDumper)
    assert render.drifted() == []


def test_drift_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(render, "FOLDER", tmp_path)
    assert render.main([]) == 0
    assert render.main(["--check"]) == 0
    (tmp_path / "left-over.yaml").touch()
    written = tmp_path / "dafab-process.yaml"
    written.write_text(written.read_text() + "\n")
    assert render.main(["--check"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [written.name, "left-over.yaml"]


@pytest.mark.shared
def test_argos_schema_allows_it(documents: dict[str, dict[str, Any]], schema: dict[str, Any]) -> None:
    assert {name: check(document, schema) for name, document in documents.items()} == {key: [] for key in documents}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("where", "wrong", "path"),
    [
        (("spec",), {"entryPoint": "x"}, "spec"),
        (("spec", "templates", 0, "script"), {"imagePullPolice": "Always"}, "spec.templates.0.script"),
        (("spec", "templates", 0, "retryStrategy"), {"limit": 1.5}, "spec.templates.0.retryStrategy.limit"),
        (("metadata",), {"labels": ["x"]}, "metadata.labels"),
    ],
)
def test_the_strict_schema_finds_what_argo_would_drop(
    library: dict[str, Any], schema: dict[str, Any], where: tuple[Any, ...], wrong: dict[str, Any], path: str
) -> None:
    place: Any = library
    for step in where:
        place = place[step]
    place |= wrong
    assert [finding.path for finding in check(library, schema)] == [path]


@pytest.mark.shared
def test_another_kind_is_refused(schema: dict[str, Any]) -> None:
    assert [finding.path for finding in check({"kind": "Pod"}, schema)] == ["kind"]


def test_nothing_is_found_by_the_linter(documents: dict[str, dict[str, Any]]) -> None:
    assert {name: lint(workflow_of(document)) for name, document in documents.items()} == {key: [] for key in documents}


class TestLinter:
    """Each fault that a schema cannot see is found, once, at its place."""

    def test_a_tag_that_resolves_to_nothing(self, library: dict[str, Any]) -> None:
        task(library, "products", "publish")["arguments"]["parameters"][1]["value"] = "{{workflow.parameters.rsse}}"
        assert lint(library) == [Finding("products.publish", "{{workflow.parameters.rsse}} resolves to nothing here")]

    def test_an_output_of_what_does_not_come_before(self, library: dict[str, Any]) -> None:
        tag = "{{tasks.stage.outputs.parameters.memo}}"
        task(library, "scene", "clean")["arguments"]["parameters"][0]["value"] = tag
        assert lint(library) == []
        task(library, "scene", "stage")["arguments"]["parameters"][0]["value"] = tag
        assert lint(library) == [Finding("scene.stage", f"{tag} resolves to nothing here")]

    def test_an_expression_that_only_argo_could_evaluate(self, library: dict[str, Any]) -> None:
        task(library, "stage", "fetch")["arguments"]["parameters"][0]["value"] = "{{=1 + 1}}"
        assert lint(library) == []
        assert [finding.path for finding in lint_templates.not_here(library["spec"])] == ["stage"]

    def test_an_input_that_is_not_supplied(self, library: dict[str, Any]) -> None:
        del task(library, "products", "publish")["arguments"]["parameters"][1]
        assert lint(library) == [Finding("products.publish", "the input rse of publish is not supplied")]

    def test_an_argument_that_nothing_takes(self, library: dict[str, Any]) -> None:
        task(library, "scene", "clean")["arguments"]["parameters"].append({"name": "force", "value": "1"})
        assert lint(library) == [Finding("scene.clean", "clean has no input force")]

    def test_a_condition_without_quotes(self, library: dict[str, Any]) -> None:
        task(library, "model", "infer-hpk")["when"] = "{{inputs.parameters.runtime}} == 'hpk'"
        assert [finding.path for finding in lint(library)] == ["model.infer-hpk"]

    def test_a_join_that_would_wait_for_what_is_left_out(self, library: dict[str, Any]) -> None:
        task(library, "products", "publish")["depends"] = "water.Succeeded && (fields.Succeeded || fields.Skipped)"
        expected = "water may be left out: join it as (water.Succeeded || water.Skipped)"
        assert lint(library) == [Finding("products.publish", expected)]

    def test_a_circle(self, library: dict[str, Any]) -> None:
        task(library, "stage", "fetch")["depends"] = "archive.Succeeded"
        assert Finding("stage.fetch", "depends on itself") in lint(library)

    def test_a_dependency_on_nothing(self, library: dict[str, Any]) -> None:
        task(library, "scene", "clean")["depends"] = "publisch.Succeeded"
        assert lint(library) == [Finding("scene.clean", "depends on publisch, which is no task here")]

    def test_a_volume_that_is_not_declared(self, library: dict[str, Any]) -> None:
        del named(library["spec"]["templates"], "archive")["volumes"][2]
        assert lint(library) == [Finding("archive", "the mounted volume dafab-store is not declared")]

    @pytest.mark.parametrize(
        ("patch", "message"),
        [
            ("containers: [", "is not YAML"),
            ("- main", "is no part of a pod"),
            (
                "containers: [{name: main, resources: {limits: {memory: '{{retries}}9Mib'}}}]",
                "'09Mib' is no quantity",
            ),
        ],
    )
    def test_a_patch_that_kubernetes_could_not_read(self, library: dict[str, Any], patch: str, message: str) -> None:
        named(library["spec"]["templates"], "archive")["podSpecPatch"] = patch
        (finding,) = lint(library)
        assert finding.path == "archive.podSpecPatch"
        assert finding.message.startswith(message)

    def test_an_entrypoint_that_cannot_be_imported(self, library: dict[str, Any]) -> None:
        named(library["spec"]["templates"], "archive")["script"]["args"][-1] = "argo_templates.steps.archive:archived"
        assert [finding.path for finding in lint(library)] == ["archive"]

    def test_an_entrypoint_with_other_fields(self, library: dict[str, Any]) -> None:
        named(library["spec"]["templates"], "archive")["script"]["args"][-1] = "argo_templates.steps.clean:clean"
        assert {finding.path for finding in lint(library)} == {"archive"}

    def test_a_default_out_of_its_enum(self, process: dict[str, Any]) -> None:
        named(process["spec"]["arguments"]["parameters"], "rse")["value"] = "MARS"
        assert lint(process) == [Finding("parameters.rse", "the default 'MARS' is not in its enum")]

    def test_an_entrypoint_of_the_workflow_that_is_no_template(self, process: dict[str, Any]) -> None:
        process["spec"]["entrypoint"] = "mian"
        assert [finding.path for finding in lint(process)] == ["spec.entrypoint"]


class TestPods:
    """What every step's pod has."""

    @pytest.fixture
    def steps(self, documents: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the templates that run in a pod."""
        every = [template for document in documents.values() for template in document["spec"].get("templates", [])]
        return [template for template in every if "script" in template]

    def test_labels_say_where_it_may_run(self, steps: list[dict[str, Any]]) -> None:
        for template in steps:
            labels = template["metadata"]["labels"]
            assert labels["dafab.eu/site"] in ("{{workflow.parameters.site}}", "{{inputs.parameters.site}}")
            through_hpk = "-hpk" in template["name"] or template["name"] == "scale"
            assert labels["dafab.eu/runtime"] == ("hpk" if through_hpk else "kubernetes")
            assert labels["dafab.eu/device"] == ("gpu" if template["name"].endswith("-gpu") else "cpu")

    def test_one_function_has_a_template_for_cores_and_for_gpus_of_each_runtime(
        self, steps: list[dict[str, Any]]
    ) -> None:
        found = {each["name"]: each for each in steps if each["name"].startswith("infer-")}
        assert set(found) == {"infer-kubernetes", "infer-hpk", "infer-kubernetes-gpu", "infer-hpk-gpu"}
        assert {each["script"]["args"][-1] for each in found.values()} == {"argo_templates.steps.infer:infer"}
        kubernetes, hpk = found["infer-kubernetes-gpu"], found["infer-hpk-gpu"]
        assert kubernetes["script"]["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert kubernetes["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
        assert [each["key"] for each in kubernetes["tolerations"]] == ["nvidia.com/gpu"]
        flags = hpk["metadata"]["annotations"]["slurm.hpk.io/flags"]
        assert flags == "--partition={{inputs.parameters.partition}} --gres=gpu:1"
        assert "nvidia.com/gpu" not in hpk["script"]["resources"]["limits"]
        assert "nodeSelector" not in hpk
        for template in (kubernetes, hpk):
            assert template["script"]["image"] == "{{workflow.parameters.gpu_image}}"
            assert {"name": "DAFAB_DEVICE", "value": "gpu"} in template["script"]["env"]

    def test_every_choice_of_runtime_and_device_runs_one_template(self, documents: dict[str, dict[str, Any]]) -> None:
        model = named(documents["dafab-steps"]["spec"]["templates"], "model")
        conditions = {each["name"]: each["when"] for each in model["dag"]["tasks"] if "when" in each}
        for runtime, device, expected in (
            ("kubernetes", "cpu", "infer-kubernetes"),
            ("local", "cpu", "infer-kubernetes"),
            ("hpk", "cpu", "infer-hpk"),
            ("kubernetes", "gpu", "infer-kubernetes-gpu"),
            ("hpk", "gpu", "infer-hpk-gpu"),
        ):
            given = {"inputs.parameters.runtime": runtime, "inputs.parameters.device": device}
            run = [name for name, when in conditions.items() if is_true(put_in(when, given), WHEN)]
            assert run == [expected]

    def test_hpk_pods_carry_what_hpk_reads(self, steps: list[dict[str, Any]]) -> None:
        hpk = named(steps, "infer-hpk")
        assert hpk["metadata"]["annotations"] == {"slurm.hpk.io/flags": "--partition={{inputs.parameters.partition}}"}
        assert hpk["tolerations"][0]["value"] == "hpk"
        assert hpk["script"]["resources"]["requests"]["cpu"].isdigit()

    def test_only_what_writes_in_rucio_sees_credentials_and_only_as_secrets(self, steps: list[dict[str, Any]]) -> None:
        seen = {
            template["name"]: [volume["secret"]["secretName"] for volume in template["volumes"] if "secret" in volume]
            for template in steps
        }
        assert seen.pop("publish") == ["rucio-client-dafab-dasi", "rucio-client-dafab-skim"]
        asking = {"finish", "choose", "gather", "verify", "outdated", "deliver", "discover", "ready", "season", "mark"}
        asking |= {"parcels", "recount", "reference"}
        assert all(seen.pop(name) == ["rucio-client-dafab-skim"] for name in asking)
        assert not any(seen.values())
        variables = [each for template in steps for each in template["script"]["env"] if "valueFrom" in each]
        assert all(each["valueFrom"]["secretKeyRef"]["optional"] for each in variables)

    def test_nothing_runs_as_root_or_writes_its_image(
        self, steps: list[dict[str, Any]], documents: dict[str, dict[str, Any]]
    ) -> None:
        for document in documents.values():
            if document["kind"] == "WorkflowTemplate":
                assert document["spec"]["securityContext"]["runAsNonRoot"] is True
        for template in steps:
            security = template["script"]["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]

    def test_what_another_try_may_mend_is_tried_again(self, steps: list[dict[str, Any]]) -> None:
        for template in steps:
            expression = " ".join(template["retryStrategy"]["expression"].split())
            assert "asInt(lastRetry.exitCode) in [75, 143]" in expression
            assert "asInt(lastRetry.exitCode) == 137 && asInt(retries) == 0" in expression
            assert template["retryStrategy"]["limit"] == "3"
            assert "maxDuration" not in template["retryStrategy"]["backoff"]

    def test_a_later_try_has_at_least_twice_the_memory(self, documents: dict[str, dict[str, Any]]) -> None:
        every = [template for document in documents.values() for template in document["spec"].get("templates", [])]
        pods = [template for template in every if "script" in template or "container" in template]
        assert len(pods) >= 26
        for template in pods:
            container = template.get("script") or template["container"]
            tries = [patches.resources(template, container, {"retries": str(number)}) for number in range(4)]
            memory = [quantity(each["limits"]["memory"]) for each in tries]
            assert memory[0] == quantity(container["resources"]["limits"]["memory"])
            assert memory[1] >= 2 * memory[0]
            assert memory == sorted(set(memory))
            assert [quantity(each["requests"]["memory"]) for each in tries] == memory
            assert {each["requests"]["cpu"] for each in tries} == {container["resources"]["requests"]["cpu"]}

    def test_users_are_told_what_to_fill_in(self, documents: dict[str, dict[str, Any]]) -> None:
        for document in documents.values():
            assert set(document["metadata"]["annotations"]) == {
                "workflows.argoproj.io/title",
                "workflows.argoproj.io/description",
            }

    def test_every_workflow_is_recorded_however_it_ends(self, documents: dict[str, dict[str, Any]]) -> None:
        for name, document in documents.items():
            # What scales runs every few minutes: Argo keeps what there is to know of it.
            if document["kind"] == "WorkflowTemplate" and name != "dafab-scale":
                hook = document["spec"]["hooks"]["exit"]
                assert hook["templateRef"] == {"name": "dafab-steps", "template": "finish", "clusterScope": True}
                assert {"name": "template", "value": name} in hook["arguments"]["parameters"]

    def test_what_a_clock_submits_is_a_template_of_ours_with_all_that_it_needs(
        self, documents: dict[str, dict[str, Any]]
    ) -> None:
        crons = {name: each["spec"] for name, each in documents.items() if each["kind"] == "CronWorkflow"}
        assert {"dafab-retention-cron", "dafab-integrity-cron", "dafab-update-cron", "dafab-window-cron"} <= set(crons)
        for name, spec in crons.items():
            template = documents[spec["workflowSpec"]["workflowTemplateRef"]["name"]]
            needed = {each["name"] for each in template["spec"]["arguments"]["parameters"] if "value" not in each}
            given = {each["name"] for each in spec["workflowSpec"].get("arguments", {}).get("parameters", [])}
            assert needed == given, name
            assert spec["concurrencyPolicy"] == "Forbid"

    def test_a_container_of_a_user_sees_its_batch_and_no_credentials(
        self, documents: dict[str, dict[str, Any]]
    ) -> None:
        found = [each for each in documents["dafab-apply"]["spec"]["templates"] if "container" in each]
        assert len(found) == 2
        for template in found:
            mounts = {each["name"]: each for each in template["container"]["volumeMounts"]}
            assert set(mounts) == {"dafab-work", "tmp"}
            assert mounts["dafab-work"]["subPath"] == "{{workflow.name}}/batches/{{inputs.parameters.batch}}"
            assert template["automountServiceAccountToken"] is False
            # Argo refuses a template without a token whose own container has no account to report by.
            assert template["executor"] == {"serviceAccountName": "dafab-workflow"}
            assert template["container"]["securityContext"]["readOnlyRootFilesystem"] is True

    def test_what_computes_through_hpk_is_bounded_by_the_limit_of_its_device(
        self, documents: dict[str, dict[str, Any]]
    ) -> None:
        every = [each for document in documents.values() for each in document["spec"].get("templates", [])]
        bounded = {
            each["name"]: reference["configMapKeyRef"]["key"]
            for each in every
            for reference in each.get("synchronization", {}).get("semaphores", [])
        }
        through_hpk = {name: key for name, key in bounded.items() if key.startswith("hpk-")}
        assert through_hpk == {"infer-hpk": "hpk-cpu", "apply-hpk": "hpk-cpu", "infer-hpk-gpu": "hpk-gpu"}

    def test_the_step_that_scales_is_a_short_job_of_its_own_account_without_credentials(
        self, documents: dict[str, dict[str, Any]]
    ) -> None:
        spec = documents["dafab-scale"]["spec"]
        template = named(spec["templates"], "scale")
        assert spec["serviceAccountName"] == "dafab-scale"
        assert "hooks" not in spec
        assert "synchronization" not in template
        flags = "--partition={{inputs.parameters.partition}} --time=00:05:00"
        assert template["metadata"]["annotations"] == {"slurm.hpk.io/flags": flags}
        mounts = {each["name"]: each for each in template["script"]["volumeMounts"]}
        assert set(mounts) == {"tmp", "dafab-scale", "dafab-slurm", "dafab-munge"}
        variables = {each["name"]: each["value"] for each in template["script"]["env"]}
        assert "DAFAB_RUN" not in variables
        image = (resources() / "deployment" / "containers" / "worker.Containerfile").read_text()
        assert f"ENV PATH={variables['PATH'].removesuffix(':/opt/slurm/bin')} " in image
