"""Where a site keeps its state: one folder, ``DAFAB_HOME``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

ACCOUNTS: Final = ("root", "dafab_admin", "dafab_dasi", "dafab_skim", "user_dafab")
"""The accounts of a site: administration, originals, derived products, reading."""

ORIGINALS_ACCOUNT: Final = "dafab_dasi"
"""The account that registers scenes."""

DERIVED_ACCOUNT: Final = "dafab_skim"
"""The account that registers what was made of them."""

RSES: Final = ("MELUXINA", "CLOUD")
"""The storage elements (RSE) of a local site, each a folder."""

STORE_RSE: Final = "ROLLING_STORE"
"""The storage element that is the rolling store: what is on it comes and goes by the store's own rules."""

REFERENCE_WATER: Final = "reference_water"
"""The folder of water occurrence among the scenes of a site."""

SCOPE: Final = "dafab"
"""The scope of every DID of the catalogue."""


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one site. Nothing here touches the disk."""

    root: Path

    @classmethod
    def from_environment(cls) -> Self:
        """Return the home named by ``DAFAB_HOME``, by default ``.dafab`` in the current folder."""
        return cls(Path(os.environ.get("DAFAB_HOME") or ".dafab").absolute())

    @property
    def site_file(self) -> Path:
        """What was chosen when the site was made: ports, addresses, versions (JSON)."""
        return self.root / "site.json"

    @property
    def credentials_file(self) -> Path:
        """The generated passwords by account (JSON, mode 0600)."""
        return self.root / "credentials.json"

    @property
    def etc(self) -> Path:
        """Generated configuration."""
        return self.root / "etc"

    @property
    def log(self) -> Path:
        """Logs of every process."""
        return self.root / "log"

    @property
    def run(self) -> Path:
        """What exists only while the site works: locks and process ids."""
        return self.root / "run"

    @property
    def server_config(self) -> Path:
        """The ``rucio.cfg`` of the server (mode 0600: it holds the database's password)."""
        return self.etc / "server" / "rucio.cfg"

    @property
    def postgres(self) -> Path:
        """The data folder of the private PostgreSQL cluster."""
        return self.root / "postgres"

    @property
    def store(self) -> Path:
        """The root of the FDB rolling store."""
        return self.root / "store"

    @property
    def dasi_config(self) -> Path:
        """The ``dasi.yml`` of this site."""
        return self.etc / "dasi.yml"

    @property
    def work(self) -> Path:
        """Working folders of runs; safe to remove when nothing runs."""
        return self.root / "work"

    @property
    def reference_water(self) -> Path:
        """Where a site keeps tiles of JRC's water occurrence, beside its scenes; it need not have any."""
        return self.root / "scenes" / REFERENCE_WATER

    def rse(self, name: str) -> Path:
        """Return the folder behind an RSE."""
        return self.root / "rse" / name

    def client_config(self, account: str) -> Path:
        """Return the ``rucio.cfg`` of one account (section ``[client]`` only, mode 0600)."""
        return self.etc / "clients" / account / "rucio.cfg"
