"""The clients of the catalogue that a ``dasi.yml`` names: one account reads, another may write."""

import os
from pathlib import Path

from dasi_backend.config import Catalogue
from dasi_backend.errors import ConfigError
from rucio_dafab.client import DafabClient


def reader(settings: Catalogue) -> DafabClient:
    """Return the client of the account that reads.

    Raises:
        ConfigError: if no account is named.
        ClientError: if the catalogue does not answer or refuses the account.
    """
    return DafabClient.from_config(_path(settings.config_path))


def writer(settings: Catalogue) -> DafabClient:
    """Return the client of the account that publishes, archives and wipes; refusals are those of :func:`reader`."""
    return DafabClient.from_config(_path(settings.writer_config_path or settings.config_path))


def _path(named: Path | None) -> Path:
    path = named or (Path(os.environ["RUCIO_CONFIG"]) if "RUCIO_CONFIG" in os.environ else None)
    if path is None:
        raise ConfigError("no account for the catalogue: set rucio.config_path in dasi.yml, or RUCIO_CONFIG")
    return path
