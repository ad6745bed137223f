"""YAML that is hostile, or that other readers of it take otherwise."""

from pathlib import Path
from typing import Any

import pytest

from argo_templates.local import yaml_text
from argo_templates.local.errors import LocalError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
LONG = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 100)}]"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BOMB, "it comes to more than 4,194,304 characters"),
        (LONG, "it comes to more than 4,194,304 characters"),
        ("a: &a {b: *a}", "line 1: an anchor stands within itself"),
        ("a: &a\n  <<: *a", "an anchor stands within itself"),
        ("[" * 50_000, "more than 100 deep"),
        (f"{'[' * 101}{']' * 101}", "more than 100 deep"),
        ("a: &a [[[[[[]]]]]]\nb: " + "[" * 97 + "*a" + "]" * 97, "more than 100 deep"),
        ("a: 1\nb: 2\na: 3", "line 3: 'a' stands twice"),
        ("? [a]\n: b", "line 1: a name has to be a text"),
        ("a: !!python/object/apply:os.system [x]", "the tag !!python/object/apply:os.system is none of JSON's"),
        ("a: !!binary aGk=", "the tag !!binary is none of JSON's"),
        ("a: !!set {b}", "the tag !!set is none of JSON's"),
        (f"a: {'9' * 5000}", "not YAML"),
        ('a: "\\ud800"', "not YAML"),
        ("a: \0", "not YAML"),
        ("a: *b", "not YAML"),
    ],
)
def test_what_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(LocalError, match=line) as refusal:
        yaml_text.read_all(text, "w.yaml")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-01", "2026-01-01"),
        ("2026-13-45", "2026-13-45"),
        ("12:30:45", "12:30:45"),
        ("1:30.5", "1:30.5"),
        ("=", "="),
        ("1.5", 1.5),
        ("-7", -7),
        ("true", True),
        ("~", None),
        ("'5'", "5"),
    ],
)
def test_values_are_those_of_argos_reader(text: str, value: Any) -> None:
    (found,) = yaml_text.read_all(f"a: {text}", "w.yaml")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


def test_anchors_merges_and_several_documents() -> None:
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\n---\n---\n5: c"
    assert yaml_text.read_all(text, "w.yaml") == [{"a": {"x": 1}, "b": {"x": 1, "y": 2}}, {"5": "c"}]
    assert yaml_text.read_all("", "w.yaml") == []


def test_a_file_that_has_no_end(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match=r"^/dev/zero has more than 4,194,304 bytes: no workflow has$"):
        yaml_text.read_file(Path("/dev/zero"))
    with pytest.raises(LocalError, match=r"^cannot read .*: Is a directory$"):
        yaml_text.read_file(tmp_path)
