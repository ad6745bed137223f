"""The same question in every language is the same model: cell by cell of the table in docs/query.md, and at random."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from rucio_dafab.query import model
from rucio_dafab.query.model import Related
from tests.unit.query.golden_query import GOLDEN, MEKONG
from tests.unit.query.languages import LANGUAGES, Inexpressible
from tests.unit.query.questions import ROWS
from tests.unit.query.strategies import whole_language

PAGE = Path(__file__).resolve().parents[3] / "docs" / "query.md"


def read(questions: tuple[Any, ...]) -> list[model.Expression]:
    return [
        parse(question)
        for question, (_, parse) in zip(questions, LANGUAGES.values(), strict=True)
        if question is not None
    ]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table_is_one_model(row: str) -> None:
    for questions in ROWS[row]:
        models = read(questions)
        assert all(each == models[0] for each in models), questions


def test_the_page_has_these_rows_and_cells() -> None:
    page = PAGE.read_text(encoding="utf-8")
    section = page[page.index("## Operators and languages") : page.index("## Related documents")]
    lines = [line.strip() for line in section.splitlines()]
    table = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("| ")]
    cells = {row[0].strip(): [bool(cell.strip()) for cell in row[1:]] for row in table}
    assert [each.strip() for each in table[0]] == ["test", *LANGUAGES]
    assert cells == {"test": [True] * 4} | {
        row: [any(question[column] is not None for question in questions) for column in range(4)]
        for row, questions in ROWS.items()
    }


@pytest.mark.parametrize("relation", GOLDEN)
def test_the_golden_query_is_one_model(relation: str) -> None:
    models = read(GOLDEN[relation])
    assert len(models) == 4 and all(each == models[0] for each in models)
    last = getattr(models[0], "parts", ())[-1]
    assert isinstance(last, Related) and last.relation == relation


def test_the_page_shows_the_golden_query_in_every_language() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = page[page.index("## The golden query") :]
    blocks = re.findall(r"((?:^    .*\n)+)", shown, re.MULTILINE)[:4]
    read_back = [orjson.loads(block) if block.strip().startswith("{") else " ".join(block.split()) for block in blocks]
    rucio, *others = read_back
    assert [rucio.split("'")[-2], *others] == list(GOLDEN["linked_by"])


def test_the_page_shows_relations_of_the_ontology_in_every_language() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = page[page.index("A relation of the ontology is named like a class") : page.index("## Inherited reads")]
    blocks = re.findall(r"((?:^    .*\n)+)", shown, re.MULTILINE)
    read_back = [orjson.loads(block) if block.strip().startswith("{") else block.strip() for block in blocks]
    assert read_back == list(MEKONG)


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=200, deadline=None)
@given(expression=whole_language())
def test_what_a_language_can_say_it_reads_back(language: str, expression: model.Expression) -> None:
    write, parse = LANGUAGES[language]
    try:
        written = write(expression)
    except Inexpressible:
        assert language != "CQL2 JSON"
        return
    assert parse(written) == expression
