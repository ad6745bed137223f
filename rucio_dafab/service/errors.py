"""One table: what was raised → the HTTP status and the name under which Rucio's client raises it again."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from rucio.common import exception as rucio
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError
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


class TooManyAnswers(DafabError):
    """An account has as many answers under way as it may; the text says how many."""


class BodyTooLarge(DafabError):
    """The body of a request has more bytes than the service reads."""


_RUCIO: Final[Mapping[HTTPStatus, tuple[type[Exception], ...]]] = {
    HTTPStatus.BAD_REQUEST: (
        rucio.DIDFilterSyntaxError,
        rucio.InputValidationError,
        rucio.InvalidMetadata,
        rucio.InvalidObject,
        rucio.InvalidPath,
        rucio.InvalidReplicationRule,
        rucio.InvalidRequest,
        rucio.InvalidRSEExpression,
        rucio.InvalidRuleWeight,
        rucio.InvalidType,
        rucio.InvalidValueForKey,
        rucio.NameTypeError,
        rucio.RSEOperationNotSupported,
        rucio.UnsupportedAccountName,
        rucio.UnsupportedDIDType,
        rucio.UnsupportedKeyType,
        rucio.UnsupportedMetadataPlugin,
        rucio.UnsupportedStatus,
        rucio.UnsupportedValueType,
    ),
    HTTPStatus.UNAUTHORIZED: (rucio.CannotAuthenticate,),
    HTTPStatus.FORBIDDEN: (rucio.AccessDenied, rucio.RSEAccessDenied, rucio.ScopeAccessDenied),
    HTTPStatus.NOT_FOUND: (
        rucio.AccountNotFound,
        rucio.ConfigNotFound,
        rucio.DataIdentifierNotFound,
        rucio.IdentityNotFound,
        rucio.KeyNotFound,
        rucio.ReplicaNotFound,
        rucio.RequestNotFound,
        rucio.RSEAttributeNotFound,
        rucio.RSENotFound,
        rucio.RuleNotFound,
        rucio.ScopeNotFound,
        rucio.SubscriptionNotFound,
    ),
    HTTPStatus.CONFLICT: (
        rucio.DataIdentifierAlreadyExists,
        rucio.Duplicate,
        rucio.DuplicateContent,
        rucio.DuplicateRule,
        rucio.FileAlreadyExists,
        rucio.FileConsistencyMismatch,
        rucio.FileReplicaAlreadyExists,
        rucio.InsufficientAccountLimit,
        rucio.InsufficientTargetRSEs,
        rucio.SubscriptionDuplicate,
        rucio.UnsupportedOperation,
    ),
}
"""Rucio's own refusals, also those that its routes forget: each keeps its name."""

STATUS: Final[Mapping[type[Exception], tuple[HTTPStatus, str | None]]] = {
    **{known: (status, None) for status, all_known in _RUCIO.items() for known in all_known},
    rucio.DatabaseException: (HTTPStatus.SERVICE_UNAVAILABLE, None),
    # Ours: Rucio's client knows a neighbour of each.
    ServiceUnavailable: (HTTPStatus.SERVICE_UNAVAILABLE, "DatabaseException"),
    TooManyAnswers: (HTTPStatus.TOO_MANY_REQUESTS, "ResourceTemporaryUnavailable"),
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


NOT_NOW: Final = "the database cannot answer now: try again later"
"""What a client is told of any fault of the database that another try may mend."""

INTERNAL: Final = "internal error: the service's log says more"
"""What a client is told of a fault."""

_UNIQUE: Final = "23505"
"""PostgreSQL's code of a violated unique constraint."""
RETRY_AFTER: Final = "5"
"""Seconds after which a client may ask again what could not be answered now."""

_NOT_NOW: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_VALUES: Final = (TypeError, ValueError, LookupError, AttributeError)


@dataclass(frozen=True, slots=True)
class Told:
    """What a client is told of an exception: status, Rucio's name for it, one line, further members of the body."""

    status: HTTPStatus
    name: str
    message: str
    members: Mapping[str, Any] = field(default_factory=dict)


def answer(error: Exception) -> JSONResponse:
    """Return the answer for an exception in the shape of Rucio's errors: body and headers alike."""
    said = told(error)
    return _response(said.status, said.name, said.message, **said.members)


def told(error: Exception) -> Told:
    """Return what a client is told of an exception, and log what it is not: SQL, and what only Python says."""
    if isinstance(error, RequestValidationError):
        return Told(HTTPStatus.BAD_REQUEST, "InputValidationError", _first_violation(error))
    if isinstance(error, RecursionError):
        return Told(HTTPStatus.BAD_REQUEST, "InputValidationError", "the request is nested too deeply")
    cause = error.__cause__ or error.__context__
    if _is_of_sql(error):
        return _of_database(error, error)
    if isinstance(error, rucio.DatabaseException) or (type(error) is rucio.RucioException and _is_of_sql(cause)):
        # Rucio wraps what SQLAlchemy raised, statement and all, in an exception of its own.
        return _of_database(error, cause)
    status, name = named(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, rucio.RucioException):
        _LOGGER.error("a request failed", exc_info=error)
        return Told(status, name, INTERNAL)
    # What follows in Rucio's messages is the schema, many lines of it.
    return Told(status, name, str(error).partition("\n\nFailed validating")[0], violations(error))


def _is_of_sql(error: BaseException | None) -> bool:
    return isinstance(error, StatementError | NoConnection)


def _of_database(error: Exception, cause: BaseException | None) -> Told:
    """Tell values that no column can hold from a database that is out of reach, and both from faults."""
    if isinstance(cause, DataError):
        primary = getattr(getattr(cause.orig, "diag", None), "message_primary", None) or str(cause.orig)
        return Told(HTTPStatus.BAD_REQUEST, "InputValidationError", f"a value cannot be kept or compared: {primary}")
    if isinstance(cause, StatementError) and not isinstance(cause, DBAPIError) and isinstance(cause.orig, _VALUES):
        _LOGGER.warning("a value does not fit its column", exc_info=error)
        return Told(HTTPStatus.BAD_REQUEST, "InputValidationError", "a value is of another type than its column")
    if isinstance(cause, IntegrityError) and getattr(cause.orig, "sqlstate", None) == _UNIQUE:
        return Told(HTTPStatus.CONFLICT, "Duplicate", "it is there already")
    _LOGGER.error("the database failed a request", exc_info=error)
    if cause is None or isinstance(cause, NoConnection | OperationalError | InterfaceError):
        return Told(HTTPStatus.SERVICE_UNAVAILABLE, "DatabaseException", NOT_NOW)
    return Told(HTTPStatus.INTERNAL_SERVER_ERROR, "RucioException", INTERNAL)


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
        said = _response(HTTPStatus(error.status_code), "RucioException", str(error.detail))
        said.headers.update(error.headers or {})
        return said

    for kind in (DafabError, rucio.RucioException, RequestValidationError, Exception):
        app.add_exception_handler(kind, handle)
    app.add_exception_handler(HTTPException, handle_http)


def _response(status: HTTPStatus, name: str, message: str, **members: Any) -> JSONResponse:
    line = one_line(message)
    return JSONResponse(
        {"ExceptionClass": name, "ExceptionMessage": line} | members,
        int(status),
        exception_headers(status, name, line),
    )


def one_line(message: str) -> str:
    """Return a message as one line that UTF-8 can spell: half a surrogate pair, which JSON may hold, is a ``?``."""
    return " ".join(message.encode("utf-8", "replace").decode().split())


def exception_headers(status: HTTPStatus, name: str, line: str) -> dict[str, str]:
    """Return the headers by which Rucio's client knows an exception; the line is cut where Rucio cuts it."""
    later = {"Retry-After": RETRY_AFTER} if status in _NOT_NOW else {}
    short = line if len(line) <= _HEADER_LENGTH else f"{line[:_HEADER_LENGTH]}..."
    return {"ExceptionClass": name, "ExceptionMessage": plain(short)} | later


def _first_violation(error: RequestValidationError) -> str:
    first, *others = error.errors()
    place = ".".join(str(step) for step in first["loc"] if step != "body") or "the body"
    more = f" (and {len(others)} more)" if others else ""
    return f"{place}: {first['msg']}{more}"
