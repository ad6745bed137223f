"""From a configuration to who answers requests."""

from pathlib import Path

from dasi_backend import staged
from dasi_backend.config import LOCAL, RUCIO, SELECT, Config
from dasi_backend.errors import ConfigError, KeyRefused
from dasi_backend.local import LocalBackend
from dasi_backend.rucio import RucioBackend
from dasi_backend.select import Backend, Member, SelectBackend, home_of, not_archived
from dasi_backend.store import Store


def backend_of(config: Config) -> LocalBackend | RucioBackend | SelectBackend:
    """Return who answers requests under a configuration, by its type.

    Raises:
        ConfigError: if the configuration lacks what its type needs.
    """
    if config.type == SELECT:
        return SelectBackend([Member[Backend](each.name, each.rule, backend_of(each.store)) for each in config.members])
    return catalogue_of(config) if config.type == RUCIO else LocalBackend(store_of(config))


def store_of(config: Config) -> Store:
    """Return the rolling store of a configuration.

    Raises:
        ConfigError: if there is none, or several members are one.
    """
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


def store_for(config: Config, folder: Path) -> Store:
    """Return the rolling store that a staged scene is archived in.

    Raises:
        StagedError: if the folder is no staged scene.
        KeyRefused: if it belongs to a catalogue, or to nobody.
    """
    if config.type != SELECT:
        return store_of(config)
    key = staged.read(folder).key.index
    member = home_of(key, config.members)
    if member.store.type != LOCAL:
        raise KeyRefused(not_archived(key, member))
    return store_of(member.store)
