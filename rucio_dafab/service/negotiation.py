"""In which representation triples are answered: the ``Accept`` header against what there is."""

from typing import Final

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

HTML: Final = "text/html"
SYNTAXES: Final = {
    "text/turtle": "turtle",
    "application/ld+json": "json-ld",
    "application/rdf+xml": "xml",
    "application/n-triples": "nt",
}
"""Media type → rdflib's name; the first is the answer to who asks for nothing."""

OFFERED: Final = (*SYNTAXES, HTML)


def negotiate(accept: str | None) -> str | None:
    """Return which of :data:`OFFERED` an ``Accept`` header prefers (RFC 9110, 12.5.1), or ``None`` if it takes none.

    Parameters of media types are not looked at, apart from ``q``. Of equals the first counts.
    """
    if accept is None or not accept.strip():
        return OFFERED[0]
    asked = MIMEAccept((each.partition(";")[0].strip(), quality) for each, quality in parse_accept_header(accept))
    best = max(OFFERED, key=asked.quality)
    return best if asked.quality(best) > 0 else None
