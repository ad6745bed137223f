"""``GET /dafab/ontology`` and ``/dafab/ontology/{version}``: what classes mean, for machines and for people.

The IRI of the ontology leads here by a redirection that the operator of the IRI makes; nobody needs a token.
"""

from functools import lru_cache
from hashlib import sha256
from threading import Lock
from typing import Annotated, Final
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from starlette.exceptions import HTTPException
from werkzeug.http import parse_etags

from rucio_dafab import __version__
from rucio_dafab.catalogue import ontologies
from rucio_dafab.service.database import reading
from rucio_dafab.service.errors import NotHere
from rucio_dafab.service.headers import plain
from rucio_dafab.service.negotiation import HTML, OFFERED, SYNTAXES, negotiate
from rucio_dafab.service.ontology_page import page
from rucio_dafab.vocabulary import ontology as vocabulary
from rucio_dafab.vocabulary import ontology_compiled
from rucio_dafab.vocabulary.ontology import Ontology

router = APIRouter(prefix="/dafab", tags=["ontology"])
_RENDERING: Final = Lock()

Version = Annotated[str, PathParameter(pattern=r"^[^\x00-\x1f\x7f]{1,60}$")]


@router.get("/ontology", response_class=Response)
@router.head("/ontology", include_in_schema=False)
def current(request: Request) -> Response:
    """Answer with the current version of the ontology, in the representation that ``Accept`` asks for."""
    return _answer(request, vocabulary.load().beside(()))


@router.get("/ontology/{version:path}", response_class=Response)
@router.head("/ontology/{version:path}", include_in_schema=False)
def of_version(version: Version, request: Request) -> Response:
    """Answer with one version: the current, the installed, or one that was published before."""
    return _answer(request, _find(version))


def _find(version: str) -> Ontology:
    """Return a version of the installation's ontology.

    Raises:
        NotHere: if there is none.
    """
    iri = vocabulary.shipped().iri
    for known in (vocabulary.load().beside(()), vocabulary.shipped()):
        if (known.iri, known.version) == (iri, version):
            return known
    try:
        with reading() as session:
            return ontologies.version(iri, version, session=session)
    except ontologies.OntologyRefused as error:
        raise NotHere(str(error)) from error


def _answer(request: Request, made: Ontology) -> Response:
    media_type = negotiate(", ".join(request.headers.getlist("accept")))
    if media_type is None:
        there = ", ".join(OFFERED)
        raise HTTPException(406, f"the ontology is there as {there}, none of which Accept takes", {"Vary": "Accept"})
    with _RENDERING:
        body, tag = _rendered(made, media_type)
    headers = {
        "ETag": f'W/"{tag}"',
        "Vary": "Accept",
        "Cache-Control": "public, no-cache",
        "Content-Location": f"/dafab/ontology/{quote(made.version, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    if parse_etags(plain(request.headers.get("if-none-match", ""))).contains_weak(tag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


@lru_cache(maxsize=16)
def _rendered(made: Ontology, media_type: str) -> tuple[bytes, str]:
    """Return a representation and its entity tag: a weak one, since order and names of blank nodes may vary."""
    if media_type == HTML:
        body = page(made, "DaFab ontology", SYNTAXES).encode()
    else:
        # It takes a second to import.
        from rucio_dafab.vocabulary.ontology_triples import triples  # noqa: PLC0415

        body = triples(made).serialize(format=SYNTAXES[media_type], encoding="utf-8")
    source = ontology_compiled.checksum(ontology_compiled.source())
    said = [ontology_compiled.to_document(made), source, media_type, __version__]
    return body, sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
