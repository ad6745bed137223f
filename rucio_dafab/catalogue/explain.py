"""What PostgreSQL would do for a question, without doing it."""

from typing import Any

from sqlalchemy import Select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import ClauseElement, Executable


class _Explain(Executable, ClauseElement):
    """``EXPLAIN`` of a statement, as JSON."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Explain)
def _compile_explain(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


def explain(statement: Select[Any], *, session: Session) -> dict[str, Any]:
    """Return the plan of a question, as PostgreSQL's ``EXPLAIN (FORMAT JSON)`` tells it; nothing is read."""
    found = session.execute(_Explain(statement)).scalar_one()
    plan: dict[str, Any] = found[0]["Plan"]
    return plan
