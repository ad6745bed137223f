"""A source for earthkit-data: what answers a request, as xarray and GeoPandas read it.

    import earthkit.data
    masks = earthkit.data.from_source("dafab", "retrieve, collection=water_analysis, date=-1, geometry=@luxembourg")
    masks.to_xarray()                       # all of one grid, along the dimension "item"
    fields = earthkit.data.from_source("dafab", {"collection": "smart_agriculture", "asset": "vector"})
    fields.to_geopandas()

GRIB becomes earthkit's own fields. Files are fetched, verified, to a folder that goes with the source and its answers
(that of GRIB with the process), or to `folder`.
"""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from earthkit.data import from_source
from earthkit.data.sources import Source
from typing_extensions import override

from dasi_backend import config as configuration
from dasi_backend import language, plans
from dasi_backend.backends import backend_for
from dasi_backend.errors import RequestError
from dasi_backend.items import Query, Retrieved, Values
from dasi_backend.language import Request
from dasi_backend.rasters import dataset_of_raster, dataset_of_scene

_TARGET: Final = "[id]/[name]"
_VERB: Final = "retrieve"


class DafabSource(Source):  # type: ignore[misc]  # earthkit ships no types
    """What answers requests, fetched.

    Args:
        request: A text of requests as ``dasi`` takes it, or the keys of one as a dictionary; more keys by name.
        config: A ``dasi.yml``; by default as ``dasi`` finds it.
        folder: Where the files are kept; by default they go with the source.
        expect: How many answers there must be, or ``any``.
        keys: Keys of the request, where it is not a text.

    Raises:
        DafabError: as ``dasi retrieve`` refuses.
    """

    def __init__(
        self,
        request: Mapping[str, Values] | str | None = None,
        *,
        config: Path | str | None = None,
        folder: Path | str | None = None,
        expect: int | str | None = None,
        **keys: Values,
    ) -> None:
        super().__init__()
        requests = _requests(request, keys, expect)
        scratch = _Scratch() if folder is None else None
        kept = scratch.path if scratch else Path(folder or "").absolute()
        if {"[", "]"} & set(str(kept)):
            raise RequestError(f"folder={folder}: brackets in its name would be fields of a target")
        found = configuration.find(Path(config) if config is not None else None)
        targets = [replace(one, target=f"{kept}/{_TARGET}") for one in requests]
        plans.template_of(targets[0])
        planned = [backend_for(found, each).plan(each) for each in targets]
        self.answers: tuple[Answer, ...] = tuple(Answer(one, scratch) for one in plans.carry_out(planned))

    @override
    def mutate(self) -> Any:
        """Return earthkit's own source where all answers are GRIB, else this one.

        A field of earthkit's opens its file when it is read and holds nothing but the name: such files stay until the
        process ends.
        """
        if self.answers and all(answer.is_grib for answer in self.answers):
            _OF_FIELDS.extend(answer.scratch for answer in self.answers if answer.scratch)
            return from_source("file", [str(answer.path) for answer in self.answers])
        return self

    def ignore(self) -> bool:
        """Say whether nothing answered."""
        return not self.answers

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> "Iterator[Answer]":
        return iter(self.answers)

    def __getitem__(self, place: int) -> "Answer":
        return self.answers[place]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(answer.name for answer in self.answers)})"

    def to_xarray(self, **options: Any) -> Any:
        """Return rasters and scenes as one ``xarray.Dataset``, several along the dimension ``item``.

        Args:
            options: For each of them, see :meth:`Answer.to_xarray`.

        Raises:
            RequestError: if one is no raster, or they are on different grids: take them one by one.
        """
        import xarray  # noqa: PLC0415

        datasets = [answer.to_xarray(**options) for answer in self._some()]
        if len(datasets) == 1:
            return datasets[0]
        grids = {(one.attrs["crs"], tuple(one.attrs["transform"]), one.sizes["y"], one.sizes["x"]) for one in datasets}
        if len(grids) > 1:
            raise RequestError(f"{len(datasets)} answers are on {len(grids)} grids: take source[0].to_xarray() …")
        names = xarray.DataArray([answer.name for answer in self.answers], dims="item", name="item")
        return xarray.concat(datasets, dim=names, combine_attrs="drop_conflicts", join="override")

    def to_geopandas(self, **options: Any) -> Any:
        """Return vectors (GeoJSON, GeoParquet) as one ``geopandas.GeoDataFrame``; the column ``item`` says whose.

        Raises:
            RequestError: if one is no vector file, or they are in different reference systems.
        """
        import pandas  # noqa: PLC0415

        frames = [answer.to_geopandas(**options).assign(item=answer.name) for answer in self._some()]
        if len({str(frame.crs) for frame in frames}) > 1:
            raise RequestError("the answers are in different reference systems: take source[0].to_geopandas() …")
        return pandas.concat(frames, ignore_index=True)

    def to_pandas(self, **options: Any) -> Any:
        """Return what :meth:`to_geopandas` does."""
        return self.to_geopandas(**options)

    def _some(self) -> "tuple[Answer, ...]":
        if not self.answers:
            raise RequestError("nothing answered the request")
        return self.answers


class _Scratch:
    """A folder that goes with the last one who holds it: the source, or an answer that was taken from it."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="dafab-earthkit-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


_OF_FIELDS: Final[list[_Scratch]] = []
"""Folders of files that earthkit's own fields read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: a file, or the folder of a scene.

    Attributes:
        retrieved: What was written.
        scratch: What keeps it there while the answer is used; ``None`` where it stays.
    """

    retrieved: Retrieved
    scratch: _Scratch | None = field(default=None, repr=False, compare=False)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.retrieved.path

    @property
    def name(self) -> str:
        """What it is: the id of its item."""
        return self.path.parent.name

    @property
    def is_grib(self) -> bool:
        """Whether it is a file of GRIB messages."""
        if not self.path.is_file():
            return False
        with self.path.open("rb") as file:
            return file.read(4) == b"GRIB"

    def to_xarray(self, **options: Any) -> Any:
        """Return a raster or a scene as an ``xarray.Dataset``.

        Args:
            options: ``bands`` of a scene, by name; all of its spectral bands by default.

        Raises:
            RequestError: if it is neither.
        """
        if self.path.is_dir():
            return dataset_of_scene(self.path, **options)
        if self.path.suffix.lower() not in {".tif", ".tiff"}:
            raise self._is_no("raster")
        return dataset_of_raster(self.path, **options)

    def to_geopandas(self, **options: Any) -> Any:
        """Return a GeoJSON or GeoParquet file as a ``geopandas.GeoDataFrame``.

        Args:
            options: For ``geopandas.read_file`` or ``read_parquet``.

        Raises:
            RequestError: if it is neither.
        """
        import geopandas  # noqa: PLC0415

        readers: dict[str, Callable[..., Any]] = {
            ".geojson": geopandas.read_file,
            ".json": geopandas.read_file,
            ".parquet": geopandas.read_parquet,
        }
        if self.path.is_dir() or self.path.suffix.lower() not in readers:
            raise self._is_no("vector file (GeoJSON, GeoParquet)")
        return readers[self.path.suffix.lower()](self.path, **options)

    def to_source(self) -> Any:
        """Return it as earthkit's own readers take it."""
        return from_source("file", str(self.path))

    def _is_no(self, kind: str) -> RequestError:
        return RequestError(f"{self.retrieved.name} is no {kind}: {self.path.name}")


def _requests(
    request: Mapping[str, Values] | str | None, keys: Mapping[str, Values], expect: int | str | None
) -> Sequence[Request]:
    if isinstance(request, str) and keys:
        raise RequestError(f"{next(iter(keys))}: keys by name go with a dictionary, not with a text")
    if not isinstance(request, str):
        query = Query({**(request or {}), **keys})
        found: Sequence[Request] = (Request(_VERB, language.expanded(query)),)
    else:
        found = language.parse(request)
    if not all(one.keys for one in found):
        raise RequestError("the source needs to know what to fetch: keys, or the text of a request")
    for one in found:
        if one.verb != _VERB or one.target is not None or one.source:
            raise RequestError(f"the source takes retrieve without target and source, not {one.verb}")
    stated = language.expected(expect)
    return [one if stated is None else replace(one, expect=stated) for one in found]
