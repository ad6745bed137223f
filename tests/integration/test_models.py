"""The nets in Rucio: registered with their files, found, fetched by the stock client, and linked to by products."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from argo_templates import model_registry
from rucio_dafab.client import NotPermitted, PublishRequest
from rucio_dafab.eo.model_items import SHIPPED, ShippedModel, describe, describe_folder
from rucio_dafab.resources import resources
from rucio_dafab.stac.links import leads_to_model

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def register(site: Any, *arguments: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(site.dafab("models", "register", *arguments, "--json"))
    return told


def document(site: Any, name: str) -> dict[str, Any]:
    (found,) = site.client("user_dafab").read_documents([name])
    read: dict[str, Any] = found.document
    return read


def links(item: Mapping[str, Any], rel: str) -> list[str]:
    return [each["href"].rpartition("/")[2] for each in item["links"] if each["rel"] == rel]


def test_models_are_registered_once(site: Any) -> None:
    told = register(site)
    assert [each["model"] for each in told] == list(SHIPPED)
    before = {each["item"]: document(site, each["item"]) for each in told}
    again = register(site)
    assert {each["outcome"] for each in again} == {"unchanged"}
    assert {each["item"]: document(site, each["item"]) for each in again} == before
    assert "unchanged" in site.dafab("models", "register", "water")
    for each in told:
        described = describe(each["model"]).item
        published = before[each["item"]]
        assert published["id"] == described["id"]
        assert published["properties"] == described["properties"]
        assert published["geometry"] is None
        assert document(site, "models")["license"] == "Apache-2.0"


def test_they_are_found_by_what_they_are_and_by_no_place(site: Any) -> None:
    items = {each["model"]: each["did"] for each in register(site)}
    checksum = describe("fields").item["properties"]["dafab:model_checksum"]
    for question, expected in (
        ("collection=models", set(items)),
        ("/properties/mlm:name=water", {"water"}),
        ("/properties/mlm:tasks/0=regression,collection=models", {"fields"}),
        ("/properties/mlm:total_parameters.gte=100000,collection=models", set(items)),
        (f"/properties/dafab:model_checksum={checksum},collection=models", {"fields"}),
        ("geometry.intersects=-180_-90_180_90,collection=models", set()),
    ):
        listed = site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", question)
        assert {name for name, did in items.items() if did in listed} == expected, question


def test_the_stock_client_fetches_the_net(site: Any, tmp_path: Path) -> None:
    (told,) = register(site, "water_radar", "--rse", "CLOUD")
    site.rucio("user_dafab", "download", "--dir", str(tmp_path), f"{told['did']}_assets")
    folder = tmp_path / f"{told['item']}_assets"
    for file in describe("water_radar").files.values():
        fetched = (folder / f"{told['item']}.{file.name}").read_bytes()
        assert hashlib.sha256(fetched).hexdigest() == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_reader_may_not_register(site: Any) -> None:
    item = describe("water").item | {"id": "stranger"}
    for account in ("user_dafab", "dafab_dasi"):
        with pytest.raises(NotPermitted, match="may not publish"):
            site.client(account).publish(PublishRequest("dafab", item, {}))


def test_a_newer_version_succeeds_the_older(site: Any, tmp_path: Path) -> None:
    """Three versions of one net; the middle one comes last and is no successor of the newest."""
    client = site.client("dafab_skim")
    name = f"net-{uuid.uuid4().hex[:8]}"
    first, last, middle = (version_of(describe("water"), name, each) for each in ("0.1.0", "0.10.0", "0.2.0"))
    told = [model_registry.register(client, each, "MELUXINA") for each in (first, last, middle)]
    assert [each.outcome for each in told] == ["created"] * 3
    assert [each.predecessor for each in told] == [None, told[0].item, None]
    assert links(document(site, told[1].item), "predecessor-version") == [told[0].item]
    assert links(document(site, told[0].item), "successor-version") == [told[1].item]
    again = model_registry.register(client, first, "MELUXINA")
    assert (again.outcome, again.predecessor) == ("unchanged", None)


def version_of(model: ShippedModel, name: str, version: str) -> ShippedModel:
    """Return a net under another name and version."""
    told = {"mlm:name": name, "version": version}
    item = model.item | {"id": f"{name}-{version}", "properties": model.item["properties"] | told}
    return ShippedModel(item, model.files, model.checksums)


def test_another_card_of_the_same_net_succeeds_it(site: Any, tmp_path: Path) -> None:
    (told,) = register(site, "fields")
    changed = model_registry.register(site.client("dafab_skim"), with_another_card(tmp_path, "fields"), "MELUXINA")
    assert changed.outcome == "created"
    assert changed.predecessor is not None and changed.predecessor.startswith("fields-")
    assert links(document(site, changed.item), "predecessor-version") == [changed.predecessor]
    # What is published by this version is still there, and is what its products link to.
    assert register(site, "fields")[0] == told | {"outcome": "unchanged", "predecessor": None}


@pytest.fixture
def scene(tmp_path: Path, shared: Path) -> Path:
    """Return a copy of a real scene under an id of its own."""
    folder = tmp_path / f"linked-{uuid.uuid4().hex[:8]}"
    shutil.copytree(shared / "scenes" / "ftw_austria_a", folder)
    item = json.loads((folder / "item.json").read_text())
    (folder / "item.json").write_text(json.dumps(item | {"id": folder.name}))
    return folder


def run(site: Any, scene: Path) -> dict[str, Any]:
    ran = site.run_dafab("run", str(scene), "--json")
    assert ran.returncode == 0, ran.stderr
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


@pytest.mark.shared
def test_products_link_to_the_net_that_made_them(site: Any, scene: Path) -> None:
    report = run(site, scene)
    for model in ("water", "fields"):
        net, product = describe(model).item, document(site, report["record"][model]["item"])
        (link,) = (each for each in product["links"] if leads_to_model(each))
        assert link["href"] == next(
            each["href"] for each in document(site, net["id"])["links"] if each["rel"] == "self"
        )
        assert (link["rel"], link["mlm:name"]) == ("mlm:model", model)
        assert links(product, "derived_from") == [scene.name]
        assert product["properties"]["dafab:model_checksum"] == net["properties"]["dafab:model_checksum"]
        asked = f"id.link:mlm:model={net['id']}"
        found = site.client("user_dafab").search(filter=asked, filter_lang="rucio", did_type="container")
        assert product["id"] in {each.name for each in found}
        asked = f"/properties/mlm:name.link:mlm:model={model},collection={product['collection']}"
        assert f"dafab:{product['id']}" in site.rucio("user_dafab", "did", "list", "dafab:*", "--filter", asked)
        # The catalogue keeps the two relations apart: a model is no scene.
        asked = f"id.link:derived_from={net['id']}"
        assert list(site.client("user_dafab").search(filter=asked, filter_lang="rucio", did_type="container")) == []
    assert run(site, scene)["outcome"] == "unchanged"


@pytest.mark.shared
def test_a_product_from_before_keeps_what_it_says(site: Any, scene: Path) -> None:
    """One that an earlier version published without a link is as it was: products are never changed."""
    report = run(site, scene)
    name = report["record"]["fields"]["item"]
    kept = [each for each in document(site, name)["links"] if not leads_to_model(each)]
    site.client("dafab_skim").patch_documents([name], [{"op": "update", "path": "/links", "value": kept}])
    assert links(document(site, name), "derived_from") == [scene.name]
    assert run(site, scene)["outcome"] == "unchanged"
    assert links(document(site, name), "derived_from") == [scene.name]


def test_a_net_that_cannot_be_registered_keeps_no_product_back(site: Any, tmp_path: Path) -> None:
    """Its file cannot be stored, since other bytes are registered under that name."""
    changed, client = with_another_card(tmp_path, "water"), site.client("dafab_skim")
    name = f"{changed.item['id']}.model.onnx"
    other = tmp_path / "other"
    other.write_bytes(b"other")
    file = client.upload(other, "MELUXINA", name)
    client.add_replicas("MELUXINA", [replica(name, file)])
    found, told = model_registry.ensure(client, {changed.item["id"]: changed}, "MELUXINA")
    assert found == {}
    assert [(each.model, each.outcome) for each in told] == [("water", "failed")]
    assert "other bytes" in told[0].reason


def test_runs_beside_each_other_register_a_net_once(site: Any, tmp_path: Path) -> None:
    changed = with_another_card(tmp_path, "water_radar")
    clients = [site.client("dafab_skim") for _ in range(4)]
    with ThreadPoolExecutor(len(clients)) as pool:
        tries = [
            pool.submit(model_registry.ensure, client, {changed.item["id"]: changed}, "MELUXINA") for client in clients
        ]
        done = [each.result() for each in tries]
    assert [set(found) for found, _ in done] == [{changed.item["id"]}] * 4
    outcomes = [each.outcome for _, told in done for each in told]
    assert outcomes.count("created") == 1 and model_registry.FAILED not in outcomes
    assert document(site, changed.item["id"])["properties"] == changed.item["properties"]


def test_a_product_of_a_net_that_does_not_ship_has_no_link(site: Any) -> None:
    told = {"dafab:model": "water", "dafab:model_checksum": "1220" + "0" * 64}
    products = {"water": {"properties": told}, "theirs": {"properties": {"dafab:model": "theirs"}}}
    found, nets = model_registry.links(site.client("dafab_skim"), products, "MELUXINA")
    assert found == {}
    assert [(each.model, each.outcome) for each in nets] == [("water", "unknown"), ("theirs", "unknown")]


def with_another_card(tmp_path: Path, name: str) -> ShippedModel:
    """Return a shipped net beside whose file another card lies."""
    shutil.copytree(resources() / "models" / name, tmp_path / name)
    card = tmp_path / name / "MODEL_CARD.md"
    card.write_text(card.read_text() + f"\n{uuid.uuid4()}\n")
    return describe_folder(tmp_path / name)


def replica(name: str, file: Any) -> dict[str, Any]:
    return {"scope": "dafab", "name": name, "bytes": file.bytes, "adler32": file.adler32, "md5": file.md5}
