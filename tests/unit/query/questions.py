"""The same question in the languages of docs/query.md: a row of its table is a row here."""

from typing import Any

DAY = "2026-06-01T00:00:00Z", "2026-06-01T23:59:59.999999Z"
BOX = [[[11, 50], [12, 50], [12, 51], [11, 50]]]
WKT = "POLYGON((11 50,12 50,12 51,11 50))"


def prop(name: str) -> dict[str, str]:
    return {"property": name}


def call(operator: str, *arguments: Any) -> dict[str, Any]:
    return {"op": operator, "args": list(arguments)}


def test_of(name: str, comparator: str, **more: Any) -> dict[str, Any]:
    return {"type": "comparison", "path": ["properties", name], "comparator": comparator} | more


def logical(combinator: str, *filters: Any, **more: Any) -> dict[str, Any]:
    return {"type": "logical", "combinator": combinator, "filters": list(filters)} | more


def footprint(comparator: str, value: Any) -> dict[str, Any]:
    return {"type": "comparison", "path": ["geometry"], "comparator": comparator, "value": value}


test_of.__test__ = False  # type: ignore[attr-defined]  # else pytest collects it
CLOUD, TIME, PLATFORM = prop("eo:cloud_cover"), prop("datetime"), prop("platform")
ALLEN = (
    *("during", "contains", "equals", "meets", "metBy", "starts", "startedBy", "finishes", "finishedBy"),
    *("overlaps", "overlappedBy"),
)
# A row of the table: the same question in the languages of its filled cells, in the order of LANGUAGES.
ROWS: dict[str, list[tuple[Any, Any, Any, Any]]] = {
    "equal, not equal": [
        ("platform=S2A", "platform = 'S2A'", call("=", PLATFORM, "S2A"), test_of("platform", "equals", value="S2A")),
        (
            "platform!=S2A",
            "platform <> 'S2A'",
            call("<>", PLATFORM, "S2A"),
            test_of("platform", "notEquals", value="S2A"),
        ),
        (
            "datetime=2026-06-01T00:00:00Z",
            "datetime = TIMESTAMP('2026-06-01T00:00:00Z')",
            call("=", TIME, {"timestamp": DAY[0]}),
            test_of("datetime", "equal", value=DAY[0], valueType="date"),
        ),
        ("foo=S2A", "foo = 'S2A'", call("=", prop("foo"), "S2A"), test_of("foo", "equals", value="S2A")),
    ],
    "order": [
        (
            f"cloud_cover{sign}20",
            f"cloud_cover {sign} 20",
            call(sign, CLOUD, 20),
            test_of("eo:cloud_cover", name, value=20),
        )
        for sign, name in {
            "<": "lessThan",
            "<=": "lessThanOrEqual",
            ">": "greaterThan",
            ">=": "greaterThanOrEqual",
        }.items()
    ]
    + [
        (
            "datetime.lte=2026-06-30",
            "datetime <= DATE('2026-06-30')",
            call("<=", TIME, {"date": "2026-06-30"}),
            test_of("datetime", "lessThanOrEqual", value="2026-06-30", valueType="date"),
        ),
        (
            "/properties/some:date.gt=2026-01-01",
            "\"some:date\" > DATE('2026-01-01')",
            call(">", prop("some:date"), {"date": "2026-01-01"}),
            test_of("some:date", "greaterThan", value="2026-01-01", valueType="date"),
        ),
        (
            "foo<2026-01-01T10:00:00Z",
            "foo < TIMESTAMP('2026-01-01T10:00:00Z')",
            call("<", prop("foo"), {"timestamp": "2026-01-01T10:00:00Z"}),
            test_of("foo", "lessThan", value="2026-01-01T10:00:00Z", valueType="date"),
        ),
        (
            "foo.lt=b",
            "foo < 'b'",
            call("<", prop("foo"), "b"),
            test_of("foo", "lessThan", value="b"),
        ),
    ],
    "between": [
        (
            "10<=cloud_cover<=20",
            "cloud_cover BETWEEN 10 AND 20",
            call("between", CLOUD, 10, 20),
            None,
        )
    ],
    "one of several values": [
        (
            "platform.in=S2A|S2B",
            "platform IN ('S2A', 'S2B')",
            call("in", PLATFORM, ["S2A", "S2B"]),
            test_of("platform", "in", value=["S2A", "S2B"], valueType="string"),
        ),
        (
            "datetime=2026-06-01|2026-06-03",
            "datetime IN (DATE('2026-06-01'), DATE('2026-06-03'))",
            call("in", TIME, [{"date": "2026-06-01"}, {"date": "2026-06-03"}]),
            test_of("datetime", "in", value=["2026-06-01", "2026-06-03"], valueType="date"),
        ),
    ],
    "pattern": [
        (
            "platform.like=S2?_*",
            r"platform LIKE 'S2_\_%'",
            call("like", PLATFORM, r"S2_\_%"),
            test_of("platform", "like", value="S2?_*", valueType="string"),
        ),
        (
            "platform.not.like=S2%",
            "platform NOT LIKE 'S2%'",
            call("not", call("like", PLATFORM, "S2%")),
            test_of("platform", "notLike", value="S2%"),
        ),
    ],
    "a list contains any, all": [
        (
            "instruments.contains=msi|olci",
            "A_OVERLAPS(instruments, ('msi', 'olci'))",
            call("a_overlaps", prop("instruments"), ["msi", "olci"]),
            test_of("instruments", "containsAny", value=["msi", "olci"]),
        ),
        (
            "instruments.contains=msi&olci",
            "A_CONTAINS(instruments, ('msi', 'olci'))",
            call("a_contains", prop("instruments"), ["msi", "olci"]),
            test_of("instruments", "containsAll", value=["msi", "olci"]),
        ),
        (
            "instruments=msi",
            "A_CONTAINS(instrument, ('msi'))",
            call("a_contains", prop("instruments"), ["msi"]),
            test_of("instruments", "contains", value="msi"),
        ),
    ],
    "a list holds nothing else, the same": [
        (
            None,
            f"A_{name.upper()}(instruments, ('msi', 'olci'))",
            call(f"a_{name}", prop("instruments"), ["msi", "olci"]),
            None,
        )
        for name in ("containedBy", "equals")
    ],
    "absent or null": [
        ("gsd.isnull=true", "gsd IS NULL", call("isNull", prop("gsd")), test_of("gsd", "isNull")),
        (
            "gsd.isnull=false",
            "gsd IS NOT NULL",
            call("not", call("isNull", prop("gsd"))),
            test_of("gsd", "isNotNull"),
        ),
    ],
    "empty string, list or object": [
        ("foo.isempty=true", "isEmpty(foo)", call("isEmpty", prop("foo")), test_of("foo", "isEmpty")),
        (
            "foo.isempty=false",
            "NOT isEmpty(foo)",
            call("not", call("isEmpty", prop("foo"))),
            test_of("foo", "isNotEmpty"),
        ),
    ],
    "space": [
        (
            f"geom.{name}={WKT}",
            f"S_{name.upper()}(geometry, {WKT})",
            call(f"s_{name}", prop("geometry"), {"type": "Polygon", "coordinates": BOX}),
            None if name in {"contains", "equals"} else footprint(name, {"type": "Polygon", "coordinates": BOX}),
        )
        for name in ("intersects", "within", "contains", "disjoint", "crosses", "touches", "overlaps", "equals")
    ]
    + [
        (
            "geom.within=@luxembourg",
            "S_WITHIN(geom, '@luxembourg')",
            call("s_within", prop("geometry"), "@luxembourg"),
            footprint("within", "@luxembourg"),
        ),
        (
            "geom.within=11_50_12_51",
            "S_CONTAINS(BBOX(11, 50, 12, 51), geometry)",
            call("s_contains", {"bbox": [11, 50, 12, 51]}, prop("geometry")),
            None,
        ),
    ],
    "distance on the ellipsoid": [
        (
            "geom.dwithin=POINT(6.1 49.6)|5km",
            "s_dwithin(geometry, POINT(6.1 49.6), 5000)",
            call("s_dwithin", prop("geometry"), {"type": "Point", "coordinates": [6.1, 49.6]}, 5000),
            None,
        )
    ],
    "time before, after": [
        (
            f"datetime.{name}=2026-06-01",
            f"T_{name.upper()}(datetime, DATE('2026-06-01'))",
            call(f"t_{name}", TIME, {"date": "2026-06-01"}),
            None,
        )
        for name in ("before", "after")
    ],
    "time in common": [
        (
            "datetime=2026-06-01/..",
            "T_INTERSECTS(datetime, INTERVAL('2026-06-01', '..'))",
            call("t_intersects", TIME, {"interval": ["2026-06-01", ".."]}),
            None,
        ),
        (
            "datetime.intersects=2026-06-01",
            "anyinteracts(datetime, DATE('2026-06-01'))",
            call("t_intersects", TIME, {"interval": list(DAY)}),
            None,
        ),
        (
            "datetime.not.intersects=2026-06-01",
            "T_DISJOINT(datetime, DATE('2026-06-01'))",
            call("t_disjoint", TIME, {"date": "2026-06-01"}),
            None,
        ),
        (
            "foo.intersects=2026-06-01",
            "foo = DATE('2026-06-01')",
            call("=", prop("foo"), {"date": "2026-06-01"}),
            test_of("foo", "equals", value="2026-06-01", valueType="date"),
        ),
    ],
    "time within, ends included": [
        (
            "datetime.during=2026-06-01/2026-06-30",
            "datetime >= DATE('2026-06-01') AND datetime <= DATE('2026-06-30')",
            call("and", call(">=", TIME, {"date": "2026-06-01"}), call("<=", TIME, {"date": "2026-06-30"})),
            logical(
                "and",
                test_of("datetime", "greaterThanOrEqual", value="2026-06-01", valueType="date"),
                test_of("datetime", "lessThanOrEqual", value="2026-06-30", valueType="date"),
            ),
        )
    ],
    "time in Allen's other ways": [
        (
            None,
            f"T_{name.upper()}(datetime, INTERVAL('2026-06-01', '2026-06-30'))",
            call(f"t_{name}", TIME, {"interval": ["2026-06-01", "2026-06-30"]}),
            None,
        )
        for name in ALLEN
    ],
    "class or anything below it": [
        (
            "theme.isa=WaterAnomaly",
            "isA(themes, 'WaterAnomaly')",
            call("isA", prop("themes"), "Water anomaly"),
            test_of("themes", "isA", value="dafab:WaterAnomaly"),
        ),
        (
            "theme.not.isa=close:Sturm",
            "NOT isA(theme, 'close:Tempête')",
            call("not", call("isA", prop("themes"), "close:Storm")),
            logical("not", test_of("themes", "isA", value="close:dafab:Storm")),
        ),
    ],
    "field of the DID": [
        (
            "name=S2*",
            "did('name') LIKE 'S2%'",
            call("like", call("did", "name"), "S2%"),
            {"type": "comparison", "on": "did", "path": ["name"], "comparator": "like", "value": "S2*"},
        ),
        (
            "did_bytes.gt=5",
            "did('bytes') > 5",
            call(">", call("did", "bytes"), 5),
            {"type": "comparison", "on": "did", "path": ["bytes"], "comparator": "greaterThan", "value": 5},
        ),
    ],
    "a related document": [
        (
            "gsd.inherited.lt=20,cloud_cover.inherited.lt=5",
            "related('ancestor', gsd < 20 AND cloud_cover < 5)",
            call("related", "ancestor", call("and", call("<", prop("gsd"), 20), call("<", CLOUD, 5))),
            logical(
                "and",
                test_of("gsd", "lessThan", value=20),
                test_of("eo:cloud_cover", "lessThan", value=5),
                inherited=True,
            ),
        ),
        (
            "gsd.link:derived_from.lt=20",
            "related('link', 'derived_from', gsd < 20)",
            call("related", "link", "derived_from", call("<", prop("gsd"), 20)),
            test_of("gsd", "lessThan", value=20, related="link:derived_from"),
        ),
        (
            "gsd.linked_by:predecessor-version.lt=20",
            "related('linked_by', 'predecessor-version', gsd < 20)",
            call("related", "linked_by", "predecessor-version", call("<", prop("gsd"), 20)),
            test_of("gsd", "lessThan", value=20, related="linked_by:predecessor-version"),
        ),
        (
            "gsd.along:derivedFrom.lt=20,platform.along:derivedFrom=S2A",
            "related('along', 'derived from', gsd < 20 AND platform = 'S2A')",
            call(
                "related",
                "along",
                "dafab:derivedFrom",
                call("and", call("<", prop("gsd"), 20), call("=", PLATFORM, "S2A")),
            ),
            logical(
                "and",
                test_of("gsd", "lessThan", value=20),
                test_of("platform", "equals", value="S2A"),
                related="along:abgeleitet aus",
            ),
        ),
        (
            "gsd.not.along:hasDerivative.lt=20",
            "NOT related('along', 'hasDerivative', gsd < 20)",
            call("not", call("related", "along", "hasDerivative", call("<", prop("gsd"), 20))),
            logical("not", test_of("gsd", "lessThan", value=20, related="along:hasDerivative")),
        ),
        (
            "gsd.not.descendant.lt=20",
            "NOT related('descendant', gsd < 20)",
            call("not", call("related", "descendant", call("<", prop("gsd"), 20))),
            logical("not", test_of("gsd", "lessThan", value=20, related="descendant")),
        ),
    ],
    "and, or, not": [
        (
            "gsd=10,platform=S2A;gsd.not.lt=20",
            "gsd = 10 AND platform = 'S2A' OR NOT gsd < 20",
            call(
                "or",
                call("and", call("=", prop("gsd"), 10), call("=", PLATFORM, "S2A")),
                call("not", call("<", prop("gsd"), 20)),
            ),
            logical(
                "or",
                logical("and", test_of("gsd", "equals", value=10), test_of("platform", "equals", value="S2A")),
                logical("not", test_of("gsd", "lessThan", value=20)),
            ),
        )
    ],
    "everything": [("", "TRUE", True, logical("and"))],
}
