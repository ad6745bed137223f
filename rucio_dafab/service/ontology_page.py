"""The ontology as a page for people: every class with its labels, what it means, what is above it, what others say."""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from rucio_dafab.vocabulary.ontology import Ontology
from rucio_dafab.vocabulary.ontology_classes import OntologyClass

_STYLE: Final = (
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "article{border-top:1px solid #bbb;padding:.5rem 0}h2{margin:.2rem 0;font-size:1.2rem}"
    "dl{display:grid;grid-template-columns:8rem 1fr;margin:.3rem 0}dd{margin:0}del{color:#777}"
)


def page(made: Ontology, title: str, media_types: Iterable[str]) -> str:
    """Return a version of an ontology as HTML; each class has its local name as anchor.

    Args:
        made: the version; those beside it are left out.
        title: of the page.
        media_types: what else the address answers with.
    """
    classes = sorted(made.classes.values(), key=lambda each: (each.label().casefold(), each.id))
    others = ", ".join(f"<code>{escape(each)}</code>" for each in media_types)
    head = f"{escape(title)} {escape(made.version)}"
    return "\n".join(
        [
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{head}</title>',
            f"<style>{_STYLE}</style></head><body><h1>{head}</h1>",
            f"<p><code>{escape(made.iri)}</code>: {len(classes)} classes. This address also answers with {others}, "
            "as the header <code>Accept</code> asks.</p>",
            *(_article(each, made) for each in classes),
            "</body></html>\n",
        ]
    )


def _article(each: OntologyClass, made: Ontology) -> str:
    name = escape(each.label())
    title = f"<del>{name}</del> (deprecated)" if each.deprecated else name
    rows = "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in _rows(each, made) if value)
    return (
        f'<article id="{escape(each.name)}"><h2>{title}</h2><code>{escape(each.id)}</code>'
        f"<p>{escape(each.definition)}</p><dl>{rows}</dl></article>"
    )


def _rows(each: OntologyClass, made: Ontology) -> Iterator[tuple[str, str]]:
    for language, labels in sorted(each.labels.items()):
        shown = escape(", ".join(labels))
        yield escape(language or "label"), f'<span lang="{escape(language)}">{shown}</span>' if language else shown
    yield "is a", ", ".join(_linked(parent, made) for parent in each.parents)
    yield "exact match", ", ".join(_linked(match, made) for match in each.matches)
    yield "close match", ", ".join(_linked(match, made) for match in made.close.get(each.id, ()))


def _linked(iri: str, made: Ontology) -> str:
    known = made.classes.get(iri)
    if known is not None:
        return f'<a href="#{escape(known.name)}">{escape(known.label())}</a>'
    shown = escape(made.curie(iri))
    return f'<a href="{escape(iri)}">{shown}</a>' if iri.startswith(("http://", "https://")) else shown
