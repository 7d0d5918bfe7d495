"""The page of a report on super-nets and training-free scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from supernet.harness.report.html.frame import document
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join

TEMPLATE = Path(__file__).with_name("page.html")
HEADS = ("Ranking", "τ [95 %]", "τ top 10 % [95 %]", "Regret@1", "Adds to free-1 [95 %]", "Seconds")
OTHER = ("Fusion", "τ", "τ top 10 %", "Regret@1")
Rows = Sequence[Sequence[object]]


def page(
    title: str,
    what: str,
    findings: Sequence[str],
    svg: str,
    tables: Sequence[tuple[str, Rows, Rows]],
    notes: Sequence[str],
    files: Sequence[str],
) -> str:
    """The whole page; equal input gives equal text.

    Args:
        tables: for each ground truth its name, its stages and its other fusions.
        svg: the figure.
        files: what lies beside the page, as paths relative to it.
    """
    headline, *rest = [text.replace(" tau", " τ") for text in findings]
    parts = {
        "headline": escaped(headline),
        "certainty": join(el("p", text, class_="certainty") for text in rest),
        "figure": figure("How well each ranking agrees with the ground truth", svg, 0),
        "tables": join(_section(*each) for each in tables),
        "notes": join(el("li", note) for note in notes),
        "files": join(el("li", el("a", file, href=file, download="")) for file in files),
    }
    return document(escaped(title), escaped(what), TEMPLATE, parts)


def _section(name: str, stages: Rows, variants: Rows) -> Html:
    other = el("div", _table(OTHER, variants, f"{name}: other fusions"), class_="inner")
    return join(
        [
            el("h3", name.replace(" tau", " τ")),
            el("div", _table(HEADS, stages, name), class_="scroll", tabindex=0, role="region", aria_label=name),
            el("details", el("summary", "Other fusions of the same scores that were tried"), other),
        ]
    )


def _table(heads: Sequence[str], rows: Rows, caption: str) -> Html:
    top = el("thead", el("tr", *(el("th", head, scope="col") for head in heads)))
    body = [el("tr", el("th", row[0], scope="row"), *(el("td", cell) for cell in row[1:])) for row in rows]
    return el("table", el("caption", caption, class_="hidden"), top, el("tbody", *body))
