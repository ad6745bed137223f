"""Rucio's own routes answer their errors by our table too.

They answer 500 for every exception that they forgot, refused permissions and values that no column can hold among them,
with what Python or SQLAlchemy said as the body. Their views share one base class, which makes these answers: here it
lets the exception reach :mod:`rucio_dafab.service.errors` instead.
"""

import json
import logging
import traceback
from http import HTTPStatus
from typing import Any, Final

from flask import Flask, Response, request
from flask.views import MethodView
from rucio.common import exception as rucio
from rucio.web.rest.flaskapi.v1.common import ErrorHandlingMethodView
from werkzeug.exceptions import HTTPException, InternalServerError

from rucio_dafab.service import errors
from rucio_dafab.service.errors import Told

_LOGGER: Final = logging.getLogger(__name__)
_TAKING_OVER: Final = ("rucio.web.rest.", "rucio.gateway.")
_SHAPES: Final = (TypeError, ValueError, LookupError, AttributeError, SyntaxError)


def install(application: Flask) -> None:
    """Make Rucio's application answer every exception by :data:`rucio_dafab.service.errors.STATUS`."""
    ErrorHandlingMethodView.dispatch_request = _dispatch
    application.register_error_handler(InternalServerError, _unhandled)
    application.before_request(_check_address)
    application.after_request(_without_internals)


def told(error: Exception) -> Told:
    """Return what a client of Rucio's routes is told of an exception that they did not expect."""
    if isinstance(error, _SHAPES) and _is_of_the_request(error):
        _LOGGER.warning("a request has another form than its route takes", exc_info=error)
        line = f"a parameter or the body has another form than {request.method} {request.path[:200]} takes"
        return Told(HTTPStatus.BAD_REQUEST, "InputValidationError", line)
    said = errors.told(error)
    if type(error).__name__ == said.name and error.args and isinstance(error.args[0], str):
        # Without the words for its class: Rucio's client, which raises it again, adds them.
        text = error.args[0].partition("\n\nFailed validating")[0]
        return Told(said.status, said.name, text if said.name != "DatabaseException" else said.message)
    return said


def _is_of_the_request(error: Exception) -> bool:
    """Return whether an exception was raised while Rucio took parameters over, before its core was asked.

    Its routes and its gateway read them as they come: a number where a list is expected fails in a line of theirs.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    # Not the decorator of its views: that a view cannot be called so is no fault of the request.
    modules = [frame.f_globals.get("__name__", "") for frame in frames if frame.f_code.co_name != "decorated"]
    last = next((name for name in reversed(modules) if name.startswith(("rucio.", "rucio_dafab."))), "")
    return last.startswith(_TAKING_OVER) or last == "rucio.core.did_meta_plugins"


def _dispatch(view: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return MethodView.dispatch_request(view, *arguments, **options)
    except HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 - as the method that this replaces: each exception has an answer
        said = _response(told(error))
        said.headers.extend(view.get_headers() or {})
        return said


def _unhandled(fault: InternalServerError) -> Response:
    """Answer for what was raised outside of a view, which Flask has logged."""
    cause = fault.original_exception
    return _response(told(cause) if isinstance(cause, Exception) else _internal())


def _check_address() -> Response | None:
    """Refuse what no name can hold and PostgreSQL no text, wherever in the address it stands."""
    if "\0" in request.path or any("\0" in value for values in request.args.listvalues() for value in values):
        line = "the address has a NUL character (%00): no name and no value can"
        return _response(Told(HTTPStatus.BAD_REQUEST, "InputValidationError", line))
    return None


def _without_internals(response: Response) -> Response:
    """Take Python's and SQLAlchemy's words out of the errors that Rucio's routes make themselves."""
    if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return response
    name = response.headers.get("ExceptionClass", "")
    known = getattr(rucio, name, None)
    if not (isinstance(known, type) and issubclass(known, rucio.RucioException)):
        _LOGGER.error("%s %s answered %s: %.500s", request.method, request.path, response.status, response.get_data())
        return _replaced(response, _internal())
    if issubclass(known, rucio.DatabaseException):
        return _replaced(response, Told(HTTPStatus.SERVICE_UNAVAILABLE, name, errors.NOT_NOW))
    response.status_code = int(errors.STATUS.get(known, (response.status_code, None))[0])
    return response


def _internal() -> Told:
    return Told(HTTPStatus.INTERNAL_SERVER_ERROR, "RucioException", errors.INTERNAL)


def _response(said: Told) -> Response:
    return _replaced(Response(), said)


def _replaced(response: Response, said: Told) -> Response:
    line = errors.one_line(said.message)
    response.status_code = int(said.status)
    response.set_data(json.dumps({"ExceptionClass": said.name, "ExceptionMessage": line}))
    # Rucio's own errors have this type.
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers.update(errors.exception_headers(said.status, said.name, line))
    return response
