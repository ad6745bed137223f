"""One table: what was raised → the HTTP status and the name under which Rucio's client raises it again."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from rucio.common import exception as rucio
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException

from rucio_dafab.catalogue import errors as catalogue
from rucio_dafab.errors import DafabError
from rucio_dafab.publishing import errors as publishing
from rucio_dafab.query.errors import QueryError
from rucio_dafab.service.headers import plain
from rucio_dafab.stac import errors as stac
from rucio_dafab.stac.schemas import ProfileViolated
from rucio_dafab.vocabulary.errors import VocabularyError

_LOGGER: Final = logging.getLogger(__name__)
_HEADER_LENGTH: Final = 125
"""Characters of the message that Rucio repeats in a header."""


class ServiceUnavailable(DafabError):
    """The service cannot answer now; the text says what it waits for."""


class NotHere(DafabError):
    """What the path names is not here; the text names it."""


class BodyTooLarge(DafabError):
    """The body of a request has more bytes than the service reads."""


STATUS: Final[Mapping[type[Exception], tuple[HTTPStatus, str | None]]] = {
    # Rucio's own: the class keeps its name.
    rucio.CannotAuthenticate: (HTTPStatus.UNAUTHORIZED, None),
    rucio.AccessDenied: (HTTPStatus.FORBIDDEN, None),
    rucio.DataIdentifierNotFound: (HTTPStatus.NOT_FOUND, None),
    rucio.ScopeNotFound: (HTTPStatus.NOT_FOUND, None),
    rucio.RSENotFound: (HTTPStatus.NOT_FOUND, None),
    rucio.ReplicaNotFound: (HTTPStatus.NOT_FOUND, None),
    rucio.AccountNotFound: (HTTPStatus.NOT_FOUND, None),
    rucio.KeyNotFound: (HTTPStatus.NOT_FOUND, None),
    rucio.DataIdentifierAlreadyExists: (HTTPStatus.CONFLICT, None),
    rucio.FileAlreadyExists: (HTTPStatus.CONFLICT, None),
    rucio.FileConsistencyMismatch: (HTTPStatus.CONFLICT, None),
    rucio.DuplicateContent: (HTTPStatus.CONFLICT, None),
    rucio.Duplicate: (HTTPStatus.CONFLICT, None),
    rucio.UnsupportedOperation: (HTTPStatus.CONFLICT, None),
    rucio.DIDFilterSyntaxError: (HTTPStatus.BAD_REQUEST, None),
    rucio.InputValidationError: (HTTPStatus.BAD_REQUEST, None),
    rucio.InvalidObject: (HTTPStatus.BAD_REQUEST, None),
    rucio.InvalidMetadata: (HTTPStatus.BAD_REQUEST, None),
    rucio.InvalidPath: (HTTPStatus.BAD_REQUEST, None),
    rucio.RSEOperationNotSupported: (HTTPStatus.BAD_REQUEST, None),
    rucio.DatabaseException: (HTTPStatus.SERVICE_UNAVAILABLE, None),
    NoConnection: (HTTPStatus.SERVICE_UNAVAILABLE, "DatabaseException"),
    # Ours: Rucio's client knows a neighbour of each.
    ServiceUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "DatabaseException"),
    NotHere: (HTTPStatus.NOT_FOUND, "DataIdentifierNotFound"),
    BodyTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "InputValidationError"),
    QueryError: (HTTPStatus.BAD_REQUEST, "DIDFilterSyntaxError"),
    VocabularyError: (HTTPStatus.BAD_REQUEST, "InputValidationError"),
    catalogue.DidUnknown: (HTTPStatus.NOT_FOUND, "DataIdentifierNotFound"),
    catalogue.ChangeDenied: (HTTPStatus.FORBIDDEN, "AccessDenied"),
    stac.KeyUnknown: (HTTPStatus.NOT_FOUND, "KeyNotFound"),
    # The next four by the names that the live catalogue's client knows.
    stac.PathUnknown: (HTTPStatus.NOT_FOUND, "MetadataPathNotFound"),
    stac.PathOccupied: (HTTPStatus.CONFLICT, "MetadataPathAlreadyExists"),
    stac.PathInvalid: (HTTPStatus.BAD_REQUEST, "InvalidMetadataPath"),
    stac.SchemaUnknown: (HTTPStatus.NOT_FOUND, "MetadataSchemaNotFound"),
    stac.DocumentInvalid: (HTTPStatus.BAD_REQUEST, "InvalidMetadata"),
    publishing.PublishConflict: (HTTPStatus.CONFLICT, "DataIdentifierAlreadyExists"),
    publishing.PublishDenied: (HTTPStatus.FORBIDDEN, "AccessDenied"),
    catalogue.MigrationError: (HTTPStatus.SERVICE_UNAVAILABLE, "DatabaseException"),
    DafabError: (HTTPStatus.BAD_REQUEST, "InputValidationError"),
    rucio.RucioException: (HTTPStatus.INTERNAL_SERVER_ERROR, None),
}
"""An exception answers as the nearest of its classes that stands here."""


def answer(error: Exception) -> JSONResponse:
    """Return the answer for an exception in the shape of Rucio's errors: body and headers alike."""
    if isinstance(error, RequestValidationError):
        return _response(HTTPStatus.BAD_REQUEST, "InputValidationError", _first_violation(error))
    status, name = named(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, rucio.RucioException):
        _LOGGER.error("a request failed", exc_info=error)
        return _response(status, name, "internal error: the service's log says more")
    message = str(error)
    if isinstance(error, rucio.DatabaseException):
        # The statement and its values are the log's: they say nothing that a client could act on.
        _LOGGER.error("the database failed a request", exc_info=error)
        message = message.partition("[SQL:")[0]
    return _response(status, name, message, **violations(error))


def named(error: Exception) -> tuple[HTTPStatus, str]:
    """Return the status that answers an exception, and the name under which a client knows it."""
    for known in type(error).__mro__:
        if known in STATUS:
            status, name = STATUS[known]
            return status, name or type(error).__name__
    return HTTPStatus.INTERNAL_SERVER_ERROR, "RucioException"


def violations(error: Exception) -> dict[str, Any]:
    """Return the member of an answer that lists what of a schema was violated; none for any other error."""
    if not isinstance(error, ProfileViolated):
        return {}
    return {"violations": [{"pointer": each.pointer, "message": each.message} for each in error.violations]}


def install(app: FastAPI) -> None:
    """Make the application answer every exception by :data:`STATUS`."""

    async def handle(_request: Request, error: Exception) -> JSONResponse:
        return answer(error)

    async def handle_http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return _response(HTTPStatus(error.status_code), "RucioException", str(error.detail))

    for kind in (DafabError, rucio.RucioException, RequestValidationError, Exception):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(HTTPException, handle_http)


def _response(status: HTTPStatus, name: str, message: str, **members: Any) -> JSONResponse:
    # Half a surrogate pair, which JSON may spell and UTF-8 cannot, is repeated as a question mark.
    line = " ".join(message.encode("utf-8", "replace").decode().split())
    short = line if len(line) <= _HEADER_LENGTH else f"{line[:_HEADER_LENGTH]}..."
    headers = {"ExceptionClass": name, "ExceptionMessage": plain(short)}
    return JSONResponse({"ExceptionClass": name, "ExceptionMessage": line} | members, int(status), headers)


def _first_violation(error: RequestValidationError) -> str:
    first, *others = error.errors()
    place = ".".join(str(step) for step in first["loc"] if step != "body") or "the body"
    more = f" (and {len(others)} more)" if others else ""
    return f"{place}: {first['msg']}{more}"
