"""What a container of a template is, and what is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import containers, podman, pods
from argo_templates.local.containers import Mount
from argo_templates.local.errors import LocalError, PodRefused

NOTHING: dict[str, dict[str, Any]] = {"requests": {}, "limits": {}}


def made(
    folders: "dict[str, Path] | None" = None,
    asked: "dict[str, dict[str, Any]] | None" = None,
    template: "dict[str, Any] | None" = None,
    **container: Any,
) -> containers.Container:
    """Return the container of a template."""
    declared = [
        {"name": "claim", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "claimed", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "settings", "configMap": {"name": "c"}},
        {"name": "rse", "persistentVolumeClaim": {"claimName": "dafab-rse"}},
    ]
    whole = {"image": "some", "command": ["x"]} | container
    return containers.of(
        {"name": "main"} | (template or {}), whole, folders or {}, declared, asked or NOTHING, Path("/run/pod")
    )


@pytest.mark.parametrize(
    ("name", "more", "read_only"),
    [
        ("claim", {}, False),
        ("claim", {"readOnly": True}, True),
        ("claimed", {}, True),
        ("secret", {}, True),
        ("settings", {}, True),
    ],
)
def test_a_mount_is_read_only_where_the_template_says_so(name: str, more: dict[str, Any], read_only: bool) -> None:
    mounts = [{"name": name, "mountPath": "/etc/here"} | more]
    assert made({"/etc/here": Path("/a")}, volumeMounts=mounts).mounts == (Mount("/etc/here", Path("/a"), read_only),)


def test_storage_elements_are_also_where_they_are_on_this_machine() -> None:
    mounts = [{"name": "rse", "mountPath": "/dafab/rse"}]
    found = made({"/dafab/rse": Path("/home/rse")}, volumeMounts=mounts).mounts
    assert found == (Mount("/dafab/rse", Path("/home/rse")), Mount("/home/rse", Path("/home/rse")))


def test_a_script_is_mounted() -> None:
    assert made(source="x").mounts == (Mount("/argo/staging", Path("/run/pod/script"), read_only=True),)


@pytest.mark.parametrize("target", ["/", "/usr/share", "/etc"])
def test_files_are_not_handed_over_in_a_folder_of_the_image(target: str) -> None:
    with pytest.raises(LocalError, match=f"^main: files are handed over in {target}, which is the image's"):
        made({target: Path("/run/pod/root")})
    assert made({"/data": Path("/a"), "/tmp": Path("/b")}).mounts == (
        Mount("/data", Path("/a")),
        Mount("/tmp", Path("/b")),
    )


def test_what_no_container_gets_is_refused_by_name() -> None:
    with pytest.raises(LocalError, match=r"^main: nvidia\.com/gpu is nothing that"):
        made(asked={"requests": {"cpu": "1"}, "limits": {"nvidia.com/gpu": "1", "memory": "2Gi"}})
    assert made(asked={"requests": {"nvidia.com/gpu": 0}, "limits": {}}).image == "some"


def test_the_policy_of_pulling() -> None:
    assert [made(**more).pull for more in ({}, {"imagePullPolicy": "Always"}, {"imagePullPolicy": "Never"})] == [
        "missing",
        "always",
        "never",
    ]
    with pytest.raises(LocalError, match="imagePullPolicy 'Sometimes' is none of Always, IfNotPresent, Never"):
        made(imagePullPolicy="Sometimes")


def test_the_label_says_the_network() -> None:
    labels = [{"metadata": {"labels": {"dafab.eu/reaches": value}}} for value in ("nothing", "catalogue", "archives")]
    assert [made(template=each).network for each in ({}, *labels)] == ["host", "none", "host", "host"]


@pytest.mark.parametrize(
    "image", ["--privileged", "-v=/:/host", "", "two words", "a\nb", "--volume=/:/host", "{{x}}", "a;b"]
)
def test_what_podman_would_not_take_for_an_image_is_refused(image: str) -> None:
    with pytest.raises(LocalError, match=r"^main: .* is no name of an image$"):
        made(image=image)


@pytest.mark.parametrize(
    "image", ["x", "localhost:5000/a/b_c:1.2-3", "a.b/c@sha256:0f", "docker://a/b", "ABC", "oci-archive:/a/b+c"]
)
def test_names_of_images(image: str) -> None:
    assert made(image=image).image == image


@pytest.mark.parametrize("name", ["*", "AWS_*", "A B", "-e", "A=B"])
def test_a_secret_stands_in_one_variable(name: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    variable = {"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}
    container = {"image": "x", "command": ["true"], "env": [variable]}
    template = {"name": "main", "container": container}
    pod = pods.make("main", template, {}, {}, tmp_path / "pod", [], {"s": str(tmp_path)}, contained=True)

    def began(_where: object) -> None:
        raise AssertionError("it began")

    with pytest.raises(PodRefused) as refusal:
        asyncio.run(podman.PodmanBackEnd().run(pod, began))
    assert str(refusal.value) == f"{name!r} is no name of a variable, and cannot hold the key of a secret"
