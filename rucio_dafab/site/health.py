"""Whether a site answers, asked from outside."""

from typing import Any, Final, cast

import requests

from rucio_dafab.site.record import SiteRecord

_PATIENCE: Final = 5.0


def ask(record: SiteRecord) -> dict[str, Any] | None:
    """Return what ``GET /dafab/health`` says, or ``None`` when nothing of ours answers there."""
    try:
        answer = requests.get(f"{record.url}/dafab/health", timeout=_PATIENCE)
        value = answer.json()
    except (requests.RequestException, ValueError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) and "database" in value else None


def is_well(record: SiteRecord) -> bool:
    """Say whether the service answers and its database, Rucio and the catalogue work."""
    found = ask(record)
    return found is not None and found.get("status") == "ok"
