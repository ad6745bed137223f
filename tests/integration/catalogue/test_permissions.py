"""Every account × operation of ``etc/permissions.toml``, through the calls that Rucio and our service offer."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
from rucio.common import exception

from rucio_dafab.client import NotPermitted, PublishRequest
from rucio_dafab.rights import Operation, load

pytestmark = pytest.mark.integration

ACCOUNTS = ("dafab_admin", "dafab_dasi", "dafab_skim", "user_dafab")
COLLECTIONS = ("sentinel_2_l2a", "water_analysis")
CASES = list(product(ACCOUNTS, COLLECTIONS))


def allowed(account: str, operation: Operation, collection: str) -> bool:
    return load().all_of(account, operation, [collection])


def judged(call: Callable[[], Any]) -> bool:
    """Return whether a call went through; any other error than a denial is a fault of the test."""
    try:
        call()
    except (exception.AccessDenied, NotPermitted):
        return False
    return True


@pytest.fixture(scope="module")
def clients(rucio_as: Callable[[str], Any]) -> dict[str, Any]:
    return {account: rucio_as(account) for account in ACCOUNTS}


@pytest.fixture(scope="module")
def items(site: Any, make_item: Any) -> dict[str, str]:
    """Publish an item in each collection; return their names by collection."""
    made = {collection: f"PE_{collection}" for collection in COLLECTIONS}
    for collection, name in made.items():
        site.client("dafab_admin").publish(PublishRequest("dafab", make_item(name, collection), {}))
    return made


def test_the_table_says_what_the_accounts_are_for() -> None:
    table = load()
    assert not any(table.some("user_dafab", operation) for operation in Operation)
    for operation in Operation:
        assert table.everywhere("dafab_admin", operation)
        assert table.all_of("dafab_dasi", operation, ["sentinel_2_l2a", "sentinel_1_rtc"])
        assert not table.all_of("dafab_dasi", operation, ["water_analysis"])
        assert table.all_of("dafab_skim", operation, ["water_analysis", "smart_agriculture", "events"])
        # Derived items hang below their source.
        assert table.all_of("dafab_skim", operation, ["sentinel_2_l2a"]) is (operation is Operation.LINK)


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_publish(publish: Any, make_item: Any, account: str, collection: str) -> None:
    item = make_item(f"PE_{account}_{collection}", collection)
    assert judged(lambda: publish(item, account=account)) is allowed(account, Operation.PUBLISH, collection)


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_describe(clients: Any, items: Any, account: str, collection: str) -> None:
    client, name = clients[account], items[collection]
    expected = allowed(account, Operation.DESCRIBE, collection)
    clients["dafab_admin"].set_metadata_bulk("dafab", name, {"mark": "set", "other": "set"})
    assert judged(lambda: client.set_metadata("dafab", name, "mark", "mine")) is expected
    assert judged(lambda: client.set_metadata_bulk("dafab", name, {"mark": "mine"})) is expected
    bulk = [{"scope": "dafab", "name": name, "meta": {"mark": "mine"}}]
    assert judged(lambda: client.set_dids_metadata_bulk(bulk)) is expected
    assert judged(lambda: client.delete_metadata("dafab", name, "mark")) is expected


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_patch(site: Any, items: Any, account: str, collection: str) -> None:
    client, name = site.client(account), items[collection]
    expected = allowed(account, Operation.DESCRIBE, collection)
    for mode in ("atomic", "each_operation"):
        report = patched(client, name, mode, {"op": "upsert", "path": "/properties/mark", "value": "patched"})
        assert report is expected
    whole = next(client.read_documents([name])).document
    assert patched(client, name, "atomic", {"op": "update", "path": "", "value": whole}) is expected


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_removing_a_document(site: Any, items: Any, account: str, collection: str) -> None:
    administrator, name = site.client("dafab_admin"), items[collection]
    whole = next(administrator.read_documents([name])).document
    expected = allowed(account, Operation.DELETE, collection)
    assert patched(site.client(account), name, "atomic", {"op": "delete", "path": ""}) is expected
    assert (next(administrator.read_documents([name])).document == {}) is expected
    patched(administrator, name, "best_effort", {"op": "insert", "path": "", "value": whole})


def patched(client: Any, name: str, mode: str, *operations: dict[str, Any]) -> bool:
    """Return whether a patch was allowed; any other refusal is a fault of the test."""
    try:
        report = client.patch_documents([name], operations, mode=mode)
    except NotPermitted:
        return False
    assert {failure.kind for failure in report.failures} <= {"AccessDenied", "MetadataPathAlreadyExists"}
    return "AccessDenied" not in {failure.kind for failure in report.failures}


@pytest.mark.parametrize("account", ACCOUNTS)
def test_moving_an_item_by_a_patch_needs_both_rights(site: Any, items: Any, account: str) -> None:
    administrator = site.client("dafab_admin")
    for collection, other in (COLLECTIONS, COLLECTIONS[::-1]):
        name = items[collection]
        whole = next(administrator.read_documents([name])).document
        expected = allowed(account, Operation.DESCRIBE, collection) and allowed(account, Operation.DESCRIBE, other)
        for move in (
            {"op": "update", "path": "/collection", "value": other},
            {"op": "upsert", "path": "", "value": whole | {"collection": other}},
        ):
            there_and_back = {"op": "upsert", "path": "/collection", "value": collection}
            assert patched(site.client(account), name, "atomic", move) is expected
            assert patched(site.client(account), name, "atomic", move, there_and_back) is expected
            assert patched(administrator, name, "atomic", {"op": "update", "path": "", "value": whole})


@pytest.mark.parametrize("account", ACCOUNTS)
def test_moving_an_item_into_another_collection_needs_both_rights(clients: Any, items: Any, account: str) -> None:
    for collection, other in (COLLECTIONS, COLLECTIONS[::-1]):
        name = items[collection]
        expected = allowed(account, Operation.DESCRIBE, collection) and allowed(account, Operation.DESCRIBE, other)
        for key in ("collection", "/collection"):
            move = partial(clients[account].set_metadata_bulk, "dafab", name, {key: other})
            assert judged(move) is expected
            clients["dafab_admin"].set_metadata("dafab", name, "collection", collection)


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_delete(clients: Any, items: Any, account: str, collection: str) -> None:
    expire = partial(clients[account].set_metadata, "dafab", items[collection], "lifetime", 86400)
    assert judged(expire) is allowed(account, Operation.DELETE, collection)
    clients["dafab_admin"].set_metadata("dafab", items[collection], "lifetime", None)


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_attach_and_detach(clients: Any, items: Any, account: str, collection: str) -> None:
    client, administrator = clients[account], clients["dafab_admin"]
    expected = allowed(account, Operation.ATTACH, collection)
    name = f"PE_shelf_{account}_{collection}"
    administrator.add_container("dafab", name)
    child = [{"scope": "dafab", "name": items[collection]}]
    assert judged(lambda: client.attach_dids("dafab", name, child)) is expected
    if not expected:
        administrator.attach_dids("dafab", name, child)
    assert judged(lambda: client.detach_dids("dafab", name, child)) is expected


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_nothing_is_attached_among_the_data_of_others(
    clients: Any, items: Any, publish: Any, make_item: Any, account: str, collection: str
) -> None:
    own = next((each for each in COLLECTIONS if allowed(account, Operation.ATTACH, each)), None)
    child = f"PE_{account}_below_{collection}"
    publish(make_item(child, own or collection), account="dafab_admin")
    expected = own is not None and allowed(account, Operation.LINK, collection)
    for parent in (collection, items[collection]):
        attach = partial(clients[account].attach_dids, "dafab", parent, [{"scope": "dafab", "name": child}])
        if parent == own:
            continue  # publishing has attached it there
        assert judged(attach) is expected


@pytest.mark.parametrize("account", ACCOUNTS)
def test_register(clients: Any, account: str) -> None:
    client, expected = clients[account], load().some(account, Operation.REGISTER)
    assert judged(lambda: client.add_container("dafab", f"PE_new_{account}")) is expected
    several = [{"scope": "dafab", "name": f"PE_news_{account}", "type": "CONTAINER"}]
    assert judged(lambda: client.add_dids(several)) is expected
    if expected:  # who made a DID outside of all collections may describe it
        assert judged(lambda: client.set_metadata("dafab", f"PE_new_{account}", "mark", "mine"))
    others = [
        name for name in ACCOUNTS if name not in {account, "dafab_admin"} and load().some(name, Operation.DESCRIBE)
    ]
    for other in others if expected else ():
        assert not judged(lambda other=other: clients[other].set_metadata("dafab", f"PE_new_{account}", "mark", "x"))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_new_did_may_not_smuggle_itself_into_a_collection(clients: Any, account: str) -> None:
    for collection in COLLECTIONS:
        name = f"PE_smuggled_{account}_{collection}"
        smuggle = partial(clients[account].add_did, "dafab", name, "CONTAINER", meta={"collection": collection})
        assert judged(smuggle) is allowed(account, Operation.DESCRIBE, collection)


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_a_new_did_may_not_come_with_the_data_of_others(
    clients: Any, items: Any, account: str, collection: str
) -> None:
    client, child = clients[account], [{"scope": "dafab", "name": items[collection]}]
    expected = allowed(account, Operation.ATTACH, collection)
    name = f"PE_adopted_{account}_{collection}"
    assert judged(lambda: client.add_did("dafab", name, "CONTAINER", dids=child)) is expected
    several = [{"scope": "dafab", "name": f"{name}_bulk", "type": "CONTAINER", "dids": child}]
    assert judged(lambda: client.add_dids(several)) is expected
    found = {each["name"] for each in clients["dafab_admin"].list_parent_dids("dafab", items[collection])}
    assert (name in found) is (f"{name}_bulk" in found) is expected
    assert bool(list(client.list_dids("dafab", [{"name": name}], did_type="all"))) is expected


def test_one_may_make_a_did_with_what_one_made(clients: Any) -> None:
    client = clients["dafab_skim"]
    client.add_container("dafab", "PE_mine")
    client.add_did("dafab", "PE_mine_above", "CONTAINER", dids=[{"scope": "dafab", "name": "PE_mine"}])
    both = [
        {"scope": "dafab", "name": "PE_mine_low", "type": "CONTAINER"},
        {
            "scope": "dafab",
            "name": "PE_mine_high",
            "type": "CONTAINER",
            "dids": [{"scope": "dafab", "name": "PE_mine_low"}],
        },
    ]
    client.add_dids(both)
    other = partial(clients["dafab_dasi"].add_did, "dafab", "PE_stolen", "CONTAINER")
    assert not judged(lambda: other(dids=[{"scope": "dafab", "name": "PE_mine"}]))


def test_a_scope_of_ones_own_takes_nothing_of_ours(clients: Any, items: Any) -> None:
    clients["dafab_admin"].add_scope("dafab_skim", "pe_own")
    child = [{"scope": "dafab", "name": items["sentinel_2_l2a"]}]
    add = partial(clients["dafab_skim"].add_did, "pe_own", "PE_taken", "CONTAINER")
    assert not judged(lambda: add(dids=child))
    add()
    assert not judged(lambda: clients["dafab_skim"].attach_dids("pe_own", "PE_taken", child))


def test_another_scope_does_not_say_where_our_data_belong(clients: Any, publish: Any, make_item: Any) -> None:
    publish(make_item("PE_placed", "water_analysis", assets=("mask",)), {"mask": b"mask"}, account="dafab_skim")
    administrator = clients["dafab_admin"]
    administrator.add_scope("dafab_dasi", "pe_elsewhere")
    administrator.add_container("pe_elsewhere", "PE_shelf")
    administrator.set_metadata_bulk("pe_elsewhere", "PE_shelf", {"collection": "sentinel_2_l2a"})
    administrator.attach_dids("pe_elsewhere", "PE_shelf", [{"scope": "dafab", "name": "PE_placed_assets"}])
    assert judged(lambda: clients["dafab_skim"].set_metadata("dafab", "PE_placed_assets", "mark", "mine"))
    assert not judged(lambda: clients["dafab_dasi"].set_metadata("dafab", "PE_placed_assets", "mark", "other"))


def test_publishing_takes_over_nothing(clients: Any, publish: Any, make_item: Any) -> None:
    clients["dafab_skim"].add_container("dafab", "PE_claimed")
    clients["dafab_skim"].set_metadata_bulk("dafab", "PE_claimed", {"collection": "water_analysis"})
    assert not judged(lambda: publish(make_item("PE_claimed"), account="dafab_dasi"))
    clients["dafab_skim"].add_container("dafab", "PE_bare")
    assert not judged(lambda: publish(make_item("PE_bare"), account="dafab_dasi"))
    assert judged(lambda: publish(make_item("PE_bare", "water_analysis"), account="dafab_skim"))
    clients["dafab_skim"].add_dataset("dafab", "PE_half_assets")
    assert not judged(lambda: publish(make_item("PE_half"), account="dafab_dasi"))
    assert judged(lambda: publish(make_item("PE_claimed", "water_analysis"), account="dafab_skim"))


@pytest.mark.parametrize(("account", "collection"), CASES)
def test_publishing_below_an_item_needs_the_right_to_link(
    items: Any, publish: Any, make_item: Any, account: str, collection: str
) -> None:
    own = next((each for each in COLLECTIONS if allowed(account, Operation.PUBLISH, each)), None)
    if own is None:
        return
    item = make_item(f"PE_{account}_under_{collection}", own)
    expected = allowed(account, Operation.LINK, collection)
    assert judged(lambda: publish(item, account=account, parent=items[collection])) is expected


def test_rules_on_our_data_are_not_for_readers(clients: Any, items: Any) -> None:
    dids = [{"scope": "dafab", "name": f"{items['sentinel_2_l2a']}_assets"}]
    assert not judged(lambda: clients["user_dafab"].add_replication_rule(dids, 1, "MELUXINA"))


def test_other_scopes_stay_rucios(clients: Any) -> None:
    administrator = clients["dafab_admin"]
    administrator.add_scope("dafab_skim", "pe_skim")
    clients["dafab_skim"].add_container("pe_skim", "PE_own")
    assert not judged(lambda: clients["dafab_dasi"].add_container("pe_skim", "PE_foreign"))


@pytest.mark.parametrize("account", ACCOUNTS)
def test_setting_recursively_needs_the_right_to_all_that_is_below(
    clients: Any, publish: Any, make_item: Any, account: str
) -> None:
    scene, product = f"PE_above_{account}", f"PE_below_{account}"
    publish(make_item(scene), account="dafab_admin")
    publish(make_item(product, "water_analysis"), account="dafab_admin", parent=scene)
    expected = [allowed(account, Operation.DESCRIBE, collection) for collection in COLLECTIONS]
    client, mark = clients[account], {"mark": "recursive"}
    assert judged(lambda: client.set_metadata_bulk("dafab", scene, mark)) is expected[0]
    assert judged(lambda: client.set_metadata_bulk("dafab", scene, mark, recursive=True)) is all(expected)
    found = client.get_metadata("dafab", product, plugin="DAFAB")
    assert ("mark" in found) is all(expected)
