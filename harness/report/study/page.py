"""The report of a study as one HTML file that needs nothing else: no network, no other file.

All words and numbers are in the markup itself, so that the page reads without scripts; these draw the scatter, sort
and filter. `page.html` holds what is the same for every study, `page.js` the scripts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supernet.benchmarks.truth.table import count_of
from supernet.harness.report.html.frame import document
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join, with_interval
from supernet.harness.report.html.sortable import sorting
from supernet.harness.report.study import page_tables
from supernet.harness.report.study.content import Methods, Scatter
from supernet.harness.statistics.printed import ABSENT, number
from supernet.harness.study.results import Analysis

TEMPLATE, SCRIPT = Path(__file__).with_name("page.html"), Path(__file__).with_name("page.js")
DIGITS = 7
"""Significant digits of the scores in the page: as many as single precision has."""


def page(analysis: Analysis, scatter: Scatter, figures: Mapping[str, str], methods: Methods) -> str:
    """The whole page; equal input gives equal text.

    Args:
        scatter: the scores of the runs; those of the base are shown first.
        figures: caption -> SVG.

    Raises:
        ValueError: scores or accuracies that do not match the architectures, or a figure that is no SVG of its own.
    """
    columns = page_tables.columns(analysis)
    parts = {
        "findings": join(el("li", sentence) for sentence in analysis.findings),
        "numbers": _numbers(analysis),
        "note": escaped(scatter.note),
        "clear": f"{page_tables.CLEAR:g}",
        "families": page_tables.families(analysis.rows),
        "count": str(len(analysis.rows)),
        "effects": page_tables.effects(analysis, columns),
        "glossary": page_tables.glossary(columns),
        "figures": join(figure(caption, svg, k) for k, (caption, svg) in enumerate(figures.items(), 1)),
        "operations": page_tables.operations(analysis.rows),
        "methods": _methods(methods),
        "checklist": join(el("dt", item.question) + el("dd", item.answer) for item in methods.checklist),
    }
    scripts = el("script", _data(analysis, scatter), type="application/json", id="data")
    scripts += el("script", Html("\n" + sorting() + SCRIPT.read_text(encoding="utf-8")))
    return document(escaped(analysis.title), _what(analysis), TEMPLATE, parts, scripts)


# ---- data of the scatter -----------------------------------------------------------------------------------------


def _data(analysis: Analysis, scatter: Scatter) -> Html:
    """What the scripts need, as JSON that cannot end its script element. Runs of the base come first, by seed."""
    count = len(scatter.archs)
    order = {row.label: place for place, row in enumerate(analysis.rows)}
    runs = sorted(scatter.runs, key=lambda run: (order.get(run.label, len(order)), run.seed))
    columns: list[tuple[str, Sequence[object]]] = [("cells", scatter.cells), ("true", scatter.true)]
    for what, values in columns + [(run.label, run.scores) for run in runs]:
        if runs and len(values) != count:
            raise ValueError(f"{what}: {len(values)} values for {count} architectures.")
    content = {
        "archs": scatter.archs,
        "cells": scatter.cells,
        "true": [_short(value) for value in scatter.true],
        "runs": [
            {
                "label": run.label,
                "seed": run.seed,
                "tau": _short(run.tau),
                "hash": run.hash,
                "scores": [_short(value) for value in run.scores],
            }
            for run in runs
        ],
    }
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Html(text.replace("<", "\\u003c"))


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")


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
        interval = f"two seeds have no interval{top}" if base else "no run of it is done"
    cards = [
        ("Base, Kendall τ", number(base.value) if base else ABSENT, interval),
        ("Parameter count, τ", number(a.params_tau), f"how well size alone ranks the same architectures{beside}"),
        (
            "Attainable τ",
            number(ceiling.attainable) if ceiling else ABSENT,
            f"of a perfect ranker against the mean of {ceiling.repeats} repeats ({ceiling.source}); single "
            "repeats "
            f"agree at {number(ceiling.tau)}; within the truly best 10 %: {number(ceiling.attainable_top10)} and "
            f"{number(ceiling.top10)}"
            if ceiling
            else "unknown: this ground truth keeps no repeats apart",
        ),
        (
            "Base, regret",
            number(means.get("regret@1"), ".2f"),
            "points of true accuracy that its best-scored architecture falls short of the best, mean over seeds",
        ),
        (
            "Smallest detectable effect",
            number(a.detectable, ".2f") if a.detectable is not None else ABSENT,
            "difference of τ from the base that this design finds with a probability of 80 %, after Dunnett's "
            "correction",
        ),
        ("Architectures", f"{a.architectures:,}", f"ranked by every run, on {a.images:,} validation images"),
        ("Seeds", f"{len(a.base_seeds)} + {len(a.seeds)}", "of the base, and of every other setting"),
        (
            "Spread between seeds",
            number(a.seed_sd) if a.seed_sd is not None else ABSENT,
            "pooled standard deviation of τ between seeds of one setting",
        ),
    ]
    return join(
        el("div", el("dt", name), el("dd", value, class_="value"), el("dd", note)) for name, value, note in cards
    )


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
    parts = [el("section", *([el("h4", title)] if title else []), el("dl", *pairs, class_="pairs"))] if pairs else []
    nested = [(f"{title}.{key}" if title else str(key), values[key]) for key in values if key not in plain]
    return join(parts + [_tree(value, name) for name, value in nested])


def _spelled(value: Any) -> str:
    """As YAML has it, so that it can be typed where recipes are written."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_spelled(item) for item in value) or "none"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'
