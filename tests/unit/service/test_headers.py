"""Headers of Rucio's answers, whatever a user's message holds."""

from typing import Any

import pytest

from rucio_dafab.service.headers import plain, with_plain_headers


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("-180…180", "-180?180"),
        ("theme.isa: 日本", "theme.isa: ??"),
        ("Überschwemmung", "Überschwemmung"),
        ("a\x00b\r\nSet-Cookie: c", "a?b??Set-Cookie: c"),
    ],
)
def test_a_message_becomes_a_header_that_can_be_sent(text: str, header: str) -> None:
    assert plain(text) == header
    plain(text).encode("latin-1")


def test_an_application_keeps_its_status_its_body_and_its_other_headers() -> None:
    def refuses(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("400 BAD REQUEST", [("ExceptionMessage", "kein … Wert"), ("Content-Length", "2")])
        return [environ["REQUEST_METHOD"].encode()]

    said: list[Any] = []
    body = with_plain_headers(refuses)({"REQUEST_METHOD": "GO"}, lambda *given: said.append(given))
    assert list(body) == [b"GO"]
    assert said == [("400 BAD REQUEST", [("ExceptionMessage", "kein ? Wert"), ("Content-Length", "2")])]
