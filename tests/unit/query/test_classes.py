"""Classes in questions: expanded when a question is read, so that all of it means one version of the ontology."""

from collections.abc import Callable

import pytest

from rucio_dafab import vocabulary
from rucio_dafab.query import cql2_text, model, rucio_filter
from rucio_dafab.vocabulary import ontology
from rucio_dafab.vocabulary.ontology_classes import OntologyClass

THEMES = model.Property("/properties/themes")


class Publishing:
    """A catalogue that publishes a new version each time it is asked: A lies above B and, from then on, above C."""

    def __init__(self) -> None:
        self.asked = 0

    def current(self) -> ontology.Ontology:
        self.asked += 1
        under = [f"urn:t#{name}" for name in ("A", "B", *(["C"] if self.asked > 1 else []))]
        classes = {
            each: OntologyClass(
                each,
                each[-1],
                {"en": (f"label {each[-1]}",)},
                "",
                (),
                (),
                tuple(under) if each == under[0] else (each,),
            )
            for each in under
        }
        return ontology.Ontology("urn:t", str(self.asked), classes)


@pytest.mark.parametrize(
    "read",
    [
        lambda words: rucio_filter.parse("theme.isa=A,theme.isa=label A", words),
        lambda words: rucio_filter.parse("theme.isa=A&A", words),
        lambda words: cql2_text.parse("isA(themes, 'A') AND isA(themes, 'label A')", words),
    ],
)
def test_a_question_means_one_version(
    read: Callable[[vocabulary.Vocabulary], model.Expression], monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing = Publishing()
    monkeypatch.setattr(ontology, "_provider", publishing)
    found = read(vocabulary.load())
    assert isinstance(found, model.And)
    assert publishing.asked == 1
    for part in found.parts:
        assert isinstance(part, model.IsA)
        assert part.below == ("urn:t#A", "urn:t#B")
    later = rucio_filter.parse("theme.isa=A", vocabulary.load())
    assert isinstance(later, model.IsA)
    assert later.below == ("urn:t#A", "urn:t#B", "urn:t#C")
    # The same question all the same.
    assert later == found.parts[0] == model.IsA(THEMES, "urn:t#A")
    assert hash(later) == hash(found.parts[0])
