"""The report on a comparison with ground truth as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from supernet.benchmarks.truth.table import Measure, count_of
from supernet.harness.correlation.report import PARAMS, Ceiling, Report
from supernet.harness.report.correlation import added, page_tables, verdict
from supernet.harness.report.correlation.text import WIDE
from supernet.harness.report.correlation.verdict import Origin
from supernet.harness.report.html.axis import marked_axis, next_steps
from supernet.harness.report.html.frame import document, scripts
from supernet.harness.report.html.frame import scatter as framed
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.report.html.points import SCATTER_SCRIPTS, Scatter, points
from supernet.harness.statistics.metrics import Vector
from supernet.harness.statistics.printed import number

TEMPLATE = Path(__file__).with_name("page.html")
CURVE = "Kendall τ within the truly best fraction of the architectures"


def page(
    report: Report,
    origin: Origin,
    scores: Mapping[str, Vector],
    scatter: Scatter,
    curve: str | None,
    figures: Mapping[str, str],
    files: Sequence[str],
) -> str:
    """The whole page; equal input gives equal text.

    Args:
        scores: the report's score columns, each (n,).
        scatter: some or all of the architectures.
        curve: the figure of tau within fractions as SVG, shown at the top.
        figures: caption -> SVG of the other figures.
        files: what lies beside the page, as paths relative to it.

    Raises:
        ValueError: scores or accuracies do not match the architectures, or a figure is not a self-contained SVG.
    """
    lead = verdict.leading(report, origin).name
    warned = [el("li", text) for text in verdict.warnings(report, scores)]
    steps = verdict.steps(report, origin)
    marks = verdict.marks(report, origin)
    left_out = len(report.ranked) + bool(report.added) + bool(report.ceiling) - len(marks)
    parts = {
        "headline": escaped(verdict.headline(report, origin).replace(" tau", " τ")),
        "certainty": escaped(verdict.certainty(report, origin, scores).replace(" tau", " τ")),
        "warnings": el("ul", *warned, class_="findings mind") if warned else Html(""),
        "curve": figure(CURVE, curve, 0) if curve else Html(""),
        "marks": marked_axis(marks) + _left_out(left_out),
        "steps": next_steps(steps) if steps else el("p", "Nothing is left open."),
        "every": "All columns" if len(report.ranked) - 1 > WIDE else "All metrics",
        "metrics": page_tables.main_table(report),
        "images": _images(report),
        "glossary": page_tables.glossary(report),
        "fractions": page_tables.fractions(report),
        "added": added.section(report),
        "differences": _differences(report),
        "note": escaped(scatter.note),
        "scatter": framed("Score"),
        "figures": join(figure(caption, svg, k) for k, (caption, svg) in enumerate(figures.items(), 1)),
        "methods": join(el("p", text) for text in _methods(report)),
        "files": downloads(files),
    }
    data = points(scatter, [run.label for run in scatter.runs])
    code = scripts("markup", "sort", *SCATTER_SCRIPTS[1:])
    title = f"How well {verdict.called(lead)} ranks {report.space}"
    if len(report.ranked) > 2 and not origin.weights:
        title = f"How well {len(report.ranked) - 1} scores rank {report.space}"
    elif origin.weights:
        title = f"How well a super-net ranks {report.space}"
    return document(escaped(title), _what(report), TEMPLATE, parts, data + code)


def _left_out(count: int) -> Html:
    if count <= 0:
        return Html("")
    return el("p", f"{count} score columns with lower τ are in the table alone.", class_="hint")


def downloads(files: Sequence[str]) -> Html:
    """A link to each file beside the page."""
    return join(el("li", el("a", file, href=file, download="")) for file in files)


def _what(report: Report) -> Html:
    subset = "" if report.subset == "all" else f" ({report.subset})"
    return join(
        [
            el("span", f"{report.space}{subset}", class_="name"),
            f" · {report.architectures:,} architectures · ground truth {measure_text(report.measure)}",
        ]
    )


def measure_text(m: Measure) -> str:
    """A measure in words: data set, split, epochs, and which of the repeats."""
    repeats = "mean over its repeats" if m.seed == "mean" else f"repeat {m.seed}"
    return f"{m.dataset} {m.split} accuracy after {count_of(m.epochs)}, {repeats}"


def _images(report: Report) -> Html:
    rows = page_tables.images(report)
    if not rows:
        return Html("")
    table = el("div", el("table", rows), class_="scroll", tabindex=0, role="region", aria_label="By number of images")
    return el("h3", "By number of scoring images") + table


def _differences(report: Report) -> Html:
    """The matrix where there are several columns, and the table of pairs."""
    if not report.differences:
        return el("p", "There are no score columns to compare with the parameter count.")
    about = (
        "Differences of τ are paired: both rankings are judged on the same resamples of the architectures. ▲ and ▼ "
        f"mark those that are clear: p below {verdict.CLEAR:g} after Holm's correction, in which comparisons with the "
        "parameter count are one family and those among score columns another."
    )
    table = el("table", page_tables.pairs(report))
    matrix = page_tables.matrix(report)
    frame = {"class_": "scroll", "tabindex": 0, "role": "region"}
    if not matrix:
        return el("p", about) + el("div", table, aria_label="Differences of pairs", **frame)
    whole = el("div", el("table", matrix, class_="matrix"), aria_label="Differences, row less column", **frame)
    count = f"All {len(report.differences)} pairs, with intervals and p-values"
    return join([el("p", about), whole, el("details", el("summary", count), el("div", table, class_="inner"))])


def _methods(report: Report) -> list[str]:
    return [
        f"Ground truth: {measure_text(report.measure)}, from {report.truth_table} ({report.truth_family}).",
        f"Intervals: {report.level:.0%} percentile intervals of {report.resamples:,} bootstrap resamples of the "
        f"architectures (seed {report.seed}). They say how far the values depend on which architectures are compared.",
        f"Tests: paired differences on the same resamples, two-sided, corrected by Holm's method. {PARAMS} is the "
        "parameter count, the baseline that needs no training.",
        _ceiling(report.ceiling),
    ]


def _ceiling(ceiling: Ceiling | None) -> str:
    if ceiling is None:
        return "Attainable: unknown, because this ground truth keeps no repeats apart."
    against = f"the mean of {ceiling.repeats} repeats" if ceiling.repeats > 1 else "one repeat"
    top = ceiling.attainable_top10
    within = "" if top is None else f" Within the truly best 10 %, it reaches {number(top)} (simulated)."
    return (
        f"Attainable: what a perfect ranker reaches against {against} of the ground truth, by the Spearman-Brown "
        f"formula from the agreement of single repeats ({ceiling.source}), which agree at {number(ceiling.tau)}."
        f"{within}"
    )
