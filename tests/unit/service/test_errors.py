"""The table of errors: what the stock client raises again."""

import asyncio
import json
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI
from psycopg import errors as postgres
from rucio.client.baseclient import BaseClient
from rucio.common import exception as rucio
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.types import Message

from rucio_dafab.catalogue.errors import DidUnknown
from rucio_dafab.errors import DafabError
from rucio_dafab.publishing.errors import PublishConflict, PublishDenied
from rucio_dafab.query.errors import QueryError
from rucio_dafab.service.errors import STATUS, NotHere, answer, install
from rucio_dafab.stac.errors import DocumentInvalid
from rucio_dafab.stac.schemas import ProfileViolated, Violation


class Unlisted(DafabError):
    """A refusal that nobody put into the table."""


@pytest.mark.parametrize(
    ("error", "status", "raised"),
    [
        (rucio.DataIdentifierNotFound("x"), 404, rucio.DataIdentifierNotFound),
        (rucio.CannotAuthenticate("x"), 401, rucio.CannotAuthenticate),
        (rucio.AccessDenied("x"), 403, rucio.AccessDenied),
        (rucio.RucioException("x"), 500, rucio.RucioException),
        (rucio.InvalidValueForKey("x"), 400, rucio.InvalidValueForKey),
        (rucio.RuleNotFound("x"), 404, rucio.RuleNotFound),
        (DidUnknown("x"), 404, rucio.DataIdentifierNotFound),
        (DocumentInvalid("x"), 400, rucio.InvalidMetadata),
        (PublishConflict("x"), 409, rucio.DataIdentifierAlreadyExists),
        (PublishDenied("x"), 403, rucio.AccessDenied),
        (NotHere("x"), 404, rucio.DataIdentifierNotFound),
        (QueryError("x"), 400, rucio.DIDFilterSyntaxError),
        (Unlisted("x"), 400, rucio.InputValidationError),
    ],
)
def test_an_exception_gets_its_status_and_is_raised_again(
    error: Exception, status: int, raised: type[Exception]
) -> None:
    response = answer(error)
    assert response.status_code == status
    reading = BaseClient.__new__(BaseClient)
    again, message = reading._get_exception(response.headers, response.status_code, bytes(response.body))
    assert again is raised
    assert "x" in message


OF_THE_LIVE_CLIENT = {
    "MetadataPathNotFound",
    "MetadataPathAlreadyExists",
    "InvalidMetadataPath",
    "MetadataSchemaNotFound",
}


def test_every_name_in_the_table_is_one_that_a_client_knows() -> None:
    names = {name or kind.__name__ for kind, (_, name) in STATUS.items()}
    assert {name for name in names if not hasattr(rucio, name)} == OF_THE_LIVE_CLIENT


def test_violations_are_listed_by_pointer() -> None:
    refused = answer(ProfileViolated("water 1.0.0", (Violation("/a", "is missing"), Violation("/b/0", "5 is no text"))))
    assert refused.status_code == HTTPStatus.BAD_REQUEST
    assert json.loads(bytes(refused.body)) == {
        "ExceptionClass": "InvalidMetadata",
        "ExceptionMessage": "the document does not fit the schema water 1.0.0: /a is missing; /b/0 5 is no text",
        "violations": [{"pointer": "/a", "message": "is missing"}, {"pointer": "/b/0", "message": "5 is no text"}],
    }


def test_a_fault_tells_nothing_of_its_inside() -> None:
    response = answer(ZeroDivisionError("the password is hunter2"))
    assert response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert b"hunter2" not in bytes(response.body)
    assert "hunter2" not in str(response.headers)


def test_headers_are_one_short_latin_line_and_the_body_has_it_all() -> None:
    message = "línea\r\nInjected: yes — " + "ü" * 300
    response = answer(DocumentInvalid(message))
    header = response.headers["ExceptionMessage"]
    assert "\n" not in header
    assert "\r" not in header
    assert len(header) <= 128
    assert json.loads(bytes(response.body))["ExceptionMessage"] == " ".join(message.split())


def test_half_a_surrogate_pair_is_repeated_as_a_question_mark() -> None:
    response = answer(QueryError("no area is called '@\ud800'"))
    assert response.status_code == HTTPStatus.BAD_REQUEST
    assert json.loads(bytes(response.body))["ExceptionMessage"] == "no area is called '@?'"


def test_a_failed_statement_stays_in_the_log() -> None:
    response = answer(rucio.DatabaseException("timestamp too large [SQL: SELECT secret FROM rucio.identities]"))
    assert response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert b"SELECT" not in bytes(response.body)
    assert b"try again later" in bytes(response.body)


STATEMENT = "SELECT secret FROM rucio.dids"


def wrapped(cause: Exception) -> Any:
    """Return what Rucio makes of an exception of SQLAlchemy: the text, statement and all."""
    try:
        try:
            raise cause
        except SQLAlchemyError:
            raise rucio.DatabaseException(str(cause))  # noqa: B904 - as Rucio does
    except rucio.DatabaseException as error:
        return error


CAUSES = [
    (DataError(STATEMENT, {}, postgres.NumericValueOutOfRange("integer out of range")), 400, "integer out of range"),
    (StatementError("(builtins.TypeError)", STATEMENT, {}, TypeError("unhashable type: 'dict'")), 400, "another type"),
    (IntegrityError(STATEMENT, {}, postgres.UniqueViolation("DETAIL: Key (name)=(x)")), 409, "it is there already"),
    (OperationalError(STATEMENT, {}, postgres.AdminShutdown("terminating")), 503, "try again later"),
    (NoConnection("QueuePool limit of size 8 overflow 16 reached"), 503, "try again later"),
    (ProgrammingError(STATEMENT, {}, postgres.UndefinedColumn("no column secret")), 500, "the service's log says more"),
]


@pytest.mark.parametrize(("cause", "status", "said"), CAUSES, ids=[type(cause).__name__ for cause, *_ in CAUSES])
@pytest.mark.parametrize("is_wrapped", [False, True])
def test_the_database_is_told_in_one_line_without_its_statement(
    cause: Exception, status: int, said: str, is_wrapped: bool
) -> None:
    response = answer(wrapped(cause) if is_wrapped else cause)
    told = json.loads(bytes(response.body))["ExceptionMessage"]
    assert response.status_code == status
    assert said in told
    assert not [word for word in ("SELECT", "secret", "QueuePool", "unhashable", "DETAIL") if word in told]


def test_what_is_nested_too_deeply_is_no_fault() -> None:
    assert answer(RecursionError("maximum recursion depth exceeded")).status_code == HTTPStatus.BAD_REQUEST


def answer_nothing() -> dict[str, str]:
    """Answer a request."""
    return {}


def test_a_wrong_method_names_those_that_are_right() -> None:
    app, sent = FastAPI(), list[Message]()
    install(app)
    app.get("/only")(answer_nothing)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/only", "query_string": b"", "headers": []}
    asyncio.run(app(scope, receive, send))

    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == HTTPStatus.METHOD_NOT_ALLOWED
    assert headers[b"allow"] == b"GET"
    assert headers[b"exceptionclass"] == b"RucioException"
