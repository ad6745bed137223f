"""Products as the published client of the live catalogue takes them: its own validation finds nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from rucio_dafab.eo.simulate import Options, simulate, write_safe
from tests.integration.live_client import errors_of, make_environment
from tests.integration.scenes import check_whole, of_scene, run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
SEED = 8213
LIVE = "https://dafab.cern.ch/stac"


@pytest.fixture(scope="module")
def client_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("live") / "environment")


@pytest.fixture(scope="module")
def items(site: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what was published of a scene that comes with a reference, a land cover and a classification.

    Its links begin as they would at the live catalogue's address (``DAFAB_ROOT_URL``): the client expects that one.
    """
    safe = write_safe(simulate(SEED, Options(size=256, clouds=0.1)), tmp_path_factory.mktemp("scene"))
    run(site, safe)
    published = of_scene(site, safe.stem)
    check_whole(site, published)
    documents = [json.loads(json.dumps(found.document).replace(site.url, LIVE)) for found in published.values()]
    return {document["collection"]: document for document in documents}


@pytest.mark.parametrize("collection", ["water_analysis", "smart_agriculture"])
def test_the_published_client_accepts_a_product(
    items: dict[str, Any], client_python: Path, tmp_path: Path, collection: str
) -> None:
    assert errors_of(client_python, items[collection], tmp_path) == []


def test_the_published_client_would_say_what_is_wrong(
    items: dict[str, Any], client_python: Path, tmp_path: Path
) -> None:
    spoilt = items["smart_agriculture"] | {"assets": {"extra": {"href": "x"}}}
    assert any("'extra' was unexpected" in each for each in errors_of(client_python, spoilt, tmp_path))
