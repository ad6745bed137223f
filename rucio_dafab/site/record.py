"""What was chosen when a site was made, kept in ``site.json``."""

import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from rucio_dafab import __version__
from rucio_dafab.errors import DafabError
from rucio_dafab.files import read_json, write_json
from rucio_dafab.site.home import Home
from rucio_dafab.site.ports import LOOPBACK, check_free, free_ports, is_free

# What every configuration language between here and the servers reads alike, unquoted or quoted.
_PLAIN_PATH: Final = re.compile(r"[\w/.+@=~-]+")


class SiteRecordError(DafabError):
    """``site.json`` cannot be used, or the site was never made."""


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """The choices of one site.

    Attributes:
        http_port: where the service listens on loopback; documents carry it, so it does not change by itself.
        postgres_port: where PostgreSQL listens on loopback; private, chosen again when it is taken.
        sockets: a short folder outside the site for the supervisor's socket, while the site runs.
        version: the version of this project that wrote the record.
        prepared: the fingerprint that the database was last prepared for, see :mod:`rucio_dafab.site.fingerprint`.
    """

    http_port: int
    postgres_port: int
    sockets: str = ""
    version: str = __version__
    prepared: str = ""

    @property
    def url(self) -> str:
        """The address of the service."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def socket(self) -> Path:
        """The supervisor's socket."""
        return Path(self.sockets) / "supervisor.sock"


def load(home: Home) -> SiteRecord | None:
    """Return the record of a site, or ``None`` when it was never made.

    Raises:
        SiteRecordError: if the file is not one that this project wrote.
    """
    value = read_json(home.site_file)
    return None if value is None else _from_json(home, value)


def require(home: Home) -> SiteRecord:
    """Return the record of a site that must exist.

    Raises:
        SiteRecordError: if the site was never made.
    """
    record = load(home)
    if record is None:
        raise SiteRecordError(f"there is no site in {home.root}: start one with rucio-dafab up, or set DAFAB_HOME")
    return record


def save(home: Home, record: SiteRecord) -> None:
    """Write the record."""
    write_json(home.site_file, asdict(record) | {"url": record.url})


def check_path(home: Home) -> None:
    """Refuse a folder whose name some configuration file could not carry.

    Raises:
        SiteRecordError: naming the characters.
    """
    strange = sorted(set(_PLAIN_PATH.sub("", str(home.root))))
    if strange:
        raise SiteRecordError(
            f"the path {str(home.root)!r} has {''.join(strange)!r} in it, which server files cannot carry"
        )


def choose(home: Home, port: int | None) -> SiteRecord:
    """Return the record to start a site with: remembered choices, checked, or new ones.

    Args:
        home: the site, which does not run.
        port: the HTTP port that the user wants; ``None`` for the remembered one or any.

    Raises:
        PortTaken: if the HTTP port is in use by somebody else.
    """
    known = load(home)
    if known is None:
        http_port, postgres_port = free_ports(2)
        known = SiteRecord(http_port, postgres_port)
    elif port is None:
        check_free(known.http_port, "this site", "choose another with rucio-dafab up --port")
    if port is not None:
        check_free(port, "this site", "choose another with rucio-dafab up --port")
        known = replace(known, http_port=port)
    if not is_free(known.postgres_port) or known.postgres_port == known.http_port:
        known = replace(known, postgres_port=next(iter(set(free_ports(2)) - {known.http_port})))
    return replace(known, version=__version__)


def _from_json(home: Home, value: dict[str, Any]) -> SiteRecord:
    try:
        return SiteRecord(
            http_port=int(value["http_port"]),
            postgres_port=int(value["postgres_port"]),
            sockets=str(value["sockets"]),
            version=str(value["version"]),
            prepared=str(value.get("prepared", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise SiteRecordError(f"{home.site_file} is not a record of a site: {error!r}") from error
