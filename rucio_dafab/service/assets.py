"""``GET /assets/{scope}/items/{item}/{asset}``: the stable link of an asset, wherever its replicas are."""

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, RedirectResponse
from rucio.common.types import InternalScope
from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session

from rucio_dafab.catalogue import documents
from rucio_dafab.catalogue.assets import find_asset
from rucio_dafab.pfn import local_file
from rucio_dafab.service.auth import Reader
from rucio_dafab.service.errors import NotHere
from rucio_dafab.service.extents import Extent
from rucio_dafab.stac.asset_names import every_asset

router = APIRouter(tags=["assets"])

_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.+-]+)*", re.ASCII)

Scope = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_.\-]{1,25}$")]
Name = Annotated[str, PathParameter(pattern=r"^[^\x00-\x1f\x7f]{1,250}$")]

Range = Annotated[str | None, Header(alias="Range", max_length=200)]

# A published file is data: no browser shall run it as a page of this site.
_HARMLESS: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}


@router.api_route("/assets/{scope}/items/{item}/{asset:path}", methods=["GET", "HEAD"], response_model=None)
def asset(scope: Scope, item: Name, asset: Name, issuer: Reader, request: Request, range_: Range = None) -> Response:
    """Stream the file (ranges too) when a replica lies on this machine, otherwise redirect to a replica's address."""
    with db_session(DatabaseOperationType.READ) as session:
        internal = InternalScope(scope, vo=issuer.vo)
        file = find_asset(internal, item, asset, session=session)
        stored = documents.get(internal, item, session=session)
    kind = _media_type(stored.document if stored else {}, asset)
    if local := next(filter(None, (local_file(replica.pfn) for replica in file.replicas)), None):
        return FileResponse(
            local, media_type=kind, filename=local.name, content_disposition_type="inline", headers=_HARMLESS
        )
    parts = (Extent.of(replica.rse, replica.pfn, issuer.vo) for replica in file.replicas)
    if part := next(filter(None, parts), None):
        return part.answer(request.method, range_, _HARMLESS, kind)
    for replica in file.replicas:
        if urlsplit(replica.pfn).scheme in {"http", "https"}:
            return RedirectResponse(replica.pfn)
    where = ", ".join(replica.rse for replica in file.replicas) or "no RSE"
    raise NotHere(f"the file {scope}:{file.name} cannot be read from here: Rucio knows it at {where}")


def _media_type(document: dict[str, Any], asset: str) -> str:
    declared = every_asset(document).get(asset, {}).get("type")
    known = isinstance(declared, str) and _MEDIA_TYPE.fullmatch(declared)
    return str(declared) if known else "application/octet-stream"
