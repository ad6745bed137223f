"""CDSE's catalogue by OData: products found, and the addresses of the files inside them.

Source: documentation.dataspace.copernicus.eu, "OData": the entity Products, its Attributes, and Nodes, which are the
folders and files of a product.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from shapely.geometry import shape

from rucio_dafab.eo.sources.checksums import Checksum, named
from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.providers import Provider
from rucio_dafab.eo.sources.values import Found, Question
from rucio_dafab.eo.sources.web import Web, plain

_PAGE = 100


def search(provider: Provider, question: Question, web: Web) -> Iterator[Found]:
    """Yield the products that answer a question, the newest first.

    Raises:
        SourceBusy: if the catalogue is busy or away.
        SourceError: if it refuses.
    """
    page: Any = web.json(f"{provider.url}/Products", params=_parameters(provider, question))
    given, seen = 0, set[str]()
    while True:
        for product in _products(provider, page):
            yield from_product(product, provider.name)
            given += 1
            if given >= question.limit:
                return
        following = page.get("@odata.nextLink")
        if not isinstance(following, str) or following in seen or not page["value"]:
            return
        seen.add(following)
        page = web.json(following)


def _products(provider: Provider, page: Any) -> list[Mapping[str, Any]]:
    products = page.get("value") if isinstance(page, dict) else None
    if not isinstance(products, list) or not all(isinstance(product, dict) for product in products):
        raise SourceError(f"{plain(provider.url)} does not answer as OData: no list of products")
    return products


def _parameters(provider: Provider, question: Question) -> dict[str, Any]:
    return {
        "$filter": filter_text(provider, question),
        "$orderby": "ContentDate/Start desc",
        "$top": str(min(question.limit, _PAGE)),
        "$expand": "Attributes",
    }


def filter_text(provider: Provider, question: Question) -> str:
    """Return the question as an OData filter; every text in it is quoted.

    Raises:
        SourceError: if nothing is asked.
    """
    clauses = []
    if question.identifier:
        clauses.append(f"Name eq {_quoted(question.identifier.removesuffix('.SAFE') + '.SAFE')}")
    if question.collection:
        collection = provider.collection(question.collection)
        clauses.append(f"Collection/Name eq {_quoted(collection.name)}")
        if collection.product_type:
            clauses.append(_attribute("String", "productType", f"eq {_quoted(collection.product_type)}"))
    if question.geometry is not None:
        area = shape(question.geometry).wkt
        clauses.append(f"OData.CSC.Intersects(area=geography'SRID=4326;{area}')")
    if question.start:
        clauses.append(f"ContentDate/Start ge {_stamp(question.start)}")
    if question.end:
        clauses.append(f"ContentDate/Start le {_stamp(question.end)}")
    if question.cloud_cover is not None:
        clauses.append(_attribute("Double", "cloudCover", f"le {question.cloud_cover:.4f}"))
    if question.tile:
        clauses.append(_attribute("String", "tileId", f"eq {_quoted(question.tile)}"))
    if not clauses:
        raise SourceError("nothing is asked: give a collection, a place, a time or an id")
    return " and ".join(clauses)


def _attribute(kind: str, name: str, test: str) -> str:
    typed = f"OData.CSC.{kind}Attribute"
    return f"Attributes/{typed}/any(a:a/Name eq '{name}' and a/{typed}/Value {test})"


def _quoted(text: str) -> str:
    """Return a text as an OData literal (OASIS OData URL conventions: quotes are doubled)."""
    return "'" + text.replace("'", "''") + "'"


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def from_product(product: Mapping[str, Any], provider: str) -> Found:
    """Return what the catalogue says of a product.

    Raises:
        SourceError: if it lacks its name, number or time, or one of them is of the wrong kind.
    """
    name, number = product.get("Name"), product.get("Id")
    if not isinstance(name, str) or not name or not isinstance(number, str) or not number:
        raise SourceError(f"{provider}: a product without Name or Id")
    attributes = _attributes(product)
    clouds, size, geometry = attributes.get("cloudCover"), product.get("ContentLength"), product.get("GeoFootprint")
    tile = attributes.get("tileId")
    return Found(
        provider=provider,
        id=name.removesuffix(".SAFE"),
        collection=str(attributes.get("platformShortName") or ""),
        kind=str(attributes.get("productType") or ""),
        geometry=geometry if isinstance(geometry, dict) else None,
        start=_time(product, "Start", name),
        end=_time(product, "End", name),
        cloud_cover=float(clouds) if isinstance(clouds, int | float) and 0 <= clouds <= 100 else None,
        tile=tile if isinstance(tile, str) else None,
        online=product.get("Online") is True,
        size=size if isinstance(size, int) and size >= 0 else None,
        checksums=_checksums(product, name),
        number=number,
        place=str(product.get("S3Path") or ""),
    )


def _attributes(product: Mapping[str, Any]) -> dict[str, Any]:
    given = product.get("Attributes")
    pairs = [entry for entry in given if isinstance(entry, dict)] if isinstance(given, list) else []
    return {str(entry.get("Name")): entry.get("Value") for entry in pairs}


def _time(product: Mapping[str, Any], end: str, name: str) -> datetime:
    span = product.get("ContentDate")
    text = span.get(end) if isinstance(span, dict) else None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise SourceError(f"product {name}: ContentDate/{end} {text!r} is no time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _checksums(product: Mapping[str, Any], name: str) -> tuple[Checksum, ...]:
    given = product.get("Checksum")
    found = []
    for entry in given if isinstance(given, list) else ():
        try:
            checksum = named(str(entry["Algorithm"]), str(entry["Value"]))
        except (KeyError, TypeError):
            continue  # Products without a checksum have an empty entry.
        except SourceError as error:
            raise SourceError(f"product {name}: {error}") from error
        if checksum:
            found.append(checksum)
    return tuple(found)


def node_urls(provider: Provider, found: Found, path: str) -> tuple[str, ...]:
    """Return the addresses of a file inside a product: in object storage where its place is known, and by Nodes."""
    parts = (f"{found.id}.SAFE", *PurePosixPath(path).parts)
    nodes = "/".join(f"Nodes({part})" for part in parts)
    by_node = f"{provider.download_url or provider.url}/Products({found.number})/{nodes}/$value"
    place = found.place.strip("/")
    return (f"s3://{place}/{path}", by_node) if place.endswith(".SAFE") else (by_node,)
