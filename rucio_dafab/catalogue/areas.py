"""Users' areas of interest: named polygons in the table ``dafab.area``, asked for as ``@name`` in every language.

A query is read before it has a session, so the lookup that :func:`install` gives to the vocabulary has a connection of
its own, and outside of the pool: a request that holds one of the pool's must not wait for another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from geoalchemy2 import Geometry
from geoalchemy2.shape import from_shape, to_shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Column, Connection, DateTime, Engine, NullPool, Table, Text, create_engine, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from rucio_dafab.catalogue.errors import CatalogueError
from rucio_dafab.catalogue.tables import lacks_table, metadata
from rucio_dafab.query.geometry import parse_geometry
from rucio_dafab.stac.geometry import SRID
from rucio_dafab.vocabulary import areas as vocabulary

_LONGEST: Final = 60
_SURFACES: Final = ("Polygon", "MultiPolygon")

area: Final = Table(
    "area",
    metadata,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("geometry", Geometry(srid=SRID, spatial_index=False), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""``dafab.area``: key is the normalised name, the geometry is in EPSG:4326 and split at the antimeridian."""


class AreaUnknown(CatalogueError):
    """No user named an area so."""


class AreaInvalid(CatalogueError):
    """The name or the geometry of an area cannot be kept, or the name is taken."""


@dataclass(frozen=True, slots=True)
class Area:
    """A named polygon; ``created_at`` is ``None`` for one that the installation ships."""

    key: str
    name: str
    geometry: BaseGeometry
    created_at: datetime | None = None


def add(name: str, geometry: Any, *, session: Session) -> Area:
    """Name an area; in place of one of that name there is none.

    Args:
        name: letters and digits of any script, blanks, ``-`` and ``_``; in a query neither case nor the accents of
            Latin letters matter.
        geometry: a polygon or several: GeoJSON (text or dictionary), WKT or a box ``W_S_E_N``, in degrees.
        session: the caller's transaction.

    Raises:
        AreaInvalid: if the name is not usable or taken, or the geometry is no surface.
        QueryError: if it is no valid geometry.
    """
    key = _checked_key(name)
    shape = parse_geometry(geometry, vocabulary.load(), f"the area {key}")
    if shape.geom_type not in _SURFACES:
        raise AreaInvalid(f"the area {key} is a {shape.geom_type}: only a Polygon or MultiPolygon can be one")
    statement = insert(area).values(key=key, name=name.strip(), geometry=from_shape(shape, srid=SRID))
    made = session.execute(statement.on_conflict_do_nothing().returning(area.c.created_at)).scalar()
    if made is None:
        raise AreaInvalid(f"there is an area @{key} already: remove it first")
    return Area(key, name.strip(), shape, made)


def remove(name: str, *, session: Session) -> None:
    """Forget an area.

    Raises:
        AreaUnknown: if no user named one so.
    """
    key = vocabulary.normalise(name)
    if session.execute(delete(area).where(area.c.key == key).returning(area.c.key)).first() is None:
        shipped = " is shipped with the catalogue and stays" if key in vocabulary.load().shipped() else " is not there"
        raise AreaUnknown(f"the area @{key[:_LONGEST]}{shipped}")


def list_all(*, session: Session) -> list[Area]:
    """Return the areas that users named, by name."""
    rows = session.execute(select(area.c.key, area.c.name, area.c.geometry, area.c.created_at).order_by(area.c.key))
    return [Area(key, name, to_shape(geometry), created) for key, name, geometry, created in rows]


def show(name: str) -> Area:
    """Return an area by any name that a query may use, shipped ones too.

    Raises:
        VocabularyError: if there is none, with the nearest names.
    """
    return Area(vocabulary.normalise(name), name, vocabulary.load().geometry(name))


def install(engine: Callable[[], Engine]) -> None:
    """Make users' areas known to every language in this process.

    Args:
        engine: gives the engine of Rucio's database, whose address is used.
    """
    vocabulary.provide(_Stored(engine))


def _checked_key(name: str) -> str:
    key = vocabulary.normalise(name)
    if not key or len(key) > _LONGEST or not name.isprintable():
        raise AreaInvalid(f"{name[:_LONGEST]!r} is no name: at most {_LONGEST} letters, digits and single hyphens")
    if key in vocabulary.load().shipped():
        raise AreaInvalid(f"@{key} is shipped with the catalogue and cannot be another area")
    return key


class _Stored:
    """What the vocabulary asks for names that it does not know."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._own: Engine | None = None

    def geometry(self, key: str) -> BaseGeometry | None:
        """Return the polygon of a user's area."""
        found = self._first_column(select(area.c.geometry).where(area.c.key == key))
        return to_shape(found[0]) if found else None

    def names(self) -> tuple[str, ...]:
        """Return the names of all of them."""
        return tuple(self._first_column(select(area.c.key)))

    def _first_column(self, statement: Any) -> list[Any]:
        try:
            with self._connect() as connection:
                return list(connection.scalars(statement))
        except ProgrammingError as error:
            if lacks_table(error):
                return []
            raise

    def _connect(self) -> Connection:
        if self._own is None:
            self._own = create_engine(self._engine().url, poolclass=NullPool)
        return self._own.connect()
