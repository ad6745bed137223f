"""What the preparation of a database depends on, as one value: unchanged, it need not run again."""

from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import rucio_dafab
from rucio_dafab.resources import resources

_CODE: Final = ("catalogue/migrations/**/*.py", "catalogue/columns.py", "catalogue/tables.py", "site/provision.py")
_RESOURCES: Final = ("collections/*.json", "queryables.toml")


def fingerprint() -> str:
    """Return a hash over the version of Rucio, our tables and migrations, and what a new site is filled with."""
    package = Path(rucio_dafab.__file__).parent
    found = [path for pattern in _CODE for path in package.glob(pattern)]
    found += [path for pattern in _RESOURCES for path in (resources() / "etc").glob(pattern)]
    total = sha256(version("rucio").encode())
    for path in sorted(found):
        total.update(path.name.encode() + b"\0" + sha256(path.read_bytes()).digest())
    return total.hexdigest()
