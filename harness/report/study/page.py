"""The report of a study as one HTML file that needs nothing else: no network, no other file.

All words and numbers are in the markup itself, so that the page reads without scripts; these draw the scatter, sort
and filter. `page.html` holds what is the same for every study, `script/` the scripts. The drawings are made here and
not by a plotting library: so they read without scripts, follow the reader's colours, and the page stays small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supernet.benchmarks.truth.table import count_of
from supernet.harness.report.html.frame import document, scripts
from supernet.harness.report.html.frame import scatter as framed
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.report.html.points import SCATTER_SCRIPTS, Scatter, points
from supernet.harness.report.study import factors, free_table, page_tables
from supernet.harness.report.study.columns import columns as columns_of
from supernet.harness.report.study.content import Methods
from supernet.harness.report.study.first_screen import first_screen
from supernet.harness.statistics.printed import ABSENT, number, with_interval
from supernet.harness.study.results import Analysis

TEMPLATE = Path(__file__).with_name("page.html")
OWN_SCRIPT = Path(__file__).with_name("script") / "effects.js"


def page(
    analysis: Analysis, scatter: Scatter, figures: Mapping[str, str], methods: Methods, files: Sequence[str] = ()
) -> str:
    """The whole page; equal input gives equal text.

    Args:
        scatter: the scores of the runs; those of the base are shown first.
        figures: caption -> SVG.
        files: what lies beside the page, as paths relative to it.

    Raises:
        ValueError: scores or accuracies that do not match the architectures, or a figure that is no SVG of its own.
    """
    columns = columns_of(analysis)
    parts = {
        **first_screen(analysis, methods.settings),
        "findings": join(el("li", sentence) for sentence in analysis.findings),
        "free": free_table.on_page(analysis),
        "numbers": _numbers(analysis),
        "note": escaped(scatter.note),
        "scatter": framed(),
        "factors": factors.on_page(analysis) + factors.lead(analysis),
        "families": page_tables.families(analysis.rows),
        "count": str(len(analysis.rows)),
        "effects": page_tables.effects(analysis, columns),
        "glossary": page_tables.glossary(columns),
        "figures": join(figure(caption, svg, k) for k, (caption, svg) in enumerate(figures.items(), 1)),
        "operations": page_tables.operations(analysis.rows),
        "methods": _methods(methods),
        "files": join(el("li", el("a", file, href=file, download="")) for file in files),
        "checklist": join(el("dt", item.question) + el("dd", item.answer) for item in methods.checklist),
    }
    data = points(scatter, [row.label for row in analysis.rows])
    code = scripts("markup", "sort", OWN_SCRIPT, *SCATTER_SCRIPTS[1:])
    return document(escaped(analysis.title), _what(analysis), TEMPLATE, parts, data + code)


# ---- what was studied --------------------------------------------------------------------------------------------


def _what(a: Analysis) -> Html:
    m = a.measure
    truth = f"{m['dataset']} {m['split']} accuracy after {count_of(m['epochs'])}, {_seed(m['seed'])}"
    return join([el("span", a.name, class_="name"), f" · space {a.space} · ground truth {a.truth}: {truth}"])


def _seed(seed: str) -> str:
    return "mean over its repeats" if seed == "mean" else f"repeat {seed}"


def _numbers(a: Analysis) -> Html:
    """The cards of key numbers."""
    base, means, ceiling = a.base.tau, a.base.means, a.ceiling
    level = f"{100 * a.level:g} %"
    d = a.beside_params
    beside = f"; base − this: {with_interval(d, '+.3f')}" if d else ""
    top = f"; within the truly best 10 %: {number(means.get('tau_top_10'))}"
    if base and base.low is not None:
        interval = f"{level} interval {number(base.low)} to {number(base.high)}{top}"
    else:
        interval = f"two seeds have no interval{top}" if base else "too many of its runs diverged"
    cards = [
        ("Base, Kendall τ", number(base.value) if base else ABSENT, interval),
        ("Parameter count, τ", number(a.params_tau), f"how well size alone ranks the same architectures{beside}"),
        (
            "Attainable τ",
            number(ceiling.attainable) if ceiling else ABSENT,
            f"of a perfect ranker against the mean of {ceiling.repeats} repeats ({ceiling.source}); single "
            f"repeats agree at {number(ceiling.tau)}; attainable within the truly best 10 %: "
            f"{number(ceiling.attainable_top10)}"
            if ceiling
            else "unknown: this ground truth keeps no repeats apart",
        ),
        (
            "Base, regret",
            number(means.get("regret@1"), ".2f"),
            "points of true accuracy that its best-scored architecture falls short of the best, mean over seeds",
        ),
        _detectable(a),
        ("Architectures", f"{a.architectures:,}", f"ranked by every run, on {a.images:,} validation images"),
        ("Seeds", f"{len(a.base_seeds)} + {_seeds_of_others(a)}", "of the base, and of every other setting"),
        (
            "Spread between seeds",
            number(a.seed_sd) if a.seed_sd is not None else ABSENT,
            "pooled standard deviation of τ between seeds of one setting",
        ),
    ]
    return join(
        el("div", el("dt", name), el("dd", value, class_="value"), el("dd", note)) for name, value, note in cards
    )


def _seeds_of_others(a: Analysis) -> str:
    """The number of seeds of the settings beside the base, or their range."""
    counts = sorted({len(row.states) for row in a.rows[1:]} or {len(a.seeds)})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _detectable(a: Analysis) -> tuple[str, str, str]:
    """The card of the smallest effect that the design finds."""
    name = "Smallest detectable effect"
    if a.design == "screen":
        reach = a.factors.detectable if a.factors else None
        note = "effect on τ, on average over the other heuristics, that this design detects with a probability of 80 %"
        return name, number(reach, ".2f"), note
    note = (
        "difference of τ from the base that this design detects with a probability of 80 %, after Dunnett's correction"
    )
    if a.detectable is not None and a.finds is None:
        return name, ABSENT, "with so few seeds, this design detects no difference of τ reliably, however large"
    return name, number(a.detectable, ".2f"), note


# ---- methods -----------------------------------------------------------------------------------------------------


def _methods(methods: Methods) -> Html:
    settings = []
    for setting in methods.settings:
        changes: list[object] = [el("code", change.replace(" -> ", " → ")) for change in setting.changes]
        settings.append(el("dt", setting.label) + el("dd", *(changes or ["the base recipe"])))
    parts = [
        ("The base recipe", el("div", _tree(methods.recipe), class_="tree")),
        (f"The {len(settings)} settings", el("dl", *settings, class_="pairs")),
        ("Environment of the runs", el("div", _tree(methods.environment), class_="tree")),
    ]
    return join(
        [el("p", paragraph) for paragraph in methods.text]
        + [el("details", el("summary", title), content) for title, content in parts]
    )


def _tree(values: Mapping[str, Any], title: str = "") -> Html:
    """Keys and values, those of nested mappings under headings of their own."""
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    pairs = [el("dt", key) + el("dd", _spelled(value)) for key, value in plain.items()]
    parts = [el("section", *([el("h3", title)] if title else []), el("dl", *pairs, class_="pairs"))] if pairs else []
    nested = [(f"{title}.{key}" if title else str(key), values[key]) for key in values if key not in plain]
    return join(parts + [_tree(value, name) for name, value in nested])


def _spelled(value: Any) -> str:
    """The value in YAML, so that it can be typed where recipes are written."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_spelled(item) for item in value) or "none"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
