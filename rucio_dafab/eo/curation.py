"""Which scenes are fit for products: decided by a table of rules (``etc/curation.toml``), and recorded.

A broken rule stops a scene or lets it go on under its validity mask: products leave out what has no data, is saturated
or under clouds anyway, and the record says which rule was broken. The same scene and table give the same decision.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from rucio_dafab.eo.bands import BACKSCATTER_BANDS, BAND_NAMES, SCENE_CLASSIFICATION, Scene
from rucio_dafab.eo.errors import SceneError
from rucio_dafab.eo.fitness import Fitness, assess
from rucio_dafab.errors import DafabError
from rucio_dafab.resources import resources

CURATION: Final = "dafab:curation"
"""The member of ``properties`` that says how a scene was judged."""

OWN_TABLE: Final = "DAFAB_CURATION"
"""The environment variable that names a table to judge by in place of ours."""

Measure = Literal["coverage", "clear", "saturated", "dark", "bands_absent"]
FIT: Final = "fit"
MASKED: Final = "masked"
UNFIT: Final = "unfit"

_STRICT: Final = ConfigDict(extra="forbid")
_DECIMALS: Final = 4
_WORDS: Final[Mapping[Measure, str]] = {
    "coverage": "with data",
    "clear": "of that clear",
    "saturated": "saturated",
    "dark": "dark",
}


class CurationError(DafabError):
    """A table of rules that cannot be used: which file, and why."""


class Unfit(SceneError):
    """A scene that a rule stops; the text names the rule."""


@dataclass(frozen=True)
class Rule:
    """A bound of one measure.

    Attributes:
        of: The measure: shares in per cent, or a number of bands.
        on: What a scene beyond the bound does: it is refused (``stop``), or goes on (``mask``).
        least: Below it the rule is broken.
        most: Above it the rule is broken.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    of: Measure
    on: Literal["stop", "mask"]
    least: float | None = Field(default=None, ge=0, le=100)
    most: float | None = Field(default=None, ge=0, le=100)

    def broken(self, value: float) -> bool:
        """Tell whether a value lies beyond the bound."""
        return (self.least is not None and value < self.least) or (self.most is not None and value > self.most)

    def reason(self, value: float) -> str:
        """Return in words how a value breaks the rule."""
        bound = f"more than {self.most:g}" if self.least is None else f"less than {self.least:g}"
        if self.of == "bands_absent":
            return f"{value:g} {'band' if value == 1 else 'bands'} absent, {bound}"
        return f"{_share(value)} {_WORDS[self.of]}, {bound} %"


@dataclass(frozen=True)
class Rules:
    """The whole table.

    Attributes:
        version: Its version, which every judged item names.
        dark_reflectance: Below it in each band that is looked at, a pixel is dark.
        bands: The bands that are wanted, by kind of scene: ``optical`` and ``radar``.
        rule: The rules.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
    dark_reflectance: Annotated[float, Field(gt=0, le=1)]
    bands: Mapping[Literal["optical", "radar"], tuple[str, ...]]
    rule: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Decision:
    """How a scene was judged.

    Attributes:
        outcome: ``fit``, ``masked`` (it goes on under its validity mask) or ``unfit``.
        version: That of the rules.
        measured: The measures that the scene has, by name: shares in per cent, and the number of absent bands.
        absent: The wanted bands that are not there.
        reasons: The rules that are broken, in words, in their order.
        stopping: Those of them that stop the scene.
    """

    outcome: str
    version: str
    measured: Mapping[str, float]
    absent: tuple[str, ...]
    reasons: tuple[str, ...]
    stopping: tuple[str, ...]

    @property
    def line(self) -> str:
        """Return the decision in one line."""
        shares = [f"{_share(self.measured[name])} {words}" for name, words in _WORDS.items() if name in self.measured]
        why = f" ({'; '.join(self.reasons)})" if self.reasons else ""
        return f"{self.outcome}{why}: {', '.join(shares)}"

    def document(self) -> dict[str, Any]:
        """Return what an item says of it, as JSON."""
        shares = {f"{name}_percent": value for name, value in self.measured.items() if name in _WORDS}
        return {
            "outcome": self.outcome,
            "rules": self.version,
            **shares,
            **({"bands_absent": list(self.absent)} if self.absent else {}),
            **({"reasons": list(self.reasons)} if self.reasons else {}),
        }


def load_rules() -> Rules:
    """Return the rules that ship, or those of the table that ``DAFAB_CURATION`` names.

    Raises:
        CurationError: if the table cannot be read or says something that it cannot say.
    """
    path = Path(os.environ.get(OWN_TABLE) or resources() / "etc" / "curation.toml")
    try:
        rules = TypeAdapter(Rules).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CurationError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise CurationError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except ValueError as error:
        raise CurationError(f"{path} is not TOML: {error}") from error
    unknown = [name for names in rules.bands.values() for name in names if name not in BAND_NAMES]
    if unknown:
        raise CurationError(f"{path}: bands names no Sentinel band: {', '.join(unknown)}")
    for rule in rules.rule:
        if (rule.least is None) == (rule.most is None):
            raise CurationError(f"{path}: the rule of {rule.of} takes one of least and most")
    return rules


def judge(scene: Scene, rules: Rules) -> Decision:
    """Return how a scene is judged by the rules; what it cannot tell (clouds without SCL, say) breaks none.

    Raises:
        SceneError: if a file that is looked at is unreadable.
    """
    absent = tuple(name for name in rules.bands.get(_kind(scene), ()) if name not in scene.bands)
    measured = _measured(scene, assess(scene, rules.dark_reflectance), absent)
    broken = [rule for rule in rules.rule if rule.of in measured and rule.broken(measured[rule.of])]
    # Of several bounds of one measure the hardest is said.
    said = [rule for rule in broken if not any(other.of == rule.of and _harder(other, rule) for other in broken)]
    stopped = any(rule.on == "stop" for rule in broken) or not measured["coverage"] or measured.get("clear") == 0
    outcome = UNFIT if stopped else MASKED if broken else FIT
    reasons = tuple(rule.reason(measured[rule.of]) for rule in said)
    stopping = tuple(rule.reason(measured[rule.of]) for rule in said if rule.on == "stop")
    return Decision(outcome, rules.version, measured, absent, reasons, stopping)


def require_fit(scene: Scene, decision: Decision) -> None:
    """Refuse a scene that is unfit.

    Raises:
        Unfit: with the rules that stop it; no table lets a scene without data or without a clear pixel go on.
    """
    if decision.outcome != UNFIT:
        return
    if not decision.measured["coverage"]:
        raise Unfit(f"{scene.id} has no pixel with data")
    if decision.measured.get("clear") == 0:
        raise Unfit(f"{scene.id} has no clear pixel: clouds and their shadows cover all of it")
    raise Unfit(f"{scene.id} is unfit: {'; '.join(decision.stopping)} (rules {decision.version} of curation)")


def _kind(scene: Scene) -> Literal["optical", "radar"]:
    return "radar" if set(scene.bands) <= set(BACKSCATTER_BANDS) else "optical"


def _measured(scene: Scene, fitness: Fitness, absent: tuple[str, ...]) -> dict[str, float]:
    """Return the measures that the scene has: per cent, rounded as they are written and judged."""
    optical = _kind(scene) == "optical"
    shares = {
        "coverage": fitness.valid_fraction,
        "clear": fitness.clear_fraction if SCENE_CLASSIFICATION in scene.bands else None,
        "saturated": fitness.saturated_fraction if optical else None,
        "dark": fitness.dark_fraction,
    }
    found = {name: round(100 * share, _DECIMALS) or share for name, share in shares.items() if share is not None}
    return {**found, "bands_absent": len(absent)}


def _harder(one: Rule, other: Rule) -> bool:
    """Tell whether one broken rule says more than another of the same measure: it stops, and the other does not."""
    return one.on == "stop" and other.on == "mask"


def _share(value: float) -> str:
    """Return per cent for people: two digits that count where it is little."""
    return f"{value:.2g} %" if value < 1 else f"{value:.1f} %"
