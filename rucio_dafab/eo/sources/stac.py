"""STAC APIs asked with pystac-client, and their items as what was found."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson
from pystac_client import ItemSearch
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from typing_extensions import override

from rucio_dafab.eo.readers.stac_folder import asset_band
from rucio_dafab.eo.sources.checksums import Checksum, multihash
from rucio_dafab.eo.sources.errors import SourceError
from rucio_dafab.eo.sources.providers import Provider
from rucio_dafab.eo.sources.values import Found, Question, RemoteFile
from rucio_dafab.eo.sources.web import Web, plain

_PAGE = 100
_MOST_LOOKED_AT = 10_000


class _Io(StacApiIO):
    """pystac-client's requests, made our way: the same pauses and refusals as everything else."""

    def __init__(self, web: Web) -> None:
        super().__init__(max_retries=None)
        self._web = web

    @override
    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Return what an address answers."""
        if (method or "GET").upper() == "POST":
            return self._web.text(href, method="POST", body=parameters)
        return self._web.text(href, params=parameters)


def search(provider: Provider, question: Question, web: Web) -> Iterator[Found]:
    """Yield the products of a STAC API that answer a question, the newest first where the API can sort.

    Clouds and tiles are asked of APIs that can tell and tested here again, so that any API answers alike.

    Raises:
        SourceBusy: if the API is busy or away.
        SourceError: if it is no STAC API, or refuses.
    """
    landing = _landing(provider, web)
    href, method = _search_link(provider, landing)
    asked = ItemSearch(href, method=method, stac_io=_Io(web), **_parameters(provider, question, landing))
    given = 0
    try:
        for looked_at, item in enumerate(asked.items_as_dicts()):
            if looked_at >= max(_MOST_LOOKED_AT, question.limit):
                raise SourceError(
                    f"{provider.name} cannot tell clouds or tiles itself: ask for less, a place or a time"
                )
            found = from_item(item, provider.name)
            if answers(found, question):
                yield found
                given += 1
            if given >= question.limit:
                return
    except (APIError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise SourceError(f"{plain(href)} does not answer as a STAC API: {error}") from error


def read_item(url: str, provider: str, web: Web) -> Found:
    """Return the product of the STAC item at an address.

    Raises:
        SourceBusy: if the server is busy or away.
        SourceError: if there is none.
    """
    item = web.json(url)
    if not isinstance(item, dict) or item.get("type") != "Feature":
        raise SourceError(f"{plain(url)} is no STAC item")
    return from_item(item, provider, url)


def _landing(provider: Provider, web: Web) -> dict[str, Any]:
    landing = web.json(provider.url if provider.url.endswith("/") else f"{provider.url}/")
    if not isinstance(landing, dict) or not isinstance(landing.get("links"), list):
        raise SourceError(f"{provider.url} is no STAC API")
    return landing


def _search_link(provider: Provider, landing: Mapping[str, Any]) -> tuple[str, str]:
    links = [link for link in landing["links"] if isinstance(link, dict) and link.get("rel") == "search"]
    methods = {str(link.get("method") or "GET").upper(): str(link.get("href", "")) for link in links}
    for method in ("POST", "GET"):
        if methods.get(method):
            return urljoin(f"{provider.url}/", methods[method]), method
    raise SourceError(f"{provider.url} is no STAC API that can be searched: it has no link to a search")


def _parameters(provider: Provider, question: Question, landing: Mapping[str, Any]) -> dict[str, Any]:
    """Return the question in the words of ``ItemSearch``."""
    conforms = [text for text in landing.get("conformsTo") or () if isinstance(text, str)]
    tests: dict[str, dict[str, Any]] = {}
    if question.cloud_cover is not None:
        tests["eo:cloud_cover"] = {"lte": question.cloud_cover}
    if question.tile:
        tests[provider.tile_property] = {"eq": f"{provider.tile_prefix}{question.tile}"}
    parameters: dict[str, Any] = {"limit": min(question.limit, _PAGE)}
    if tests and any(text.endswith("item-search#query") for text in conforms):
        parameters["query"] = tests
    elif tests and any(text.endswith("item-search#filter") for text in conforms):
        parameters |= {"filter": _cql2(tests), "filter_lang": "cql2-json"}
    if any(text.endswith("item-search#sort") for text in conforms):
        parameters["sortby"] = [{"field": "properties.datetime", "direction": "desc"}]
    if question.collection:
        parameters["collections"] = [provider.collection(question.collection).name]
    if question.identifier:
        parameters["ids"] = [question.identifier.removesuffix(".SAFE")]
    if question.geometry is not None:
        parameters["intersects"] = dict(question.geometry)
    if question.start or question.end:
        parameters["datetime"] = "/".join(_stamp(time) for time in (question.start, question.end))
    return parameters


def _cql2(tests: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    names = {"lte": "<=", "eq": "="}
    clauses = [
        {"op": names[name], "args": [{"property": key}, value]}
        for key, test in tests.items()
        for name, value in test.items()
    ]
    return clauses[0] if len(clauses) == 1 else {"op": "and", "args": clauses}


def _stamp(time: datetime | None) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if time else ".."


def answers(found: Found, question: Question) -> bool:
    """Tell whether a product has the clouds and the tile that are asked for; what is not known is no answer."""
    clouds, most = found.cloud_cover, question.cloud_cover
    if most is not None and (clouds is None or clouds > most):
        return False
    return not question.tile or found.tile == question.tile


def from_item(item: Mapping[str, Any], provider: str, url: str = "") -> Found:
    """Return what a STAC item says of a product.

    Raises:
        SourceError: if it lacks an id, a time or assets, or one of them is of the wrong kind.
    """
    identifier, properties, assets = item.get("id"), item.get("properties"), item.get("assets")
    if not isinstance(identifier, str) or not isinstance(properties, dict) or not isinstance(assets, dict):
        raise SourceError(f"{plain(url) or provider}: an item without id, properties or assets is no STAC item")
    where = f"{provider}: item {identifier}"
    start, end = (_time(properties, name, where) for name in ("start_datetime", "end_datetime"))
    clouds = properties.get("eo:cloud_cover")
    geometry = item.get("geometry")
    base = url or _self(item)
    return Found(
        provider=provider,
        id=identifier,
        collection=str(item.get("collection") or ""),
        kind=str(properties.get("product:type") or properties.get("s2:product_type")
                 or properties.get("sar:product_type") or ""),
        geometry=geometry if isinstance(geometry, dict) else None,
        start=start,
        end=end,
        cloud_cover=float(clouds) if isinstance(clouds, int | float) and 0 <= clouds <= 100 else None,
        tile=_tile(properties),
        online=properties.get("order:status") not in ("orderable", "ordered", "pending", "shipping"),
        size=None,
        files=tuple(_file(key, asset, base, where) for key, asset in assets.items() if isinstance(asset, dict)),
        item=item,
    )  # fmt: skip


def _self(item: Mapping[str, Any]) -> str:
    links = item.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "self":
            return str(link.get("href", ""))
    return ""


def _time(properties: Mapping[str, Any], name: str, where: str) -> datetime:
    text = properties.get(name) or properties.get("datetime") or properties.get("start_datetime")
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise SourceError(f"{where}: {text!r} is no time") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _tile(properties: Mapping[str, Any]) -> str | None:
    text = properties.get("grid:code") or properties.get("s2:mgrs_tile")
    return text.removeprefix("MGRS-") if isinstance(text, str) and text else None


def _file(key: str, asset: Mapping[str, Any], base: str, where: str) -> RemoteFile:
    size, gsd = asset.get("file:size"), asset.get("gsd")
    hrefs = [asset.get("href"), *(other.get("href") for other in _alternates(asset))]
    return RemoteFile(
        key=key,
        band=asset_band(key, dict(asset)),
        urls=tuple(dict.fromkeys(urljoin(base, href) for href in hrefs if isinstance(href, str) and href)),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        checksums=_checksums(key, asset, where),
        resolution=float(gsd) if isinstance(gsd, int | float) and 0 < gsd < 1e6 else None,
    )


def _alternates(asset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    others = asset.get("alternate")
    return [other for other in others.values() if isinstance(other, dict)] if isinstance(others, dict) else []


def _checksums(key: str, asset: Mapping[str, Any], where: str) -> tuple[Checksum, ...]:
    text = asset.get("file:checksum")
    if not isinstance(text, str) or not text:
        return ()
    try:
        found = multihash(text)
    except SourceError as error:
        raise SourceError(f"{where}: asset {key}: {error}") from error
    return (found,) if found else ()


def file_suffix(url: str) -> str:
    """Return the suffix of the file at an address, with its dot, in lower case; empty where there is none."""
    name = urlsplit(url).path.rstrip("/").removesuffix("/$value").rstrip("/").rpartition("/")[2]
    name = name.removeprefix("Nodes(").removesuffix(")")
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def as_bytes(item: Mapping[str, Any]) -> bytes:
    """Return an item as JSON."""
    return orjson.dumps(item, option=orjson.OPT_INDENT_2)
