"""``dasi.yml``: where the rolling store is, and which catalogue to ask.

type: local                # local | rucio: who answers what both could
schema: …/etc/fdb/schema   # ours by default
retention: …/retention.toml # ours by default
catalogue: toc
store: file
spaces:
  - roots:
      - path: …/store
rucio:
  config_path: …/rucio.cfg # RUCIO_CONFIG by default
  scope: dafab
  rse: MELUXINA            # replicas here are tried first
  protocol: file
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml

from dasi_backend.errors import ConfigError
from rucio_dafab.resources import resources
from rucio_dafab.site.home import SCOPE, Home

VARIABLE: Final = "DASI_CONFIG"
"""The environment variable that names the file."""

LOCAL: Final = "local"
RUCIO: Final = "rucio"

_KEYS: Final = frozenset({"type", "schema", "retention", "catalogue", "store", "spaces", "rucio"})
_RUCIO_KEYS: Final = frozenset({"config_path", "scope", "rse", "protocol"})
_ENGINES: Final = {"catalogue": "toc", "store": "file"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The section ``rucio``.

    Attributes:
        config_path: The client's ``rucio.cfg``; ``None`` for the one that ``RUCIO_CONFIG`` names.
        scope: Scope of the DIDs.
        rse: The RSE whose replicas are tried first.
        protocol: The scheme of replicas that are tried first, such as ``file``.
    """

    config_path: Path | None = None
    scope: str = SCOPE
    rse: str | None = None
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class Config:
    """A ``dasi.yml``.

    Attributes:
        type: ``local`` or ``rucio``.
        schema: The schema of new databases.
        roots: Folders of databases.
        catalogue: The catalogue, where the file names one.
        retention: The retention policy; ``None`` for ours.
    """

    type: str
    schema: Path
    roots: tuple[Path, ...]
    catalogue: Catalogue | None
    retention: Path | None = None


def find(path: Path | None = None) -> Config:
    """Return the configuration of `path`, or of ``DASI_CONFIG``, or of the site in ``DAFAB_HOME``.

    Raises:
        ConfigError: if there is none or it cannot be used.
    """
    home = Home.from_environment()
    named = path or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None and named.absolute() != home.dasi_config:
        return read(named)
    if home.dasi_config.is_file():
        return read(home.dasi_config)
    if home.root.is_dir():
        return of_site(home)
    raise ConfigError(f"no dasi.yml: give --config, set {VARIABLE}, or start a site (rucio-dafab up) in {home.root}")


def of_site(home: Home) -> Config:
    """Return the configuration that a site has by default (``etc/fdb/dasi.yml.template``)."""
    template = resources() / "etc" / "fdb" / "dasi.yml.template"
    text = Template(template.read_text(encoding="utf-8")).substitute(home=home.root, schema=_schema())
    return _config(yaml.safe_load(text), template)


def read(path: Path) -> Config:
    """Read a ``dasi.yml``.

    Raises:
        ConfigError: naming the file and the key that is wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return _config(document, path)


def _config(document: Any, path: Path) -> Config:
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is no dasi.yml: it holds no keys")
    _refuse_unknown(document, _KEYS, path, "")
    kind = document.get("type", LOCAL)
    if kind not in {LOCAL, RUCIO}:
        raise ConfigError(f"{path}: type is {kind!r}, not {LOCAL} or {RUCIO}")
    for key, engine in _ENGINES.items():
        if document.get(key, engine) != engine:
            raise ConfigError(f"{path}: {key} is {document[key]!r}: only {engine} is supported")
    roots = _roots(document.get("spaces"), path)
    catalogue = _catalogue(document["rucio"], path) if document.get("rucio") is not None else None
    if kind == RUCIO and catalogue is None:
        raise ConfigError(f"{path}: type is {RUCIO} and there is no section {RUCIO}")
    if kind == LOCAL and not roots:
        raise ConfigError(f"{path}: spaces names no root")
    schema = _path(document.get("schema"), path) or _schema()
    return Config(kind, schema, roots, catalogue, _path(document.get("retention"), path))


def _roots(spaces: Any, path: Path) -> tuple[Path, ...]:
    if spaces is None:
        return ()
    try:
        found = [_path(root["path"], path) for space in spaces for root in space["roots"]]
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{path}: spaces is not a list of {{roots: [{{path: …}}]}}") from error
    return tuple(root for root in found if root is not None)


def _catalogue(section: Any, path: Path) -> Catalogue:
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: rucio is no section")
    _refuse_unknown(section, _RUCIO_KEYS, path, "rucio.")
    for key, value in section.items():
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{path}: rucio.{key} is {value!r}, not a text")
    return Catalogue(
        config_path=_path(section.get("config_path"), path),
        scope=section.get("scope", SCOPE),
        rse=section.get("rse"),
        protocol=section.get("protocol"),
    )


def _refuse_unknown(keys: Mapping[str, Any], known: frozenset[str], path: Path, prefix: str) -> None:
    if unknown := sorted(str(key) for key in keys if key not in known):
        raise ConfigError(f"{path}: unknown key {prefix}{unknown[0]} (known are {', '.join(sorted(known))})")


def _path(value: Any, path: Path) -> Path | None:
    """Return a path, taken from the folder of the file when it is relative."""
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{path}: {value!r} is no path")
    return (path.parent / Path(value).expanduser()).absolute()


def _schema() -> Path:
    return resources() / "etc" / "fdb" / "schema"
