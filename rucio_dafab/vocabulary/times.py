"""Instants and intervals as people write them: dates, RFC 3339 times and `begin/end`."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from rucio_dafab.vocabulary.errors import VocabularyError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?", re.IGNORECASE)
# PostgreSQL keeps microseconds, so this is the last instant of a day that it can tell from the next day.
_LAST_OF_DAY = timedelta(days=1) - timedelta(microseconds=1)


@dataclass(frozen=True)
class Interval:
    """A closed interval of time; ``None`` is an open end. Both ends are in UTC.

    Raises:
        VocabularyError: if the end lies before the start, or both ends are open.
    """

    start: datetime | None
    end: datetime | None

    def __post_init__(self) -> None:
        if self.start is None and self.end is None:
            raise VocabularyError("an interval needs a begin or an end, not '../..'")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise VocabularyError(f"the interval ends ({format_instant(self.end)}) before it begins")

    @property
    def is_instant(self) -> bool:
        """Whether begin and end are the same instant."""
        return self.start == self.end


def parse_extent(text: str) -> Interval:
    """Return what a date (its whole day) or a time (its instant, in UTC where it has no offset) covers.

    Raises:
        VocabularyError: if `text` is neither.
    """
    text = text.strip()
    try:
        if _DATE.fullmatch(text):
            first = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return Interval(first, first + _LAST_OF_DAY)
        if _TIME.fullmatch(text):
            moment = datetime.fromisoformat(_microseconds(text.upper()))
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            return Interval(moment, moment)
    except (ValueError, OverflowError) as error:
        raise VocabularyError(f"'{text[:60]}' is not a time: {error}") from error
    raise VocabularyError(f"'{text[:60]}' is not a time: write 2026-06-01 or 2026-06-01T10:30:00Z")


def parse_interval(text: str) -> Interval:
    """Return the interval of ``begin/end`` (``..`` is an open end), or what a single date or time covers.

    Raises:
        VocabularyError: if a part is not a time or the interval is empty.
    """
    begin, slash, end = text.partition("/")
    if not slash:
        return parse_extent(text)
    start = None if begin.strip() in {"", ".."} else parse_extent(begin).start
    stop = None if end.strip() in {"", ".."} else parse_extent(end).end
    return Interval(start, stop)


def format_instant(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC, with microseconds only where it has some."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _microseconds(text: str) -> str:
    """Cut fractions of a second to the six digits that Python and PostgreSQL keep."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)
