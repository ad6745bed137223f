"""Crop seasons: read from ``seasons.toml``, and which of them are in the weeks before their harvest."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from argo_templates.work import WorkError

MEMBER: Final = "dafab:season"
"""The member of ``properties`` of an item of fields: ``{id, crop, start, harvest, tile}``."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DAY: Final = re.compile(r"(\d\d)-(\d\d)")
_MEMBERS: Final = {"name": str, "area": str, "crop": str, "start": str, "harvest": str, "lead_weeks": int}


@dataclass(frozen=True, slots=True)
class Season:
    """A season of one year.

    Attributes:
        id: its name and the year of its harvest.
        area, crop: as the file has them.
        start, harvest: its first day and the day of harvest.
        opens: from which day on fields are delineated.
    """

    id: str
    area: str
    crop: str
    start: date
    harvest: date
    opens: date

    def told(self) -> dict[str, str]:
        """Return what an item says of it."""
        return {
            "id": self.id,
            "crop": self.crop,
            "start": self.start.isoformat(),
            "harvest": self.harvest.isoformat(),
        }


def read(path: Path) -> list[dict[str, Any]]:
    """Return the seasons of a file, checked.

    Raises:
        WorkError: if it cannot be read, or naming the first member that is wrong.
    """
    try:
        seasons = tomllib.loads(path.read_text(encoding="utf-8")).get("season", [])
    except (OSError, ValueError) as error:
        raise WorkError(f"{path} is no file of seasons: {error}") from error
    for number, season in enumerate(seasons, start=1):
        _check(f"{path}: season {number}", season)
    return list(seasons)


def _check(place: str, season: dict[str, Any]) -> None:
    if set(season) != set(_MEMBERS):
        raise WorkError(f"{place} has {', '.join(sorted(season))}: it has {', '.join(_MEMBERS)}")
    for member, kind in _MEMBERS.items():
        if type(season[member]) is not kind:
            raise WorkError(f"{place}: {member} {season[member]!r} is no {'text' if kind is str else 'number'}")
    if not _NAME.fullmatch(season["name"]):
        raise WorkError(f"{place}: the name {season['name'][:60]!r} is not of small letters, digits and -")
    if not 1 <= season["lead_weeks"] <= 52:
        raise WorkError(f"{place}: lead_weeks {season['lead_weeks']} is not from 1 to 52")
    for member in ("start", "harvest"):
        _day(season[member], 2024, f"{place}: {member}")


def open_seasons(seasons: Iterable[dict[str, Any]], today: date) -> list[Season]:
    """Return the seasons in whose weeks before the harvest, the day of harvest included, a day is."""
    found = [_of_year(season, year) for season in seasons for year in (today.year, today.year + 1)]
    return [each for each in found if each.opens <= today <= each.harvest]


def _of_year(season: dict[str, Any], year: int) -> Season:
    harvest = _day(season["harvest"], year, "harvest")
    start = _day(season["start"], year, "start")
    if start >= harvest:
        start = _day(season["start"], year - 1, "start")
    opens = max(start, harvest - timedelta(weeks=season["lead_weeks"]))
    return Season(f"{season['name']}-{year}", season["area"], season["crop"], start, harvest, opens)


def _day(text: str, year: int, place: str) -> date:
    found = _DAY.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        # The end of February where there is no leap day.
        day = 28 if (found[1], found[2]) == ("02", "29") and year % 4 else int(found[2])
        return date(year, int(found[1]), day)
    except ValueError as error:
        raise WorkError(f"{place} {text[:20]!r} is no MONTH-DAY") from error
