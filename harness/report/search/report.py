"""The report of a comparison of searches: page, figures, tables, and every number as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json, write_text
from supernet.benchmarks.regular import read_plain
from supernet.benchmarks.truth.table import Measure
from supernet.harness.report.html.frame import document
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import ABSENT, Html, bounds, el, escaped, join, number
from supernet.harness.report.search import figures as search_figures
from supernet.harness.report.study.tables import latex
from supernet.harness.report.whole import writing
from supernet.harness.runs.store import Store
from supernet.harness.search.analysis import NEAR, Entry, Outcome, analyse, gather, wanted
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.contrasts import LEAST, LEVEL, Contrast, smallest_p
from supernet.harness.search.ledger import NAMES
from supernet.harness.search.published import FOUND_ON, PUBLISHED
from supernet.harness.search.truths import Truths

COMPARISON = "comparison.json"
"""What a report compares, with the identity that tells it from other comparisons."""
UNIFORM = 0.95
"""Share of the largest entropy from which a distribution is called near-uniform: a convention of this report."""


def write_search_report(
    comparison: Comparison, store: Store, out: Path, *, workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:  # fmt: skip
    """Analyse what is done and write comparison.json, index.html, figures/, tables/ and report.json to `out`.

    The files are built aside and put in place when all are complete.

    Args:
        workers: processes that measure architectures which an embedded table lacks.
        progress: told how many of these are measured, and how many there are.

    Raises:
        UserError: no search is done, or fewer than `out` already reports on, or `out` holds the report of another
            comparison; what is there stays.
        OSError: the folder cannot be written to.
    """
    entries = gather(comparison, store)
    _check_worth(entries, out)
    truths = [
        Truths(comparison.within, comparison.ground_truth, measure, store.root.parent / "measured")
        for measure in comparison.scene.reported
        if measure in comparison.ground_truth
    ]
    problems = [p for truth in truths for p in truth.measure_missing(wanted(entries), workers, progress)]
    outcome = analyse(comparison, entries, truths)
    outcome.notes += [f"A pick has no true accuracy: {problem}" for problem in problems]
    frames = tables(outcome)
    with writing(out, check=lambda: _check_owner(out, comparison)) as folder:
        for name in ("figures", "tables"):
            (folder / name).mkdir()
        write_json(folder / COMPARISON, {**comparison.as_dict(), "identity": comparison.identity})
        svgs = search_figures.draw(outcome, folder / "figures")
        for name, frame in frames.items():
            frame.to_csv(folder / "tables" / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
            if name != "curves":  # which no paper prints
                write_text(folder / "tables" / f"{name}.tex", latex(frame.round(3)))
        write_json(folder / "report.json", as_json(outcome, frames))
        write_text(folder / "index.html", _page(outcome, svgs).encode("utf-8", "backslashreplace").decode("utf-8"))
    return outcome


def _check_owner(out: Path, comparison: Comparison) -> None:
    """Refuse to replace the report of another comparison.

    Raises:
        UserError: it is another one.
    """
    if identity_of(out / COMPARISON) not in (None, comparison.identity):
        raise UserError(
            f"{out} holds the report of another comparison and is left as it is. The searches of this one are kept: "
            "give it another --name, and the report is written there."
        )


def _check_worth(entries: Sequence[Entry], out: Path) -> None:
    """That a report of these would say as much as the one that is there.

    Raises:
        UserError: it would not.
    """
    done = sum(entry.done for entry in entries)
    problems = "".join(f"\n{problem}" for entry in entries for problem in entry.problems)
    if not done:
        raise UserError(f"No search is done, so that there is nothing to report.{problems}")
    try:
        runs = json.loads(read_plain(out / "report.json"))["runs"]
        before = sum(state == "done" for states in runs.values() for state in states.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if done < before:
        raise UserError(
            f"The report in {out} has {before:,} searches, but only {done:,} are done now; it stays as it is.{problems}"
        )


def identity_of(path: Path) -> str | None:
    """The identity of the comparison that a file describes; None where the file does not tell.

    Reports of earlier versions do not hold it; it follows from what they compare.
    """
    try:
        content = json.loads(read_plain(path))
        return str(content["identity"]) if "identity" in content else Comparison.from_dict(content).identity
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return None


# ---- numbers -----------------------------------------------------------------------------------------------------


def tables(outcome: Outcome) -> dict[str, pd.DataFrame]:
    """final, reached, versus, pairs, picks and curves, as they are written."""
    final, reached, picks = [], [], []
    within = outcome.comparison.within
    for entry in outcome.best_first:
        line: dict[str, Any] = {"algorithm": entry.name, "seeds": len(entry.picks)}
        for measure in outcome.measures:
            mean, deviation = entry.summary(measure)
            line |= {f"{_short(measure)}": mean, f"{_short(measure)} sd": deviation}
        rank = entry.rank or (None, None, None)
        final.append(line | dict(zip(("rank", "rank_low", "rank_high"), rank, strict=True)))
        for distance, (spent, share) in entry.reached.items():
            reached.append(
                {
                    "algorithm": entry.name,
                    "within": distance,
                    f"median {outcome.unit}": spent if math.isfinite(spent) else None,
                    "share of seeds": share,
                }
            )
        for position, (seed, index) in enumerate(sorted(entry.picks.items())):
            arch = within.string(within.archs(np.array([index]))[0].tolist())
            values = {_short(m): float(entry.final[str(m)][position]) for m in outcome.measures}
            picks.append({"algorithm": entry.name, "seed": seed, "index": index, "arch": arch, **values})
    return {
        "final": pd.DataFrame(final),
        "reached": pd.DataFrame(reached),
        "versus": _contrasts(outcome.versus, "p_holm"),
        "pairs": _contrasts(outcome.pairs, "q"),
        "picks": pd.DataFrame(picks),
        "curves": _curves(outcome),
    }


def _contrasts(contrasts: Sequence[Contrast], adjusted: str) -> pd.DataFrame:
    """A row per contrast."""
    rows = [{**vars(contrast), "clear": contrast.clear} for contrast in contrasts]
    return pd.DataFrame(rows).rename(columns={"adjusted": adjusted})


def _curves(outcome: Outcome) -> pd.DataFrame:
    """Test regret against what was spent; "random, expected" is what random search reaches in expectation."""
    frames = []
    for entry in outcome.entries:
        if c := entry.curve:
            quartiles = dict(zip(("q1", "median", "q3"), c.quartiles, strict=True))
            values = {"spent": c.spent, "mean": c.mean, "low": c.low, "high": c.high, **quartiles}
            frames.append(pd.DataFrame({"algorithm": entry.name, **values}))
    if outcome.random is not None:
        frames.append(
            pd.DataFrame({"algorithm": "random, expected", **dict(zip(("spent", "mean"), outcome.random, strict=True))})
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def as_json(outcome: Outcome, frames: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Every number of the report but the curves; what is not known is null."""
    content = {
        "comparison": outcome.comparison.as_dict(),
        "best": outcome.best,
        "omnibus": outcome.omnibus and vars(outcome.omnibus),
        "critical_difference": outcome.critical,
        "findings": findings(outcome),
        "notes": outcome.notes,
        "runs": {entry.name: entry.states for entry in outcome.entries},
        **{name: frame.to_dict("records") for name, frame in frames.items() if name != "curves"},
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def _short(measure: Measure) -> str:
    return f"{measure.dataset} {measure.split}"


def findings(outcome: Outcome) -> list[str]:
    """What the numbers say, by rule; first what tests say of them."""
    known = [entry for entry in outcome.best_first if entry.summary(outcome.measures[0])[0] is not None]
    said = [headline(outcome)]
    if len(known) > 1:
        said += [sentence for sentence in (_all_together(outcome), _highest(outcome, known)) if sentence]
    said += _about_pairs(outcome)
    return said + _about_training(outcome)


def headline(outcome: Outcome) -> str:
    """What the tests say of the algorithms; that there are none where there are too few seeds."""
    main = outcome.measures[0]
    known = [entry for entry in outcome.best_first if entry.summary(main)[0] is not None]
    if not known:
        return "No search is done yet."
    if len(known) == 1:
        mean = known[0].summary(main)[0] or 0.0
        count = _count(_seeds(outcome, known[0]), "search", "searches")
        return (
            f"{known[0].title}: mean {_short(main)} accuracy {mean:.2f} % over {count}, "
            f"{outcome.best - mean:.2f} points below the best known ({outcome.best:.2f} %)."
        )
    if max(_seeds(outcome, entry) for entry in known) == 1:
        return "This is one search of each algorithm. It describes these searches and does not compare the algorithms."
    return _against_random(outcome) if outcome.versus else _without_random(outcome)


def _against_random(outcome: Outcome) -> str:
    titles = {entry.name: entry.title for entry in outcome.entries}
    tested = [c for c in outcome.versus if c.adjusted is not None]
    if not tested:
        return f"No algorithm is distinguishable from random search{_too_few(outcome.versus)}"
    left = len(outcome.versus) - len(tested)
    rest = f" {_count(left, 'algorithm has', 'algorithms have')} too few seeds for a test." if left else ""
    groups = []
    for what, chosen in (
        ("better", [c for c in tested if c.clear and c.difference > 0]),
        ("worse", [c for c in tested if c.clear and c.difference < 0]),
    ):
        if chosen:
            each = "; ".join(f"{titles[c.first]} {_difference(c)}" for c in sorted(chosen, key=lambda c: -c.difference))
            groups.append(f"{len(chosen)} {_is(len(chosen))} clearly {what} ({each})")
    count = _count(len(tested), "algorithm", "algorithms")
    if not groups:
        seeds = _range([c.first_seeds for c in tested] + [c.second_seeds for c in tested])
        return f"No algorithm is distinguishable from random search with {seeds} seeds each ({count} tested).{rest}"
    return f"Of {count} tested against random search, {' and '.join(groups)}, points of accuracy.{rest}"


def _without_random(outcome: Outcome) -> str:
    tested = [c for c in outcome.pairs if c.adjusted is not None]
    if not tested:
        return f"No two algorithms are distinguishable{_too_few(outcome.pairs)}"
    clear = sum(c.clear for c in tested)
    return (
        f"Of {_count(len(tested), 'pair', 'pairs')} of algorithms tested, {clear} {_differs(clear)} clearly (false "
        "discovery "
        "rate 5 %); there is no random search to compare with."
    )


def _too_few(contrasts: Sequence[Contrast]) -> str:
    """Why none of these was tested, as the end of a sentence."""
    best = max(contrasts, key=lambda c: (min(c.first_seeds, c.second_seeds), c.first_seeds + c.second_seeds))
    counts = sorted((best.first_seeds, best.second_seeds))
    seeds = _range([n for c in contrasts for n in (c.first_seeds, c.second_seeds)])
    said = f" with {seeds} seeds each: tests need {LEAST} seeds of both algorithms."
    least = smallest_p(*counts)
    if least * len(contrasts) >= LEVEL:
        said += (
            f" A rank test of {counts[0]} against {_count(counts[1], 'search', 'searches')} cannot give a p-value "
            "below "
            f"{least:.2g}" + (f", before any correction for {len(contrasts):,} tests." if len(contrasts) > 1 else ".")
        )
    return said


def _all_together(outcome: Outcome) -> str:
    test = outcome.omnibus
    if test is None:
        return ""
    how = "Kruskal and Wallis' test" + (", by permutations" if test.permuted else "")
    if test.p < LEVEL:
        return f"Taken together, the algorithms differ by more than chance explains ({how}: p {_p(test.p)})."
    return f"Taken together, the algorithms are not shown to differ ({how}: p {_p(test.p)})."


def _highest(outcome: Outcome, known: Sequence[Entry]) -> str:
    """The highest mean where tests can say what it is worth, else how far the means are apart."""
    main = outcome.measures[0]
    means = [entry.summary(main)[0] or 0.0 for entry in known]
    top = known[0]
    rivals = [c for c in outcome.pairs if top.name in (c.first, c.second)]
    below = f"{outcome.best - means[0]:.2f} points below the best known ({outcome.best:.2f} %)"
    if any(c.adjusted is None for c in rivals) or _near_uniform(top):
        lowest = f"Mean {_short(main)} accuracies of the algorithms go from {means[-1]:.2f} % to {means[0]:.2f} %"
        return f"{lowest}; the highest is {below}."
    open_still = [c.second if c.first == top.name else c.first for c in rivals if not c.clear]
    titles = "; ".join(entry.title for entry in known if entry.name in open_still)
    return f"The highest mean {_short(main)} accuracy is that of {top.title}: {means[0]:.2f} %, {below}; " + (
        f"not clearly above that of {titles}." if open_still else "clearly above all others."
    )


def _about_pairs(outcome: Outcome) -> list[str]:
    tested = [c for c in outcome.pairs if c.adjusted is not None]
    if len(outcome.pairs) < 3 or not tested or not outcome.versus:
        return []
    clear = sum(c.clear for c in tested)
    return [
        f"Of all {len(tested)} pairs of algorithms tested, {clear} {_differs(clear)} clearly (exploratory: false "
        "discovery "
        "rate 5 %)."
    ]


def _about_training(outcome: Outcome) -> list[str]:
    """What super-nets were like at the end of their training."""
    said = []
    titles = {entry.name: entry.title for entry in outcome.entries}
    decided = [entry for entry in outcome.entries if _at_end(entry, "entropy") is not None]
    if decided:
        open_still = [entry.title for entry in decided if _near_uniform(entry)]
        said.append(
            f"Of {_count(len(decided), 'distribution', 'distributions')} over architectures, {len(open_still)} "
            f"{_is(len(open_still))} near-uniform at the end (mean entropy at least {100 * UNIFORM:.0f} % of the "
            "largest)" + (f", so that their picks say little: {'; '.join(open_still)}." if open_still else ".")
        )
    skips = {entry.name: skip for entry in outcome.entries if (skip := _at_end(entry, "skips")) is not None}
    if partner := next((name for name in ("gaea-darts-erm", "gaea-darts") if {"darts", name} <= skips.keys()), None):
        said.append(
            f"Skip connections in the final picks: {titles['darts']}: {100 * skips['darts']:.0f} %; {titles[partner]}: "
            f"{100 * skips[partner]:.0f} % of edges; a random architecture has 20 %, or 25 % without none."
        )
    gaps = {entry.title: gap for entry in outcome.entries if (gap := _gap(entry)) is not None}
    if gaps:
        ends = dict.fromkeys((min(gaps, key=gaps.__getitem__), max(gaps, key=gaps.__getitem__)))
        said.append(
            "Accuracy of the mixture − accuracy of its pick, with the same shared weights at the end: "
            + " to ".join(f"{number(gaps[title], '+.0f')} points ({title})" for title in ends)
            + "."
        )
    return said


def _near_uniform(entry: Entry) -> bool:
    entropy = _at_end(entry, "entropy")
    return entropy is not None and entropy >= UNIFORM


def _seeds(outcome: Outcome, entry: Entry) -> int:
    """Searches whose final accuracy is known."""
    values = entry.final.get(str(outcome.measures[0]), np.empty(0))
    return int((~np.isnan(values)).sum())


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _differs(n: int) -> str:
    return "differs" if n == 1 else "differ"


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _p(p: float) -> str:
    return "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def _difference(contrast: Contrast) -> str:
    """+0.25 [+0.21, +0.29], with as many digits as it takes to tell the ends from 0."""
    digits = 2
    while digits < 6 and any(end != 0 and round(end, digits) == 0 for end in (contrast.low, contrast.high)):
        digits += 1
    form = f"+.{digits}f"
    return number(contrast.difference, form) + bounds(contrast.low, contrast.high, form)


def _at_end(entry: Entry, column: str) -> float | None:
    """What the last row of a search has there, mean over seeds; None where the algorithm has no such thing."""
    if not entry.sharing or not entry.picks:
        return None
    values = entry.trace.sort_values("step").groupby("seed")[column].last().astype(float)
    return None if values.isna().all() else float(values.mean())


def _gap(entry: Entry) -> float | None:
    """Accuracy of the mixture minus that of the pick at the end, points, mean over seeds; None without a mixture."""
    mixture, pick = _at_end(entry, "mixture_accuracy"), _at_end(entry, "pick_accuracy")
    return None if mixture is None or pick is None else mixture - pick


# ---- the page ----------------------------------------------------------------------------------------------------


def _page(outcome: Outcome, svgs: Mapping[str, Path]) -> str:
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
    return document(escaped(f"Searching {c.space} on {c.dataset}"), escaped(what), "search.html", parts)


def _about_final(outcome: Outcome) -> str:
    """How the columns are to be read."""
    ranked = any(entry.rank for entry in outcome.entries)
    rank = (
        "Rank is the mean over seeds of the rank by the first accuracy, with its 95 % interval (Student's t). "
        if ranked
        else ""
    )
    return (
        f"{rank}Reached x: the median of {NAMES[outcome.unit]} spent until the current pick of a search was first "
        "within "
        f"x points of the best known accuracy, {outcome.best:.2f} %, and the share of searches that ever were; there "
        "is "
        "no median where half or more never were. A search that was there may end further away, because it picks by "
        "what "
        "it sees, not by this accuracy."
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
    heads = ["Algorithm", "Seeds", *(_short(m) for m in outcome.measures), *(["Rank"] if ranked else [])]
    heads += [f"Reached {distance:g}" for distance in NEAR] + (["Published, test"] if published else [])
    rows = []
    for entry in outcome.best_first:
        row: list[object] = [join([entry.title, " ", el("code", entry.name)]), _states(entry)]
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


def _states(entry: Entry) -> str:
    others = {state for state in entry.states.values() if state != "done"}
    return f"{entry.done}" + (f" of {len(entry.states)} ({', '.join(sorted(others))})" if others else "")


def plus_minus(mean: float | None, deviation: float | None) -> str:
    """Mean ± standard deviation, percent."""
    if mean is None:
        return ABSENT
    return f"{mean:.2f}" + (f" ± {deviation:.2f}" if deviation is not None else "")


def _about_published(outcome: Outcome) -> Html:
    sources: dict[tuple[str, str], list[str]] = {}
    for entry in outcome.best_first:
        if known := PUBLISHED.get(entry.name):
            sources.setdefault((known.source, known.searched), []).append(entry.name)
    said = "; ".join(f"{', '.join(names)}: {source} ({searched})" for (source, searched), names in sources.items())
    text = (
        "Published, taken from secondary sources: test accuracies on CIFAR-10 / CIFAR-100 / ImageNet16-120, with "
        "budgets "
        f"and settings of their own. {said}."
    )
    return el("p", text, class_="hint") if sources else Html("")


def _versus(outcome: Outcome) -> Html:
    """Every algorithm against random search."""
    if not outcome.versus:
        text = (
            "Random search is not among the algorithms, so that there is nothing to test them against."
            if len(outcome.pairs)
            else "There are no two algorithms with results to compare."
        )
        return el("p", text)
    return join([el("p", _about_tests(outcome.versus, "Holm's method")), _table(outcome, outcome.versus, "p (Holm)")])


def _pairs(outcome: Outcome) -> Html:
    """Every two algorithms, folded away."""
    if len(outcome.pairs) < 2:
        return Html("")
    summary = f"All {len(outcome.pairs)} pairs of algorithms (exploratory)"
    about = _about_tests(outcome.pairs, "the method of Benjamini and Hochberg, as false discovery rate q")
    return el("details", el("summary", summary), el("p", about), _table(outcome, outcome.pairs, "q"))


def _about_tests(contrasts: Sequence[Contrast], method: str) -> str:
    means = (
        "Difference of mean final accuracies, points, with its 95 % interval (Welch). Better: the share of pairs of "
        "searches, one of each algorithm, in which the first found the better architecture; ties count half. "
    )
    if all(c.p is None for c in contrasts):
        return f"{means}There are no tests{_too_few(contrasts)}"
    untested = " Algorithms with fewer seeds are not tested." if any(c.p is None for c in contrasts) else ""
    return (
        f"{means}p is of Mann and Whitney's test, for algorithms with {LEAST} seeds or more, and is corrected for "
        "the number "
        f"of tests by {method}. A difference is called clear (✓) where the corrected value is below 0.05 and the "
        "interval "
        f"excludes 0.{untested}"
    )


def _table(outcome: Outcome, contrasts: Sequence[Contrast], adjusted: str) -> Html:
    """A row per contrast, without columns of tests where there are none; the smallest corrected values first."""
    titles = {entry.name: entry.title for entry in outcome.entries}
    tested = any(c.p is not None for c in contrasts)
    rows: list[list[object]] = []
    for c in sorted(contrasts, key=lambda c: (2.0 if c.adjusted is None else c.adjusted, -abs(c.difference))):
        row: list[object] = [f"{titles[c.first]} − {titles[c.second]}", _difference(c), f"{100 * c.better:.0f} %"]
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
