"""From a configuration to who answers requests."""

from pathlib import Path

from dasi_backend import staged
from dasi_backend.config import GRIB, LOCAL, RUCIO, SELECT, Config
from dasi_backend.errors import ConfigError
from dasi_backend.fields import FIELD_KEYS
from dasi_backend.grib import GribBackend
from dasi_backend.keys import STORE_KEYS
from dasi_backend.language import Request
from dasi_backend.local import LocalBackend
from dasi_backend.rucio import RucioBackend
from dasi_backend.rucio_writing import CatalogueWriter
from dasi_backend.select import Backend, Member, SelectBackend, home_of
from dasi_backend.store import Store

AnyBackend = LocalBackend | RucioBackend | SelectBackend | GribBackend


def backend_of(config: Config) -> AnyBackend:
    """Return who answers requests under a configuration, by its type.

    Raises:
        ConfigError: if the configuration lacks what its type needs.
    """
    if config.type == SELECT:
        return SelectBackend([Member[Backend](each.name, each.rule, backend_of(each.store)) for each in config.members])
    if config.type == GRIB:
        return GribBackend(config.schema, config.roots)
    return catalogue_of(config) if config.type == RUCIO else LocalBackend(store_of(config))


def backend_for(config: Config, request: Request) -> AnyBackend:
    """Return who answers a request: the catalogue, where it names what only documents say; else whom the type says.

    Raises:
        ConfigError: if the configuration lacks who could answer.
    """
    documented = [key for key in request.keys if key not in STORE_KEYS]
    if config.type != LOCAL or not documented:
        return backend_of(config)
    if config.catalogue is not None:
        return catalogue_of(config)
    store = LocalBackend(store_of(config))
    if unknown := [key for key in documented if not store.knows(key)]:
        if unknown[0] in FIELD_KEYS:
            raise ConfigError(f"{unknown[0]}: a key of fields, and dasi.yml names no FDB of them (type: grib)")
        raise ConfigError(f"{unknown[0]}: only a catalogue knows that, and dasi.yml has no section rucio")
    return store


def store_of(config: Config) -> Store:
    """Return the rolling store of a configuration.

    Raises:
        ConfigError: if there is none, or several members are one.
    """
    if config.type == GRIB:
        raise ConfigError("the FDB of dasi.yml is one of fields (type: grib), in which dasi only reads")
    if not config.roots:
        raise ConfigError("spaces in dasi.yml names no root, or several members have one: which store is meant?")
    return Store(config.roots[0], config.schema, config.roots[1:])


def catalogue_of(config: Config) -> RucioBackend:
    """Return the catalogue of a configuration.

    Raises:
        ConfigError: if it names none.
    """
    if config.catalogue is None:
        raise ConfigError("dasi.yml has no section rucio: which catalogue is meant?")
    return RucioBackend(config.catalogue)


def archive_for(config: Config, folder: Path) -> Store | CatalogueWriter:
    """Return where a staged scene is archived.

    Raises:
        StagedError: if the folder is no staged scene.
        KeyRefused: if it belongs to nobody.
    """
    if config.type == SELECT:
        return archive_for(home_of(staged.read(folder).key.index, config.members).store, folder)
    return catalogue_of(config).writer if config.type == RUCIO else store_of(config)
