"""What STAC says in the terms of DCAT 3 / GeoDCAT-AP and of PROV-O: the whole mapping, as tables.

The contexts of JSON-LD stand here in full, since nobody who reads an export should have to fetch one. What a table
cannot say (geometries, checksums, agents) is made in :mod:`rucio_dafab.stac.export_values`.
"""

from collections.abc import Mapping
from typing import Any, Final

Context = Mapping[str, Any]
"""A context of JSON-LD 1.1: prefixes, and terms with the types of their values."""


def _typed(iri: str, datatype: str) -> dict[str, str]:
    return {"@id": iri, "@type": datatype}


def _link(iri: str) -> dict[str, str]:
    return _typed(iri, "@id")


_PREFIXES: Final = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "spdx": "http://spdx.org/rdf/terms#",
    "foaf": "http://xmlns.com/foaf/0.1/",
}

_SHARED: Final[Context] = {
    "identifier": "dct:identifier",
    "version": "dcat:version",
    "name": "foaf:name",
    "homepage": _link("foaf:homepage"),
    "isPartOf": _link("dct:isPartOf"),
    "seeAlso": _link("rdfs:seeAlso"),
    "wasDerivedFrom": _link("prov:wasDerivedFrom"),
    "algorithm": _link("spdx:algorithm"),
    "checksum": "spdx:checksum",
    "checksumValue": _typed("spdx:checksumValue", "xsd:hexBinary"),
}

DCAT_CONTEXT: Final[Context] = {
    **_PREFIXES,
    "geo": "http://www.opengis.net/ont/geosparql#",
    "locn": "http://www.w3.org/ns/locn#",
    **_SHARED,
    "title": "dct:title",
    "description": "dct:description",
    "keyword": "dcat:keyword",
    "issued": _typed("dct:issued", "xsd:dateTime"),
    "created": _typed("dct:created", "xsd:dateTime"),
    "modified": _typed("dct:modified", "xsd:dateTime"),
    "citation": "dct:bibliographicCitation",
    "theme": _link("dcat:theme"),
    "license": _link("dct:license"),
    "rights": "dct:rights",
    "label": "rdfs:label",
    "landingPage": _link("dcat:landingPage"),
    "inSeries": _link("dcat:inSeries"),
    "publisher": "dct:publisher",
    "creator": "dct:creator",
    "contributor": "dct:contributor",
    "rightsHolder": "dct:rightsHolder",
    "conformsTo": _link("dct:conformsTo"),
    "spatialResolution": _typed("dcat:spatialResolutionInMeters", "xsd:decimal"),
    "spatial": "dct:spatial",
    "bbox": _typed("dcat:bbox", "geo:wktLiteral"),
    "geometry": "locn:geometry",
    "temporal": "dct:temporal",
    "startDate": _typed("dcat:startDate", "xsd:dateTime"),
    "endDate": _typed("dcat:endDate", "xsd:dateTime"),
    "distribution": "dcat:distribution",
    "accessURL": _link("dcat:accessURL"),
    "downloadURL": _link("dcat:downloadURL"),
    "mediaType": _link("dcat:mediaType"),
    "format": "dct:format",
    "byteSize": _typed("dcat:byteSize", "xsd:nonNegativeInteger"),
    "previousVersion": _link("dcat:previousVersion"),
    "isReplacedBy": _link("dct:isReplacedBy"),
    "source": _link("dct:source"),
    "page": _link("foaf:page"),
    "relation": _link("dct:relation"),
}
"""The context of an export as DCAT."""

PROV_CONTEXT: Final[Context] = {
    **_PREFIXES,
    **_SHARED,
    "label": "rdfs:label",
    "comment": "rdfs:comment",
    "memberOf": {"@reverse": "prov:hadMember", "@type": "@id"},
    "wasGeneratedBy": "prov:wasGeneratedBy",
    "wasAttributedTo": "prov:wasAttributedTo",
    "wasAssociatedWith": "prov:wasAssociatedWith",
    "wasRevisionOf": _link("prov:wasRevisionOf"),
    "used": {"@id": "prov:used"},
    "generatedAtTime": _typed("prov:generatedAtTime", "xsd:dateTime"),
    "endedAtTime": _typed("prov:endedAtTime", "xsd:dateTime"),
}
"""The context of an export as PROV-O."""

DCAT_PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "title": ("title",),
    "description": ("description",),
    "keyword": ("keywords",),
    "issued": ("published",),
    "created": ("created",),
    "modified": ("updated",),
    "version": ("version", "processing:version"),
    "citation": ("sci:citation",),
    "conformsTo": ("proj:code",),
    "spatialResolution": ("gsd",),
    "rights": ("attribution",),
}
"""Term → members of ``properties`` (of a collection itself) that say it; the first that is there counts."""

DCAT_LINKS: Final[Mapping[str, str]] = {
    "derived_from": "wasDerivedFrom",
    "predecessor-version": "previousVersion",
    "successor-version": "isReplacedBy",
    "via": "source",
    "about": "page",
    "describedby": "page",
    "license": "license",
}
"""Relation of a link → term; others, but for those that tell where a document itself stands, are ``relation``."""

PROV_LINKS: Final[Mapping[str, str]] = {"derived_from": "wasDerivedFrom", "predecessor-version": "wasRevisionOf"}
"""Relation of a link → term; others say nothing of where a thing comes from."""

DCAT_ROLES: Final[Mapping[str, str]] = {
    "producer": "creator",
    "processor": "contributor",
    "licensor": "rightsHolder",
    "host": "publisher",
}
"""Role of a provider → term."""

PUBLISHING_ROLES: Final = ("host", "licensor", "producer")
"""Who is the publisher, in the order of preference: DCAT-AP wants one, STAC has no such role."""

ATTRIBUTED_ROLES: Final = frozenset({"producer", "processor"})
"""Providers that made a thing."""

CHECKSUMS: Final[Mapping[str, tuple[str, int]]] = {
    "d50110": ("md5", 32),
    "1114": ("sha1", 40),
    "1220": ("sha256", 64),
    "1340": ("sha512", 128),
}
"""Prefix of a multihash, hexadecimal → SPDX's name of the algorithm and the digits that follow."""

SPDX_ALGORITHM: Final = "spdx:checksumAlgorithm_"
SPDX_LICENSE: Final = "https://spdx.org/licenses/"
MEDIA_TYPE: Final = "https://www.iana.org/assignments/media-types/"
CRS: Final = "http://www.opengis.net/def/crs/"
NO_LICENSE: Final = frozenset({"other", "proprietary", "various"})
"""What STAC writes where a licence has no name of SPDX: a link has it then."""
