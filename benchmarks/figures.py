"""Figures of a benchmark: printed with their targets as they are found, and kept for a record."""

from typing import Any, Final

ROWS: Final[list[dict[str, Any]]] = []
"""What :func:`told` said in this run."""


def told(what: str, value: float, unit: str, target: str = "", met: bool | None = None) -> None:
    """Print a figure with its target and keep it for the record."""
    verdict = "" if met is None else ("   met" if met else "   NOT MET")
    print(f"  {what:<58} {value:>10,.3f} {unit:<10} {target}{verdict}", flush=True)
    ROWS.append({"what": what, "value": round(value, 4), "unit": unit, "target": target, "met": met})
