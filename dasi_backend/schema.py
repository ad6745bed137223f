"""The keys of the request language under one configuration: types, where they come from, and who answers them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from dasi_backend import language
from dasi_backend.backends import catalogue_of, store_of
from dasi_backend.config import GRIB, LOCAL, RUCIO, SELECT, Config
from dasi_backend.expressions import ASSET, DOCUMENTED
from dasi_backend.grib import GribBackend
from dasi_backend.keys import LEVEL_1, LEVEL_2, LEVEL_3, WHERE
from dasi_backend.local import LocalBackend
from dasi_backend.rucio import RucioBackend
from rucio_dafab.vocabulary import queryables
from rucio_dafab.vocabulary.queryables import Queryable

_LEVELS: Final = {
    key: f"level {number}" for number, keys in enumerate((LEVEL_1, LEVEL_2, LEVEL_3), start=1) for key in keys
} | {"id": "level 2"}
_TYPES: Final = {"lowercase": "string", "enum": "string", "to-by-list": "integer", "date": "date"}
_DESCRIPTIONS: Final = {
    "mission": "Satellite or constellation: s2a, s1",
    "level": "Processing level or product type: l2a, rtc",
    "date": "Day of the observation (UTC), or days from today: -1",
    "product": "Identifier of a product, in lower case",
    "tile": "MGRS square: 33uwp",
    "orbit": "Relative orbit",
    "time": "Time of the observation (UTC), HHMMSS",
    "baseline": "Processing baseline",
    "kind": "band or part",
    "band": "Band: b02, scl",
    "res": "Ground sample distance of a band",
    "part": "Name of a file that is no band",
    "class": "Who made a field: od, ea",
    "expver": "Version of the experiment: 1",
    "stream": "Kind of forecasting system: oper, enfo",
    "type": "Kind of a field: an, fc",
    "domain": "Area of a field: g for the globe",
    "levtype": "Kind of level: sfc, pl, ml",
    "levelist": "Levels: 850/500",
    "param": "Parameter, by number or short name: 167, 167.128, 2t",
    "step": "Hours of forecast: 0/to/24/by/6",
    "number": "Member of an ensemble",
    ASSET: "Key of an asset of an item",
    WHERE: "A question about any member of documents",
}


_Answering = LocalBackend | RucioBackend | GribBackend


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """One key.

    Attributes:
        key: Its name in requests.
        type: What its values are: ``string``, ``integer``, ``number``, ``date``, ``datetime``, ``geometry`` …
        unit: UCUM code of its values, where they have one.
        store: The level of the rolling store's schema that it is a key of; ``None`` where the store has no such key.
        documents: The members of documents (JSON pointers) that it asks about; none where documents do not answer it.
        alias_of: The key that it is another name of.
        description: One line for people.
        answered_by: The stores of the configuration that know it.
    """

    key: str
    type: str
    unit: str | None
    store: str | None
    documents: tuple[str, ...]
    alias_of: str | None
    description: str
    answered_by: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """Return it as JSON says it."""
        return asdict(self)


def describe(config: Config) -> tuple[KeyDescription, ...]:
    """Return every key that some store of a configuration answers, in the order of the language."""
    answering = _answering(config)
    described = (_describe(key, kind, answering) for key, kind in language.kinds().items())
    return tuple(each for each in described if each.answered_by)


def _answering(config: Config) -> Sequence[tuple[str, _Answering]]:
    """Return who answers, by name; a rolling store has the catalogue of its file beside it."""
    if config.type == SELECT:
        return [(each.name, backend) for each in config.members for _, backend in _answering(each.store)[:1]]
    local: list[tuple[str, _Answering]] = []
    if config.type == LOCAL:
        local = [(LOCAL, LocalBackend(store_of(config)))]
    elif config.type == GRIB:
        local = [(GRIB, GribBackend(config.schema, config.roots))]
    return [*local, *([(RUCIO, catalogue_of(config))] if config.catalogue else [])]


def _describe(key: str, kind: str, answering: Sequence[tuple[str, _Answering]]) -> KeyDescription:
    asked = [backend for _, backend in answering if backend.knows(key)]
    in_store = any(isinstance(backend, LocalBackend) for backend in asked)
    in_documents = any(isinstance(backend, RucioBackend) for backend in asked)
    declared = _declared(key)
    return KeyDescription(
        key=key,
        type=_type(key, kind, declared),
        unit=declared.unit if declared else ("m" if key == "res" else None),
        store=_LEVELS.get(key) if in_store else None,
        documents=_pointers(key) if in_documents else (),
        alias_of=declared.name if declared and declared.name != key else None,
        description=declared.description if declared else _DESCRIPTIONS[key],
        answered_by=tuple(name for name, backend in answering if backend.knows(key)),
    )


def _declared(key: str) -> Queryable | None:
    """Return the queryable that a key is; the store's own keys are not, whatever aliases say."""
    if key in _DESCRIPTIONS:
        return None
    return queryables.load().resolve(key)


def _type(key: str, kind: str, declared: Queryable | None) -> str:
    if declared is not None:
        return declared.type.value
    return "cql2-text" if key == WHERE else _TYPES.get(kind, "string")


def _pointers(key: str) -> tuple[str, ...]:
    if key == ASSET:
        return ("/assets",)
    known = queryables.load()
    names = DOCUMENTED.get(key, () if key == WHERE else (key,))
    return tuple(known.resolve(name).pointer for name in names)
