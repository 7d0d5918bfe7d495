"""The page of the report on a comparison of searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from supernet.benchmarks.wording import counted, listed
from supernet.harness.report.html.frame import document, scripts
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.report.search import final_table
from supernet.harness.report.search.first_screen import first_screen
from supernet.harness.report.search.matrix import matrix
from supernet.harness.search.algorithms.names import algorithm_of
from supernet.harness.search.analysis import Outcome
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.contrasts import LEAST, Contrast
from supernet.harness.search.findings import difference, findings, too_few
from supernet.harness.search.published import FOUND_ON, PUBLISHED

TEMPLATE = Path(__file__).with_name("search.html")
OWN_SCRIPT = Path(__file__).with_name("columns.js")


def page(outcome: Outcome, svgs: Mapping[str, tuple[str, str]], files: Sequence[str] = ()) -> str:
    """The page as HTML; equal input gives equal text.

    Args:
        svgs: name of a figure -> its caption and the text of its SVG.
        files: what lies beside the page, as paths relative to it.
    """
    c = outcome.comparison
    drawn = {name: figure(caption, svg, k) for k, (name, (caption, svg)) in enumerate(svgs.items(), 1)}
    what = (
        f"{counted(len(c.algorithms), 'algorithm', 'algorithms')} · budget {c.budget} · "
        f"{counted(c.seeds, 'seed', 'seeds')} · searches see {_seen(c)} · "
        f"regret is of {outcome.measures[0]}"
    )
    cells = drawn.pop("cells", None)
    curves = drawn.pop("regret", el("p", "No algorithm has a curve."))
    parts = {
        **first_screen(outcome),
        "final": final_table.final_table(outcome),
        "glossary": final_table.glossary(outcome),
        "about_published": _about_published(outcome) if (c.space, c.dataset) == FOUND_ON else Html(""),
        "curves": curves,
        "pairs": _pairs(outcome),
        "findings": join(el("li", sentence) for sentence in findings(outcome)),
        "figures": join(drawn.values()),
        "cells": el("details", el("summary", "Picked cells"), cells) if cells else Html(""),
        "methods": _methods(outcome),
        "files": join(el("li", el("a", file, href=file, download="")) for file in files),
    }
    title = escaped(f"Searching {c.space} on {c.dataset}")
    return document(title, escaped(what), TEMPLATE, parts, scripts("markup", "sort", OWN_SCRIPT))


def _seen(c: Comparison) -> str:
    """The accuracies that searches see, and those of algorithms that query at several fidelities."""
    several = [name for name in c.algorithms if getattr(algorithm_of(name), "fidelities", False)]
    m = c.truth.measure
    wide = f"{m.dataset} {m.split}, {' and '.join(c.fidelities)} epochs, {m.seed}" if several else ""
    if not several or c.fidelities == (m.epochs,):
        return f"{m} of {c.truth.table}"
    if len(several) == len(c.algorithms):
        return f"{wide} of {c.truth.table}"
    return f"{m} of {c.truth.table} ({listed(several)}: {wide})"


def _about_published(outcome: Outcome) -> Html:
    """A paragraph on the sources of published accuracies."""
    sources: dict[tuple[str, str], list[str]] = {}
    for entry in outcome.best_first:
        if known := PUBLISHED.get(entry.name):
            sources.setdefault((known.source, known.searched), []).append(entry.name)
    said = "; ".join(f"{', '.join(names)}: {source} ({searched})" for (source, searched), names in sources.items())
    text = (
        "Published numbers are taken from secondary sources: test accuracies with budgets and settings of their own. "
        f"{said}."
    )
    return el("p", text, class_="hint") if sources else Html("")


def _pairs(outcome: Outcome) -> Html:
    """The matrix of all pairs with an introduction; two algorithms alone are described in words."""
    if not outcome.pairs:
        return el("p", "There are no two algorithms with results to compare.")
    about = el("p", _about_tests(outcome.pairs))
    drawn = matrix(outcome)
    if not drawn:
        titles = {entry.name: entry.title for entry in outcome.entries}
        said = join(
            el("li", f"{titles[c.first]} − {titles[c.second]}: {difference(c)}{' (clear)' if c.clear else ''}")
            for c in outcome.pairs
        )
        return about + el("ul", said)
    frame = el("div", drawn, class_="scroll", tabindex=0, role="region", aria_labelledby="pairs-title")
    return about + frame


def _about_tests(contrasts: Sequence[Contrast]) -> str:
    """A paragraph on how the pairs are computed and corrected."""
    means = (
        "Mean final accuracy of the row minus that of the column, in points; point at a cell for its 95 % interval "
        "(Welch) and the share of pairs of searches in which the row is better. "
    )
    if all(c.p is None for c in contrasts):
        return f"{means}There are no tests{too_few(contrasts)}"
    untested = " Algorithms with fewer seeds are not tested." if any(c.p is None for c in contrasts) else ""
    clear = sum(c.clear for c in contrasts)
    return (
        f"{means}▲ and ▼ mark what is clear ({clear} of {len(contrasts)} pairs): a false discovery rate below 5 % "
        f"(Benjamini and Hochberg) and an interval that excludes 0. These tests (Mann and Whitney, from {LEAST} seeds) "
        f"are exploratory.{untested}"
    )


def _methods(outcome: Outcome) -> Html:
    c = outcome.comparison
    sources = join(el("dt", entry.title) + el("dd", f"{entry.source} ({entry.name})") for entry in outcome.entries)
    problems = [problem for entry in outcome.entries for problem in entry.problems]
    parts = [el("p", _tests_in_words(outcome))] if outcome.versus else []
    if c.rate != 1:
        parts.append(el("p", f"The learning rates of distributions are {c.rate:g} times the algorithms' own."))
    parts += [el("p", note) for note in outcome.notes]
    if c.plugins:
        names = "; ".join(f"{Path(plugin.path).name} (SHA-256 {plugin.sha256})" for plugin in c.plugins)
        parts.append(el("p", f"Plug-ins: {names}."))
    parts.append(el("details", el("summary", "Algorithms"), el("dl", sources, class_="pairs")))
    if any(entry.sharing for entry in outcome.entries):
        recipe = yaml.safe_dump(c.base.as_dict(), sort_keys=False)
        parts.append(el("details", el("summary", "Base recipe of the super-nets"), el("pre", el("code", recipe))))
    if problems:
        parts.append(el("details", el("summary", "Runs that are not done"), el("ul", *(el("li", p) for p in problems))))
    return join(parts)


def _tests_in_words(outcome: Outcome) -> str:
    """How algorithms are compared with random search."""
    tests = sum(c.p is not None for c in outcome.versus)
    if not tests:
        return f"Algorithms are not tested against random search{too_few(outcome.versus)}"
    return (
        f"Each algorithm with {LEAST} seeds or more is compared with random search by Mann and Whitney's test, which "
        f"does not pair seeds. The p-values are corrected for {counted(tests, 'comparison', 'comparisons')} by Holm's "
        "method. A difference is called clear where the corrected p-value is below 0.05 and its 95 % interval (Welch) "
        "excludes 0."
    )
