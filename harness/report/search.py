"""The report of a comparison of searches: page, figures, tables, and every number as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.errors import UserError
from benchmarks.files import write_json, write_text
from benchmarks.truth.table import Measure
from benchmarks.wording import listed
from harness.report import search_figures
from harness.report.frame import document
from harness.report.inlined import figure
from harness.report.markup import ABSENT, Html, bounds, el, escaped, join, number
from harness.report.tables import latex
from harness.report.whole import writing
from harness.search.analysis import NEAR, Entry, Outcome, analyse, gather, wanted
from harness.search.comparison import Comparison
from harness.search.ledger import NAMES
from harness.search.published import PUBLISHED
from harness.search.truths import Truths
from harness.study.integrity import read_json
from harness.study.store import Store

UNDECIDED = 0.95
"""Of the largest entropy: a distribution above hardly prefers any architecture."""


def write_search_report(
    comparison: Comparison, store: Store, out: Path, *, workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:  # fmt: skip
    """Analyse what is done and write index.html, figures/, tables/ and report.json to `out`.

    The files are built aside and put in place when all are complete.

    Args:
        workers: processes that measure architectures which an embedded table lacks.
        progress: told how many of these are measured, and how many there are.

    Raises:
        UserError: `out` holds the report of another comparison.
        OSError: the folder cannot be written to.
    """
    entries = gather(comparison, store)
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
        svgs = search_figures.draw(outcome, folder / "figures")
        for name, frame in frames.items():
            frame.to_csv(folder / "tables" / f"{name}.csv", index=False, float_format="%.6g", lineterminator="\n")
            if name != "curves":  # which no paper prints
                write_text(folder / "tables" / f"{name}.tex", latex(frame.round(3)))
        write_json(folder / "report.json", as_json(outcome, frames))
        write_text(folder / "index.html", _page(outcome, svgs).encode("utf-8", "backslashreplace").decode("utf-8"))
    return outcome


def _check_owner(out: Path, comparison: Comparison) -> None:
    """Refuse to replace the report of a comparison by one that is not the same or an extension of it.

    Raises:
        UserError: it is another comparison, or has fewer algorithms or seeds.
    """
    try:
        there = read_json(out / "report.json").get("comparison")
    except (OSError, ValueError):  # no report, or one that nobody can read
        return
    if not isinstance(there, dict):
        return
    own = json.loads(json.dumps(comparison.as_dict()))
    grows = ("algorithms", "seeds")
    same = all(there[key] == value for key, value in own.items() if key in there and key not in grows)
    if same and set(_strings(there.get("algorithms"))) <= set(own["algorithms"]) and _at_most(there, own["seeds"]):
        return
    raise UserError(
        f"{out} holds the report of another comparison, of {listed(_strings(there.get('algorithms'))) or 'nothing'}, "
        "and is left as it is. The searches of this one are kept: give it another --name, and the report is written "
        "there."
    )


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _at_most(there: Mapping[str, Any], seeds: int) -> bool:
    return not isinstance(there.get("seeds"), int) or there["seeds"] <= seeds


# ---- numbers -----------------------------------------------------------------------------------------------------


def tables(outcome: Outcome) -> dict[str, pd.DataFrame]:
    """final, reached, pairs, picks and curves, as they are written."""
    final, reached, picks = [], [], []
    within = outcome.comparison.within
    for entry in outcome.entries:
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
    pairs = [vars(pair) for pair in outcome.pairs]
    return {"final": pd.DataFrame(final), "reached": pd.DataFrame(reached), "pairs": pd.DataFrame(pairs),
            "picks": pd.DataFrame(picks), "curves": _curves(outcome)}  # fmt: skip


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
    """What the numbers say, by rule."""
    main = outcome.measures[0]
    means = {entry.name: mean for entry in outcome.best_first if (mean := entry.summary(main)[0]) is not None}
    if not means:
        return ["No search is done yet."]
    titles = {entry.name: entry.title for entry in outcome.entries}
    best, highest = outcome.best_first[0], max(means.values())
    said = [
        f"{best.title} ends best: mean {_short(main)} accuracy {highest:.2f} %, {outcome.best - highest:.2f} points "
        f"below the best known ({outcome.best:.2f} %)."
    ]
    clear = [pair for pair in outcome.pairs if pair.p_holm < 0.05]
    if outcome.pairs:
        seeds = len(outcome.common)
        smallest = f"; with {seeds} seeds the smallest attainable p of one pair is {2 / 2**seeds:.2g}"
        said.append(
            f"Of {len(outcome.pairs)} pairs of algorithms, {len(clear)} differ clearly (Wilcoxon, Holm p < 0.05)"
            + (f"{smallest}." if seeds < 20 else ".")
        )
    if "random" in means and len(means) > 1:
        better = [titles[name] for name, mean in means.items() if mean > means["random"]]
        said.append(
            f"Random search reaches {means['random']:.2f} %; "
            + (f"better on average: {'; '.join(better)}." if better else "no algorithm is better on average.")
        )
    entropies = {entry.title: h for entry in outcome.entries if (h := _at_end(entry, "entropy")) is not None}
    if entropies:
        open_still = [title for title, h in entropies.items() if h >= UNDECIDED]
        said.append(
            f"Of {len(entropies)} distributions over architectures, {len(open_still)} are hardly decided at the end "
            f"(entropy at least {100 * UNDECIDED:.0f} % of the largest)"
            + (f", so that their picks say little: {'; '.join(open_still)}." if open_still else ".")
        )
    skips = {entry.name: skip for entry in outcome.entries if (skip := _at_end(entry, "skips")) is not None}
    if partner := next((name for name in ("gaea-darts-erm", "gaea-darts") if {"darts", name} <= skips.keys()), None):
        said.append(
            f"Skip connections in the final picks: {titles['darts']}: {100 * skips['darts']:.0f} %; {titles[partner]}: "
            f"{100 * skips[partner]:.0f} % of edges; a random architecture has 20 %, or 25 % without none."
        )
    gaps = {entry.title: gap for entry in outcome.entries if (gap := _gap(entry)) is not None}
    if gaps:
        widest, narrowest = max(gaps, key=lambda title: gaps[title]), min(gaps, key=lambda title: gaps[title])
        said.append(
            f"Discretisation costs most with {widest}: at the end its mixture is {gaps[widest]:.0f} points more "
            f"accurate than its pick with the same weights; least with {narrowest} ({gaps[narrowest]:.0f})."
        )
    return said


def _at_end(entry: Entry, column: str) -> float | None:
    """What the last row of a search has there, mean over seeds; None where the algorithm has no such thing."""
    if not entry.sharing or not entry.picks:
        return None
    values = entry.trace.sort_values("step").groupby("seed")[column].last().astype(float)
    return None if values.isna().all() else float(values.mean())


def _gap(entry: Entry) -> float | None:
    """Accuracy of the mixture less that of the pick at the end, points, mean over seeds; None without a mixture."""
    mixture, pick = _at_end(entry, "mixture_accuracy"), _at_end(entry, "pick_accuracy")
    return None if mixture is None or pick is None else mixture - pick


# ---- the page ----------------------------------------------------------------------------------------------------


def _page(outcome: Outcome, svgs: Mapping[str, Path]) -> str:
    c = outcome.comparison
    drawn = {caption: path.read_text(encoding="utf-8") for caption, path in svgs.items()}
    figures = [figure(caption, svg, k) for k, (caption, svg) in enumerate(drawn.items(), 1)]
    main = outcome.measures[0]
    published = (c.space, c.dataset) == ("nb201", "cifar10")
    what = (
        f"{len(c.algorithms)} algorithms · budget {c.budget} · {c.seeds} seeds · searches see {c.truth.measure} of "
        f"{c.truth.table} · regret is of {main}"
    )
    parts = {
        "findings": join(el("li", sentence) for sentence in findings(outcome)),
        "about_final": escaped(
            "Rank is the mean over seeds of the rank by the first accuracy, with its 95 % interval (Student's t). "
            f"Reached is the median of {NAMES[outcome.unit]} until within {NEAR[0]:g} and {NEAR[1]:g} points of "
            f"the best known, {outcome.best:.2f} %, and the share of seeds that got there."
        ),
        "final": _final(outcome, published),
        "about_published": _about_published(outcome) if published else Html(""),
        "figures": join(figures),
        "about_pairs": escaped(
            "Mean difference of final accuracy over seeds, points, with its 95 % interval (Student's t); p of "
            f"Wilcoxon's signed ranks, by Holm's method for {len(outcome.pairs)} pairs."
        ),
        "pairs": _pairs(outcome),
        "methods": _methods(outcome),
    }
    return document(escaped(f"Searching {c.space} on {c.dataset}"), escaped(what), "search.html", parts)


def _grid(heads: list[str], rows: list[list[object]]) -> Html:
    """A table whose first column heads its rows."""
    top = el("thead", el("tr", *(el("th", head, scope="col", class_=None if k == 0 else "number")
                                 for k, head in enumerate(heads))))  # fmt: skip
    body = [
        el("tr", el("th", row[0], scope="row"), *(el("td", cell, class_="number") for cell in row[1:])) for row in rows
    ]
    return el("table", top, el("tbody", *body))


def _final(outcome: Outcome, published: bool) -> Html:
    heads = ["Algorithm", "Seeds", *(_short(m) for m in outcome.measures), "Rank"]
    heads += [f"Reached {distance:g}" for distance in NEAR] + (["Published, test"] if published else [])
    rows = []
    for entry in outcome.entries:
        row: list[object] = [join([entry.title, " ", el("code", entry.name)]), _states(entry)]
        for measure in outcome.measures:
            row.append(plus_minus(*entry.summary(measure)))
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
    sources: dict[str, list[str]] = {}
    for entry in outcome.entries:
        if known := PUBLISHED.get(entry.name):
            sources.setdefault(known.source, []).append(entry.name)
    said = "; ".join(f"{source}: {', '.join(names)}" for source, names in sources.items())
    text = (
        "Published, quoted at second hand: CIFAR-10 / CIFAR-100 / ImageNet16-120, with budgets and settings of their "
        f"own. {said}."
    )
    return el("p", text, class_="hint") if sources else Html("")


def _pairs(outcome: Outcome) -> Html:
    titles = {entry.name: entry.title for entry in outcome.entries}
    rows: list[list[object]] = [
        [
            f"{titles[pair.first]} less {titles[pair.second]}",
            number(pair.difference, "+.2f") + bounds(pair.low, pair.high, "+.2f"),
            number(pair.p, ".3g"),
            number(pair.p_holm, ".3g"),
        ]
        for pair in sorted(outcome.pairs, key=lambda pair: pair.p_holm)
    ]
    return _grid(["Pair", "Difference", "p", "p (Holm)"], rows)


def _methods(outcome: Outcome) -> Html:
    c = outcome.comparison
    sources = join(el("dt", entry.title) + el("dd", f"{entry.source} ({entry.name})") for entry in outcome.entries)
    problems = [problem for entry in outcome.entries for problem in entry.problems]
    parts = [el("p", note) for note in outcome.notes]
    parts.append(el("details", el("summary", "Algorithms"), el("dl", sources, class_="pairs")))
    if any(entry.sharing for entry in outcome.entries):
        recipe = yaml.safe_dump(c.base.as_dict(), sort_keys=False)
        parts.append(el("details", el("summary", "Base recipe of the super-nets"), el("pre", el("code", recipe))))
    if problems:
        parts.append(el("details", el("summary", "Runs that are not done"), el("ul", *(el("li", p) for p in problems))))
    return join(parts)
