"""The metadata plugin, thin over the catalogue: ``[metadata] plugins = rucio_dafab.plugin.DafabMetadata``."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from flask import has_request_context, request
from rucio.common import exception
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import permission
from rucio.core.did_meta_plugins import METADATA_PLUGIN_MODULES
from rucio.core.did_meta_plugins.did_column_meta import DidColumnMeta
from rucio.core.did_meta_plugins.did_meta_plugin_interface import DidMetaPlugin
from rucio.db.sqla.constants import DatabaseOperationType
from rucio.db.sqla.session import db_session, get_engine, read_session, transactional_session
from sqlalchemy.orm import Session
from typing_extensions import override
from werkzeug.exceptions import HTTPException

from rucio_dafab import vocabulary
from rucio_dafab.catalogue import areas, documents, metadata, ontology_snapshots, search
from rucio_dafab.catalogue.ancestry import descendants_of
from rucio_dafab.catalogue.errors import CatalogueError, DidUnknown
from rucio_dafab.query import rucio_filter
from rucio_dafab.query.errors import QueryError
from rucio_dafab.rucio_columns import LEFT_TO_US, RucioColumns
from rucio_dafab.stac.errors import DocumentError, KeyUnknown


class DafabMetadata(DidMetaPlugin):  # type: ignore[misc]  # Rucio ships no types
    """All keys that Rucio does not keep in columns of its own, as members of one STAC document a DID."""

    def __init__(self) -> None:
        super().__init__()
        self._plugin_name = metadata.PLUGIN
        areas.install(get_engine)
        ontology_snapshots.install(get_engine)
        if METADATA_PLUGIN_MODULES and type(METADATA_PLUGIN_MODULES[0]) is DidColumnMeta:
            METADATA_PLUGIN_MODULES[0] = RucioColumns(self.list_dids)

    def get_plugin_name(self) -> str:
        """Return the name by which clients ask for this plugin."""
        return str(self.name)

    @override
    @read_session  # type: ignore[untyped-decorator]
    def get_metadata(self, scope: InternalScope, name: str, *, session: Session) -> dict[str, Any]:
        """Return the members of a DID's document, flat: properties by name, what else there is by its own.

        A property whose name Rucio keeps to itself (``version``, ``scope``) is given under its JSON pointer. A file or
        a dataset without a document answers through the nearest one above it, as in filters.
        """
        found = next(metadata.of_many([(scope, name)], session=session), {})
        return {key: value for key, value in found.items() if key not in {"scope", "name"}}

    def get_metadata_bulk(
        self, dids: Iterable[Mapping[str, Any]], inherit: bool = False, *, session: Session
    ) -> Iterator[dict[str, Any]]:
        """Return the metadata of those of the DIDs that are there, in their order, by a few statements for many.

        For code on the server: Rucio's core does not call it and asks for one DID after the other. The service's
        ``POST /dids/bulkmeta`` reads by the same function of the catalogue.

        Args:
            dids: each with ``scope`` (InternalScope) and ``name``, as are the dictionaries that are given.
            inherit: whether keys that a document lacks are read from those above it, the nearest first.
            session: a transaction that stays open until the last was given.
        """
        wanted = [(did["scope"], did["name"]) for did in dids]
        return metadata.of_many(wanted, inherit=inherit, session=session)

    @override
    @transactional_session  # type: ignore[untyped-decorator]
    def set_metadata(
        self, scope: InternalScope, name: str, key: str, value: Any, recursive: bool = False, *, session: Session
    ) -> None:
        """Set one member; see :meth:`set_metadata_bulk`."""
        self.set_metadata_bulk(scope, name, {key: value}, recursive, session=session)

    @override
    @transactional_session  # type: ignore[untyped-decorator]
    def set_metadata_bulk(
        self,
        scope: InternalScope,
        name: str,
        meta: Mapping[str, Any] | None = None,
        recursive: bool = False,
        *,
        metadata: Mapping[str, Any] | None = None,
        session: Session,
    ) -> None:
        """Set members of a DID's document, and with ``recursive`` of all that is attached below it.

        Rucio's interface calls the values ``meta``, its core ``metadata``.

        Raises:
            InvalidMetadata: if a value does not fit its key.
            DataIdentifierNotFound: if there is no such DID.
            AccessDenied: inside of a request, if the account may not set them of something that is attached below.
        """
        values = meta if meta is not None else metadata or {}
        if wrong := sorted(LEFT_TO_US & values.keys()):
            raise exception.InvalidMetadata(
                f"{wrong[0]} is the DID's own; a property so called is /properties/{wrong[0]}"
            )
        below = descendants_of(scope, name, session=session) if recursive else []
        _check_below(below, values, session)
        with _rucio_errors():
            for each in [(scope, name), *below]:
                documents.set_keys(*each, values, session=session)

    @override
    @transactional_session  # type: ignore[untyped-decorator]
    def delete_metadata(self, scope: InternalScope, name: str, key: str, *, session: Session) -> None:
        """Remove one member.

        Rucio's gateway asks nobody whether the account may; so this does, when inside of a request.

        Raises:
            KeyNotFound: if the document has no such member.
            DataIdentifierNotFound: if there is no such DID.
            InvalidMetadata: if a published document needs it.
            HTTPException: inside of a request, with status 400 for the latter, and with 403 and Rucio's
                ``AccessDenied`` if the account may not.
        """
        _check_issuer(scope, name, key, session)
        try:
            documents.delete_key(scope, name, key, session=session)
        except DidUnknown as error:
            raise exception.DataIdentifierNotFound(str(error)) from error
        except KeyUnknown as error:
            raise exception.KeyNotFound(str(error)) from error
        except DocumentError as error:
            if has_request_context():
                _answer(400, exception.InvalidMetadata, str(error))
            raise exception.InvalidMetadata(str(error)) from error

    @override
    def list_dids(
        self,
        scope: InternalScope,
        filters: Any,
        did_type: str = "collection",
        ignore_case: bool = False,
        limit: int | None = None,
        offset: int | None = None,
        long: bool = False,
        recursive: bool = False,
        ignore_dids: set[str] | None = None,
        *,
        session: Session | None = None,
    ) -> Iterator[Any]:
        """Return the DIDs whose documents satisfy a filter: their names, or with ``long`` dictionaries.

        No generator itself: what is wrong with the filter is raised by the call, before Rucio begins its answer.

        Raises:
            DIDFilterSyntaxError: if the filter cannot be understood.
            UnsupportedOperation: if there is no such type of DID.
        """
        with _rucio_errors():
            expression = rucio_filter.parse(_plain(filters), vocabulary.load())
            asked = search.Search(scope, expression, did_type, recursive, limit, offset)
            if session is not None:
                return _rows(asked, long, ignore_dids or set(), session)
            with db_session(DatabaseOperationType.READ) as own:
                return iter(list(_rows(asked, long, ignore_dids or set(), own)))

    @override
    def manages_key(self, key: str, *, session: Session | None = None) -> bool:
        """Return that any key is welcome; Rucio's own plugin is asked before."""
        return True


def _rows(asked: search.Search, long: bool, known: set[str], session: Session) -> Iterator[Any]:
    """Send a question and return its answer as Rucio lists it, without the DIDs that are known."""
    if not long and not known:
        return search.list_names(asked, session=session)
    found = search.list_dids(asked, session=session)
    left = (did for did in found if f"{did.scope.external}:{did.name}" not in known) if known else found
    return map(_long, left) if long else (did.name for did in left)


def _long(did: search.FoundDid) -> dict[str, Any]:
    return {
        "scope": did.scope,
        "name": did.name,
        "did_type": did.did_type.name,
        "bytes": did.bytes,
        "length": did.length,
    }


def _plain(filters: Any) -> list[dict[str, Any]]:
    """Return filters as the client wrote them: the gateway has made objects of scopes and accounts."""
    groups = [filters] if isinstance(filters, Mapping) else list(filters or [])
    return [
        {
            key: value.external if isinstance(value, InternalScope | InternalAccount) else value
            for key, value in each.items()
        }
        for each in groups
    ]


def _check_issuer(scope: InternalScope, name: str, key: str, session: Session) -> None:
    """Ask Rucio's permissions for the right to set what shall be deleted; outside of a request core is trusted."""
    if has_request_context() and not _may_set(scope, name, {key: None}, session):
        line = f"Account {request.environ['issuer']} can not delete metadata of data identifier {scope.external}:{name}"
        _answer(403, exception.AccessDenied, line)


def _check_below(dids: Iterable[tuple[InternalScope, str]], values: Mapping[str, Any], session: Session) -> None:
    """Ask for the right to set metadata of each DID: Rucio's gateway asks for the one that was named alone."""
    for scope, name in dids if has_request_context() else ():
        if not _may_set(scope, name, values, session):
            line = f"Account {request.environ['issuer']} can not add metadata to {scope.external}:{name}"
            raise exception.AccessDenied(line)


def _may_set(scope: InternalScope, name: str, values: Mapping[str, Any], session: Session) -> bool:
    """Return whether the account of the request may set metadata of a DID."""
    issuer = InternalAccount(request.environ["issuer"], vo=request.environ.get("vo", scope.vo))
    arguments = {"scope": scope, "name": name, "meta": values, "issuer": issuer.external}
    return bool(permission.has_permission(issuer=issuer, action="set_metadata_bulk", kwargs=arguments, session=session))


def _answer(status: int, error: type[exception.RucioException], message: str) -> NoReturn:
    """Answer with one of Rucio's errors: its route for deletion would make a 500 of the exception itself."""
    from rucio.web.rest.flaskapi.v1.common import generate_http_error_flask  # noqa: PLC0415 - loads the whole web stack

    raise HTTPException(response=generate_http_error_flask(status, error.__name__, message))


@contextmanager
def _rucio_errors() -> Iterator[None]:
    """Raise what Rucio's routes answer with a 4xx."""
    try:
        yield
    except QueryError as error:
        raise exception.DIDFilterSyntaxError(str(error)) from error
    except search.DidTypeUnknown as error:
        raise exception.UnsupportedOperation(str(error)) from error
    except DidUnknown as error:
        raise exception.DataIdentifierNotFound(str(error)) from error
    except KeyUnknown as error:
        raise exception.KeyNotFound(str(error)) from error
    except (CatalogueError, DocumentError) as error:
        raise exception.InvalidMetadata(str(error)) from error
