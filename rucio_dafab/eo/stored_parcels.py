"""Parcels as a field product keeps them, read back from its GeoParquet."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas
import numpy as np
import pyarrow
import pyarrow.parquet
import shapely
from rasterio.crs import CRS
from rasterio.errors import CRSError

from rucio_dafab.eo.errors import ParcelsError
from rucio_dafab.eo.vectors import Geometries

COLUMNS: Final = ("id", "geometry")
"""What a file of parcels has at least; both are what fiboa requires of every file."""

_AREAS: Final = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)


@dataclass(frozen=True, eq=False)
class StoredParcels:
    """The parcels of a file.

    Attributes:
        path: The file.
        crs: Their reference system.
        geometries: Polygons (n) in it, in the order of the file.
    """

    path: Path
    crs: CRS
    geometries: Geometries

    def __len__(self) -> int:
        return len(self.geometries)


def read_parcels(path: Path) -> StoredParcels:
    """Return the parcels of a GeoParquet file; a file without a row is one of no parcels.

    Raises:
        ParcelsError: if there is no such file, it is damaged or no GeoParquet, lacks a column or its reference system,
            or a row is no polygon.
    """
    if not path.is_file():
        raise ParcelsError(f"{path}: no such file of parcels")
    try:
        names = pyarrow.parquet.read_schema(path).names
        absent = [name for name in COLUMNS if name not in names]
        if absent:
            raise ParcelsError(f"{path}: the parcels lack the column {', '.join(absent)}")
        frame = geopandas.read_parquet(path, columns=list(COLUMNS))
        crs = None if frame.crs is None else CRS.from_wkt(frame.crs.to_wkt())
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException, shapely.GEOSException, CRSError) as error:
        raise ParcelsError(f"{path}: is no GeoParquet of parcels: {' '.join(str(error).split())[:200]}") from error
    if crs is None:
        raise ParcelsError(f"{path}: the parcels state no reference system")
    geometries = np.asarray(frame.geometry.to_numpy(), object)
    _check(path, geometries)
    return StoredParcels(path, crs, geometries)


def _check(path: Path, geometries: Geometries) -> None:
    """Refuse rows that enclose nothing: they could not be counted, and would fall out in silence."""
    kinds = shapely.get_type_id(geometries)
    bad = ~np.isin(kinds, _AREAS) | shapely.is_empty(geometries)
    bad |= ~np.isfinite(shapely.bounds(geometries)).all(axis=1)
    if bad.any():
        raise ParcelsError(f"{path}: row {int(np.argmax(bad)) + 1} of the parcels is no polygon")
