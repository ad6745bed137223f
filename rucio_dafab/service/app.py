"""The service: our routes first, then Rucio's own application on ``/``, in one ASGI process."""

from typing import cast

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI
from rucio.db.sqla.session import get_engine
from rucio.web.rest.flaskapi.v1.main import application as rucio_application
from starlette.types import ASGIApp

from rucio_dafab import __version__
from rucio_dafab.service import (
    assets,
    bulkmeta,
    dafab_api,
    documents_api,
    errors,
    health,
    ontology_api,
    rucio_errors,
)
from rucio_dafab.service.database import ping_on_checkout
from rucio_dafab.service.headers import with_plain_headers
from rucio_dafab.service.limits import BodyLimit
from rucio_dafab.service.settings import settings
from rucio_dafab.service.streams import RUCIO_LINES, Unhurried


def make_app() -> FastAPI:
    """Return the application; ``RUCIO_CONFIG`` names the server's configuration."""
    ping_on_checkout(get_engine())
    app = FastAPI(
        title="rucio-dafab",
        version=__version__,
        docs_url="/dafab/docs",
        redoc_url=None,
        openapi_url="/dafab/openapi.json",
    )
    errors.install(app)
    app.add_middleware(BodyLimit, most=settings().max_body)
    app.include_router(health.router)
    app.include_router(assets.router)
    app.include_router(dafab_api.router)
    app.include_router(documents_api.router)
    app.include_router(ontology_api.router)
    rucio_errors.install(rucio_application)
    # a2wsgi builds the environ that Flask keeps as request.environ: the plugin finds the issuer there.
    wsgi = WSGIMiddleware(
        with_plain_headers(rucio_application), workers=settings().rucio_threads, send_queue_size=RUCIO_LINES
    )
    rucio = Unhurried(cast("ASGIApp", wsgi))
    app.include_router(bulkmeta.router(rucio))
    app.mount("/", rucio)
    return app
