"""What a description-logic reasoner adds: HermiT, which owlready2 brings along and Java runs."""

import io
import subprocess
from collections.abc import Mapping

import owlready2
from rdflib import Graph, Literal

from rucio_dafab.vocabulary.errors import VocabularyError


def inferred(graph: Graph, parents: Mapping[str, object]) -> dict[str, set[str]]:
    """Return the named classes that HermiT finds above each of the classes.

    Args:
        graph: the ontology, without ``owl:imports``.
        parents: its named classes, as keys.

    Raises:
        VocabularyError: where there is no Java, the ontology contradicts itself, or HermiT fails.
    """
    world = owlready2.World()
    try:
        loaded = world.get_ontology("urn:rucio-dafab:reasoning#").load(fileobj=_logic(graph), only_local=True)
        owlready2.sync_reasoner_hermit(world, debug=0)
        if wrong := [each.iri for each in world.inconsistent_classes() if each is not owlready2.Nothing]:
            raise VocabularyError(f"{wrong[0]} can have no member: what is said of it contradicts itself")
        del loaded
        known = {each.iri: each for each in world.classes() if each.iri in parents}
        return {iri: {str(above.iri) for above in _above(each)} for iri, each in known.items()}
    except owlready2.OwlReadyInconsistentOntologyError as error:
        raise VocabularyError("the ontology contradicts itself") from error
    except FileNotFoundError as error:
        raise VocabularyError("reasoning needs Java, which is not installed: leave --reason out") from error
    except (owlready2.OwlReadyError, subprocess.CalledProcessError) as error:
        raise VocabularyError(f"HermiT failed: {' '.join(str(error).split())[:200]}") from error
    finally:
        world.close()


def _above(found: owlready2.ThingClass) -> list[owlready2.ThingClass]:
    named = [each for each in (*found.is_a, *found.equivalent_to) if isinstance(each, owlready2.ThingClass)]
    return [each for each in named if each is not owlready2.Thing]


def _logic(graph: Graph) -> io.BytesIO:
    """Return the triples between resources as N-Triples: no label changes what follows."""
    lines = (f"{s.n3()} {p.n3()} {o.n3()} .\n" for s, p, o in graph if not isinstance(o, Literal))
    return io.BytesIO("".join(lines).encode())
