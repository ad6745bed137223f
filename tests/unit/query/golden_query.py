"""The golden query: scenes whose field product has agricultural coverage > 40 % and whose cloud cover is < 5 %.

The product is found below its scene, where it was published with that as its parent, or by the link that its document
carries. ``docs/query.md`` shows the latter in every language.
"""

from typing import Any

from tests.unit.query.questions import CLOUD, call, footprint, logical, prop, test_of

LANGUAGES = ("rucio", "cql2-text", "cql2-json", "dafab-json")
"""In the order in which each question is written here."""

BY_ATTACHMENT = (
    "collection=sentinel_2_l2a,cloud_cover<5,collection.descendant=smart_agriculture,agricultural_coverage.descendant>40",
    "collection = 'sentinel_2_l2a' AND cloud_cover < 5"
    " AND related('descendant', collection = 'smart_agriculture' AND agricultural_coverage > 40)",
)
BY_LINK = (
    "collection=sentinel_2_l2a,cloud_cover<5,"
    "collection.linked_by:derived_from=smart_agriculture,agricultural_coverage.linked_by:derived_from>40",
    "collection = 'sentinel_2_l2a' AND cloud_cover < 5"
    " AND related('linked_by', 'derived_from', collection = 'smart_agriculture' AND agricultural_coverage > 40)",
)


def _cql2_json(*relation: str) -> dict[str, Any]:
    product = call(
        "and",
        call("=", prop("collection"), "smart_agriculture"),
        call(">", prop("agricultural_coverage"), 40),
    )
    return call(
        "and",
        call("=", prop("collection"), "sentinel_2_l2a"),
        call("<", CLOUD, 5),
        call("related", *relation, product),
    )


def _dafab_json(related: str) -> dict[str, Any]:
    coverage = ["properties", "dafab:smart-agriculture", "field_percentage"]
    return logical(
        "and",
        {"type": "comparison", "path": ["collection"], "comparator": "equals", "value": "sentinel_2_l2a"},
        test_of("eo:cloud_cover", "lessThan", value=5),
        logical(
            "and",
            {"type": "comparison", "path": ["collection"], "comparator": "equals", "value": "smart_agriculture"},
            {"type": "comparison", "path": coverage, "comparator": "greaterThan", "value": 40},
            related=related,
        ),
    )


GOLDEN: dict[str, tuple[Any, Any, Any, Any]] = {
    "descendant": (*BY_ATTACHMENT, _cql2_json("descendant"), _dafab_json("descendant")),
    "linked_by": (*BY_LINK, _cql2_json("linked_by", "derived_from"), _dafab_json("linked_by:derived_from")),
}
"""By relation: the question in each of the languages, in their order."""


def over_a_place(platform: str, place: str) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """Return "products derived from images of a platform over a place" in each of the languages."""
    image = call("and", call("=", prop("platform"), platform), call("s_intersects", prop("geometry"), f"@{place}"))
    return (
        f"platform.along:derivedFrom={platform},geom.along:derivedFrom.intersects=@{place}",
        f"related('along', 'derivedFrom', platform = '{platform}' AND S_INTERSECTS(geometry, '@{place}'))",
        call("related", "along", "derivedFrom", image),
        logical(
            "and",
            test_of("platform", "equals", value=platform),
            footprint("intersects", f"@{place}"),
            related="along:derivedFrom",
        ),
    )


MEKONG = over_a_place("sentinel-2a", "mekong-basin")
"""As the page shows it."""
