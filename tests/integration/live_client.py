"""The published client of the live catalogue, in an environment of its own: it wants another urllib3 than Rucio."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = REPOSITORY / "tests" / "live_client" / "requirements.lock"
_MODULE = "dafab_client.helpers.metadata_management.Preflight.validate_derived_item_file"
_VALIDATE = f"""
import json, sys
from {_MODULE} import validate_derived_item
report = validate_derived_item(item_path=sys.argv[1], source="local", post_publish=False, compact_result=False)
print(json.dumps(report["errors"]))
"""


def make_environment(folder: Path) -> Path:
    """Install the client into a new environment in the folder; return its Python."""
    tool = str(Path(sys.executable).with_name("uv"))
    python = folder / "bin" / "python"
    for command in (
        [tool, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [tool, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(REQUIREMENTS)],
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    return python


def errors_of(python: Path, item: dict[str, Any], folder: Path) -> list[str]:
    """Return what the client's own validation finds wrong with a derived item."""
    path, profile = folder / f"{item['id']}.json", folder / "profile.json"
    path.write_text(json.dumps(item))
    # It reads a profile when it is imported; nothing listens at port 9, and nothing is asked of it.
    nowhere = {"rucio_host": "http://127.0.0.1:9", "auth_host": "http://127.0.0.1:9", "auth_type": "userpass"}
    profile.write_text(
        json.dumps(nowhere | {"account": "nobody", "creds": {"username": "", "password": ""}, "vo": "def"})
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DAFAB_PROFILE_PATH": str(profile)}
    command = [str(python), "-c", _VALIDATE, str(path)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    return [str(each) for each in json.loads(ran.stdout.splitlines()[-1])]
