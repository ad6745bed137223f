"""``dasi.yml``: where the rolling store is, and which catalogue to ask.

type: local                # local | rucio: who answers what both could; select: the members of fdbs, by rules;
                           # grib: an ordinary FDB of GRIB messages, with its own schema and spaces
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
  writer_config_path: …    # the account that publishes, archives and wipes; config_path by default
  store_rse: ROLLING_STORE # the RSE that is this rolling store
sites:                     # where disseminate delivers to: a folder by name
  PARTNER: …/partner
fdbs:                      # type: select; each member is a dasi.yml of its own
  - select: mission=^s2    # regular expressions by key; a member without takes everything
    type: local
    spaces: …
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any, Final

import yaml
from typing_extensions import override

from dasi_backend import language
from dasi_backend.errors import ConfigError
from dasi_backend.rules import Rule
from dasi_backend.select import Member
from rucio_dafab.resources import resources
from rucio_dafab.site.home import SCOPE, STORE_RSE, Home

VARIABLE: Final = "DASI_CONFIG"
"""The environment variable that names the file."""

LOCAL: Final = "local"
RUCIO: Final = "rucio"
SELECT: Final = "select"
GRIB: Final = "grib"

SITE_NAME: Final = r"[A-Za-z][A-Za-z0-9_-]*"
"""What a site may be called: a target says the name before a colon."""

_KEYS: Final = frozenset({"type", "schema", "retention", "catalogue", "store", "spaces", "rucio", "sites"})
_SELECT_KEYS: Final = frozenset({"type", "fdbs", "sites"})
_RUCIO_KEYS: Final = frozenset({"config_path", "scope", "rse", "protocol", "writer_config_path", "store_rse"})
_ENGINES: Final = {"catalogue": "toc", "store": "file"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The section ``rucio``.

    Attributes:
        config_path: The client's ``rucio.cfg``; ``None`` for the one that ``RUCIO_CONFIG`` names.
        scope: Scope of the DIDs.
        rse: The RSE whose replicas are tried first.
        protocol: The scheme of replicas that are tried first, such as ``file``.
        writer_config_path: The ``rucio.cfg`` of the account that writes; ``None`` for the one that reads.
        store_rse: The RSE that is the rolling store of the same file.
    """

    config_path: Path | None = None
    scope: str = SCOPE
    rse: str | None = None
    protocol: str | None = None
    writer_config_path: Path | None = None
    store_rse: str = STORE_RSE


@dataclass(frozen=True, slots=True)
class Config:
    """A ``dasi.yml``.

    Attributes:
        type: ``local``, ``rucio``, ``select`` or ``grib``.
        schema: The schema of new databases.
        roots: Folders of databases.
        catalogue: The catalogue, where the file names one.
        retention: The retention policy; ``None`` for ours.
        members: Who answers, where the type is ``select``.
        sites: Folders that ``disseminate`` delivers to, by the name of the site.
    """

    type: str
    schema: Path
    roots: tuple[Path, ...]
    catalogue: Catalogue | None
    retention: Path | None = None
    members: "tuple[Member[Config], ...]" = ()
    sites: Mapping[str, Path] = field(default_factory=dict)


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
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # no UTF-8, no real day, no end of brackets
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    return _config(document, path)


def _config(document: Any, path: Path) -> Config:
    if isinstance(document, dict) and document.get("type") == SELECT:
        return _select(document, path)
    return _store(document, _Place(path))


def _select(document: Mapping[str, Any], path: Path) -> Config:
    """Read members; what is of one store or one catalogue is that of the only one there is."""
    _refuse_unknown(document, _SELECT_KEYS, _Place(path), "")
    sections = document.get("fdbs")
    if not isinstance(sections, list) or not sections:
        raise ConfigError(f"{path}: type is {SELECT} and fdbs names no member")
    members = tuple(_member(section, _Place(path, f": fdbs[{place}]")) for place, section in enumerate(sections))
    stores = [each.store for each in members if each.store.type == LOCAL]
    catalogues = [each.store.catalogue for each in members if each.store.type == RUCIO]
    store = stores[0] if len(stores) == 1 else None
    return Config(
        type=SELECT,
        schema=store.schema if store else _schema(),
        roots=store.roots if store else (),
        catalogue=catalogues[0] if len(catalogues) == 1 else None,
        retention=store.retention if store else None,
        members=members,
        sites=_sites(document.get("sites"), _Place(path)),
    )


def _member(section: Any, place: "_Place") -> Member[Config]:
    if not isinstance(section, dict):
        raise ConfigError(f"{place} is no dasi.yml of a member: it holds no keys")
    text = section.get("select", "")
    if not isinstance(text, str):
        raise ConfigError(f"{place}: select is {text!r}, not key=expression")
    config = _store({key: value for key, value in section.items() if key != "select"}, place)
    try:
        rule = Rule.parse(text, language.keys())
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from error
    return Member(f"{place.inside.removeprefix(': ')} ({config.type})", rule, config)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in which file something stands, as errors say it."""

    path: Path
    inside: str = ""

    @override
    def __str__(self) -> str:
        return f"{self.path}{self.inside}"


def _store(document: Any, place: _Place) -> Config:
    if not isinstance(document, dict):
        raise ConfigError(f"{place} is no dasi.yml: it holds no keys")
    _refuse_unknown(document, _KEYS, place, "")
    kind = document.get("type", LOCAL)
    if kind not in (LOCAL, RUCIO, GRIB):  # not a set: it may be a list
        raise ConfigError(f"{place}: type is {kind!r}, not {LOCAL}, {RUCIO}, {GRIB} or (for a whole file) {SELECT}")
    for key, engine in _ENGINES.items():
        if document.get(key, engine) != engine:
            raise ConfigError(f"{place}: {key} is {document[key]!r}: only {engine} is supported")
    roots = _roots(document.get("spaces"), place)
    catalogue = _catalogue(document["rucio"], place) if document.get("rucio") is not None else None
    if kind == RUCIO and catalogue is None:
        raise ConfigError(f"{place}: type is {RUCIO} and there is no section {RUCIO}")
    if kind in {LOCAL, GRIB} and not roots:
        raise ConfigError(f"{place}: spaces names no root")
    if kind == GRIB and "schema" not in document:
        raise ConfigError(f"{place}: type is {GRIB} and no schema is named: that of its FDB")
    schema = _path(document.get("schema"), place) or _schema()
    retention, sites = _path(document.get("retention"), place), _sites(document.get("sites"), place)
    return Config(kind, schema, roots, catalogue, retention, sites=sites)


def _sites(section: Any, place: _Place) -> dict[str, Path]:
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise ConfigError(f"{place}: sites is no section of names and folders")
    if unfit := [name for name in section if not re.fullmatch(SITE_NAME, str(name))]:
        raise ConfigError(f"{place}: sites.{unfit[0]} is no name of a site: letters, digits, _ and -, a letter first")
    found = {str(name): _path(folder, place) for name, folder in section.items()}
    return {name: folder for name, folder in found.items() if folder is not None}


def _roots(spaces: Any, place: _Place) -> tuple[Path, ...]:
    if spaces is None:
        return ()
    try:
        found = [_path(root["path"], place) for space in spaces for root in space["roots"]]
    except (TypeError, KeyError) as error:
        raise ConfigError(f"{place}: spaces is not a list of {{roots: [{{path: …}}]}}") from error
    return tuple(root for root in found if root is not None)


def _catalogue(section: Any, place: _Place) -> Catalogue:
    if not isinstance(section, dict):
        raise ConfigError(f"{place}: rucio is no section")
    _refuse_unknown(section, _RUCIO_KEYS, place, "rucio.")
    for key, value in section.items():
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{place}: rucio.{key} is {value!r}, not a text")
    return Catalogue(
        config_path=_path(section.get("config_path"), place),
        scope=section.get("scope", SCOPE),
        rse=section.get("rse"),
        protocol=section.get("protocol"),
        writer_config_path=_path(section.get("writer_config_path"), place),
        store_rse=section.get("store_rse", STORE_RSE),
    )


def _refuse_unknown(keys: Mapping[str, Any], known: frozenset[str], place: _Place, prefix: str) -> None:
    if unknown := sorted(str(key) for key in keys if key not in known):
        raise ConfigError(f"{place}: unknown key {prefix}{unknown[0]} (known are {', '.join(sorted(known))})")


def _path(value: Any, place: _Place) -> Path | None:
    """Return a path, taken from the folder of the file when it is relative."""
    if value is None:
        return None
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"{place}: {value!r} is no path")
    try:
        return (place.path.parent / Path(value).expanduser()).absolute()
    except RuntimeError as error:
        raise ConfigError(f"{place}: {value!r} is no path: nobody of that name has a home") from error


def _schema() -> Path:
    return resources() / "etc" / "fdb" / "schema"
