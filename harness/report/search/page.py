"""The page of the report on a comparison of searches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from supernet.harness.report.html.frame import document
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.search.analysis import NEAR, Entry, Outcome
from supernet.harness.search.contrasts import LEAST, Contrast
from supernet.harness.search.findings import difference, findings, short, too_few
from supernet.harness.search.ledger import NAMES
from supernet.harness.search.published import FOUND_ON, PUBLISHED
from supernet.harness.statistics.printed import ABSENT, bounds, number

TEMPLATE = Path(__file__).with_name("search.html")


def page(outcome: Outcome, svgs: Mapping[str, Path]) -> str:
    """The page as HTML.

    Args:
        svgs: caption -> path of the figure.
    """
    c = outcome.comparison
    drawn = {caption: path.read_text(encoding="utf-8") for caption, path in svgs.items()}
    figures = [figure(caption, svg, k) for k, (caption, svg) in enumerate(drawn.items(), 1)]
    main = outcome.measures[0]
    published = (c.space, c.dataset) == FOUND_ON
    what = (
        f"{len(c.algorithms)} algorithms · budget {c.budget} · {c.seeds} seeds · searches see {c.truth.measure} of "
        f"{c.truth.table} · regret is of {main}"
    )
    parts = {
        "findings": join(el("li", sentence) for sentence in findings(outcome)),
        "about_final": escaped(_about_final(outcome)),
        "final": _final(outcome, published),
        "about_published": _about_published(outcome) if published else Html(""),
        "figures": join(figures),
        "versus": _versus(outcome),
        "pairs": _pairs(outcome),
        "methods": _methods(outcome),
    }
    return document(escaped(f"Searching {c.space} on {c.dataset}"), escaped(what), TEMPLATE, parts)


def _about_final(outcome: Outcome) -> str:
    """A paragraph on how to read the columns of final accuracies."""
    ranked = any(entry.rank for entry in outcome.entries)
    rank = (
        "Rank is the mean over seeds of the rank by the first accuracy, with its 95 % interval (Student's t). "
        if ranked
        else ""
    )
    return (
        f"{rank}Reached x: the median of {NAMES[outcome.unit]} spent until the current pick of a search was first "
        f"within x points of the best known accuracy, {outcome.best:.2f} %, and the share of searches that ever were; "
        "there is no median where half or more never were. A search that was there may end further away, because it "
        "picks by what it sees, not by this accuracy."
    )


def _grid(heads: list[str], rows: list[list[object]]) -> Html:
    """A table whose first column heads its rows."""
    top = el("thead", el("tr", *(el("th", head, scope="col", class_=None if k == 0 else "number")
                                 for k, head in enumerate(heads))))  # fmt: skip
    body = [
        el("tr", el("th", row[0], scope="row"), *(el("td", cell, class_="number") for cell in row[1:])) for row in rows
    ]
    return el("table", top, el("tbody", *body))


def _final(outcome: Outcome, published: bool) -> Html:
    ranked = any(entry.rank for entry in outcome.entries)
    heads = ["Algorithm", "Seeds", *(short(m) for m in outcome.measures), *(["Rank"] if ranked else [])]
    heads += [f"Reached {distance:g}" for distance in NEAR] + (["Published, test"] if published else [])
    rows = []
    for entry in outcome.best_first:
        row: list[object] = [join([entry.title, " ", el("code", entry.name)]), states(entry)]
        for measure in outcome.measures:
            row.append(plus_minus(*entry.summary(measure)))
        if ranked:
            row.append(f"{entry.rank[0]:.2f}{bounds(*entry.rank[1:], '.1f')}" if entry.rank else ABSENT)
        for distance in NEAR:
            spent, share = entry.reached.get(distance, (math.inf, 0.0))
            row.append(f"{number(spent, ',.0f')} ({100 * share:.0f} %)" if entry.reached else ABSENT)
        if published:
            known = PUBLISHED.get(entry.name)
            row.append(
                " / ".join(plus_minus(*pair) for pair in (known.cifar10, known.cifar100, known.imagenet16))
                if known
                else ABSENT
            )
        rows.append(row)
    return _grid(heads, rows)


def states(entry: Entry) -> str:
    """How many searches are done, and the states of the others."""
    others = {state for state in entry.states.values() if state != "done"}
    return f"{entry.done}" + (f" of {len(entry.states)} ({', '.join(sorted(others))})" if others else "")


def plus_minus(mean: float | None, deviation: float | None) -> str:
    """Mean ± standard deviation, in percent, with two decimals; a dash for None."""
    if mean is None:
        return ABSENT
    return f"{mean:.2f}" + (f" ± {deviation:.2f}" if deviation is not None else "")


def _about_published(outcome: Outcome) -> Html:
    """A paragraph on the sources of published accuracies."""
    sources: dict[tuple[str, str], list[str]] = {}
    for entry in outcome.best_first:
        if known := PUBLISHED.get(entry.name):
            sources.setdefault((known.source, known.searched), []).append(entry.name)
    said = "; ".join(f"{', '.join(names)}: {source} ({searched})" for (source, searched), names in sources.items())
    text = (
        "Published, taken from secondary sources: test accuracies on CIFAR-10 / CIFAR-100 / ImageNet16-120, with "
        f"budgets and settings of their own. {said}."
    )
    return el("p", text, class_="hint") if sources else Html("")


def _versus(outcome: Outcome) -> Html:
    """The table of every algorithm against random search."""
    if not outcome.versus:
        text = (
            "Random search is not among the algorithms, so that there is nothing to test them against."
            if len(outcome.pairs)
            else "There are no two algorithms with results to compare."
        )
        return el("p", text)
    return join([el("p", _about_tests(outcome.versus, "Holm's method")), _table(outcome, outcome.versus, "p (Holm)")])


def _pairs(outcome: Outcome) -> Html:
    """The table of all pairs of algorithms, which is collapsed at first."""
    if len(outcome.pairs) < 2:
        return Html("")
    summary = f"All {len(outcome.pairs)} pairs of algorithms (exploratory)"
    about = _about_tests(outcome.pairs, "the method of Benjamini and Hochberg, as false discovery rate q")
    return el("details", el("summary", summary), el("p", about), _table(outcome, outcome.pairs, "q"))


def _about_tests(contrasts: Sequence[Contrast], method: str) -> str:
    """A paragraph on how contrasts are computed and corrected."""
    means = (
        "Difference of mean final accuracies, points, with its 95 % interval (Welch). Better: the share of pairs of "
        "searches, one of each algorithm, in which the first found the better architecture; ties count half. "
    )
    if all(c.p is None for c in contrasts):
        return f"{means}There are no tests{too_few(contrasts)}"
    untested = " Algorithms with fewer seeds are not tested." if any(c.p is None for c in contrasts) else ""
    return (
        f"{means}p is of Mann and Whitney's test, for algorithms with {LEAST} seeds or more, and is corrected for the "
        f"number of tests by {method}. A difference is called clear (✓) where the corrected value is below 0.05 and "
        f"the interval excludes 0.{untested}"
    )


def _table(outcome: Outcome, contrasts: Sequence[Contrast], adjusted: str) -> Html:
    """A table with a row per contrast, the smallest corrected p-values first; without tests it lacks their columns."""
    titles = {entry.name: entry.title for entry in outcome.entries}
    tested = any(c.p is not None for c in contrasts)
    rows: list[list[object]] = []
    for c in sorted(contrasts, key=lambda c: (2.0 if c.adjusted is None else c.adjusted, -abs(c.difference))):
        row: list[object] = [f"{titles[c.first]} − {titles[c.second]}", difference(c), f"{100 * c.better:.0f} %"]
        if tested:
            row += [number(c.p, ".2g"), number(c.adjusted, ".2g"), "✓" if c.clear else ""]
        rows.append(row)
    return _grid(["Pair", "Difference", "Better", *(["p", adjusted, "Clear"] if tested else [])], rows)


def _methods(outcome: Outcome) -> Html:
    c = outcome.comparison
    sources = join(el("dt", entry.title) + el("dd", f"{entry.source} ({entry.name})") for entry in outcome.entries)
    problems = [problem for entry in outcome.entries for problem in entry.problems]
    parts = [el("p", note) for note in outcome.notes]
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
