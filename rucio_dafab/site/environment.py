"""The shell variables that point the commands ``rucio`` and ``dasi`` at a site."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from rucio_dafab.errors import DafabError
from rucio_dafab.resources import resources
from rucio_dafab.site import record
from rucio_dafab.site.home import ACCOUNTS, Home

FOREIGN: Final = ("RUCIO_ACCOUNT", "RUCIO_AUTH_TYPE", "RUCIO_HOME", "RUCIO_VO")
"""What a user may have set for another Rucio; it would win over the site's configuration."""


class UnknownAccount(DafabError):
    """The site has no account of that name."""


def check_account(account: str) -> None:
    """Refuse an account that no site has.

    Raises:
        UnknownAccount: naming the accounts there are.
    """
    if account not in ACCOUNTS:
        raise UnknownAccount(f"the site has no account {account!r}: it has {', '.join(ACCOUNTS)}")


def variables(home: Home, account: str) -> dict[str, str]:
    """Return the variables for one account of a site.

    Raises:
        UnknownAccount: naming the accounts there are.
        SiteRecordError: if the site was never made.
    """
    check_account(account)
    known = record.require(home)
    found = {
        "DAFAB_HOME": str(home.root),
        "DAFAB_URL": known.url,
        "RUCIO_CONFIG": str(home.client_config(account)),
        "DASI_CONFIG": str(home.dasi_config),
    }
    language = resources() / "etc" / "fdb" / "metkit"
    return found | ({"METKIT_HOME": str(language)} if language.is_dir() else {})


def shell_lines(home: Home, account: str) -> str:
    """Return the variables as lines that a POSIX shell evaluates, the commands' folder on ``PATH`` among them."""
    lines = [f"unset {' '.join(FOREIGN)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables(home, account).items()]
    commands = Path(sys.executable).parent
    found = shutil.which("rucio")
    if found is None or Path(found).parent != commands:
        lines.append(f'export PATH={shlex.quote(str(commands))}:"$PATH"')
    return "\n".join(lines)


def process_environment(home: Home, account: str) -> dict[str, str]:
    """Return the whole environment for a command run as one account of the site."""
    mine = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    path = os.pathsep.join((str(Path(sys.executable).parent), mine.get("PATH", os.defpath)))
    return mine | variables(home, account) | {"PATH": path}
