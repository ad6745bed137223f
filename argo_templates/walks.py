"""Where a walk through an archive is: a cursor that a workflow hands from step to step, and what each step handed out.

A scene is handed out once a walk. What fails at it does not stop the walk, which says at its end what was not made.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, Self

from argo_templates.work import RunFolder, WorkError, read_json, write_json

MOST_STEPS: Final = 90
"""Steps of one walk. Each is a template that calls itself, what it does with a scene calls four more, and Argo ends as
an error what is called more than 100 deep."""

_CURSOR: Final = re.compile(r"(\d{4}-\d{2}-\d{2})\.(\d{1,4})")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a walk.

    Attributes:
        run: the folder of the workflow.
        day: where it begins; ``None`` for the first, which begins where the walk does.
        number: of the step, from 0.
    """

    run: RunFolder
    day: date | None
    number: int

    @classmethod
    def at(cls, run: RunFolder, cursor: str) -> Self:
        """Return the step of a cursor; the first one of an empty text.

        Raises:
            WorkError: if it is none.
        """
        if not cursor:
            return cls(run, None, 0)
        try:
            day, number = _CURSOR.fullmatch(cursor).groups()  # type: ignore[union-attr]
            return cls(run, date.fromisoformat(day), int(number))
        except (AttributeError, ValueError) as error:
            raise WorkError(f"{cursor[:40]!r} is no cursor of a walk, such as 2026-06-14.3") from error

    def following(self, day: date) -> str:
        """Return the cursor of the step after this one."""
        return f"{day.isoformat()}.{self.number + 1}"

    def handed_out(self) -> set[str]:
        """Return the ids of the scenes that the steps before this one handed out.

        Raises:
            WorkError: if what one of them did is not known any more: the folder of the run was removed.
        """
        return {str(name) for number in range(self.number) for name in read_json(self._file(number))}

    def hand_out(self, names: Sequence[str]) -> None:
        """Keep what this step hands out; a second try of it does so again."""
        write_json(self._file(self.number), list(names))

    def _file(self, number: int) -> Path:
        return self.run.walked / f"{number}.json"


def told(names: Collection[str], most: int = 5) -> str:
    """Return names as a line says them: some, and how many more."""
    shown = sorted(names)[:most]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
