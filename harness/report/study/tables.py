"""Tables of a study as CSV, LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from supernet.benchmarks.files import write_text
from supernet.benchmarks.wording import encodable
from supernet.harness.report.latex import latex
from supernet.harness.report.study import factors
from supernet.harness.report.study.structure_tables import displaced, free, short_structure, structure
from supernet.harness.statistics.printed import p_decimals, plain_interval
from supernet.harness.study.results import COSTS, MEANS, Analysis


def effects(analysis: Analysis) -> pd.DataFrame:
    """One line per setting: tau and its difference from the base with intervals, the other metrics, stability, cost."""
    lines = []
    for row in analysis.rows:
        line: dict[str, object] = {"heuristic": row.heuristic, "value": row.value, "family": row.family}
        line["runs"] = sum(state == "done" for state in row.states.values())
        line |= {"diverged": len(row.diverged), "collapsed": len(row.collapsed)}
        tau, d = row.tau, row.difference
        line |= {"tau": tau and tau.value, "tau_low": tau and tau.low, "tau_high": tau and tau.high}
        line |= {"difference": d and d.value, "difference_low": d and d.low, "difference_high": d and d.high}
        line |= {"p": d and d.p, "p_dunnett": d and d.p_corrected, "q": d and d.q, "step": row.step and row.step.value}
        partial = row.partial_difference
        line |= {"partial_difference": partial and partial.value, "partial_p_dunnett": partial and partial.p_corrected}
        more, gain = row.adds_difference, row.adds
        line |= {"adds": gain and gain.value, "adds_low": gain and gain.low, "adds_high": gain and gain.high}
        line |= {"adds_difference": more and more.value, "adds_p_dunnett": more and more.p_corrected}
        line |= {name: row.means.get(name) for name in MEANS}
        line |= {"seed_tau": row.seed_tau, "epoch_tau": row.epoch_tau, "epoch_sd": row.epoch_sd}
        line |= {name: row.costs.get(name) for name in COSTS}
        lines.append(line)
    return pd.DataFrame(lines)


def operations(analysis: Analysis) -> pd.DataFrame:
    """One line per setting: percentile points by which each operation is over-ranked beyond regression to the mean."""
    lines = []
    for row in analysis.rows:
        line: dict[str, object] = {"heuristic": row.heuristic, "value": row.value}
        for name, mean in row.excess.items():
            line |= {name: mean.value, f"{name} low": mean.low, f"{name} high": mean.high}
        lines.append(line)
    return pd.DataFrame(lines)


def runs(analysis: Analysis) -> pd.DataFrame:
    """One line per run: its state, and its tau where it has one."""
    lines = [
        {"heuristic": row.heuristic, "value": row.value, "seed": seed, "state": state, "tau": row.taus.get(seed)}
        for row in analysis.rows
        for seed, state in row.states.items()
    ]
    return pd.DataFrame(lines)


def write_tables(analysis: Analysis, out: Path) -> list[Path]:
    """Write NAME.csv and NAME.tex for each table."""
    paths = []
    for name, make in FRAMES.items():
        if name == "factors" and not analysis.has_factors:
            continue
        frame = make(analysis)
        if not len(frame):
            continue
        # Times differ from machine to machine and from run to run; the other numbers do not.
        rounded = frame.round(dict.fromkeys(["train_seconds", "score_seconds"], 1))
        paths += [out / f"{name}.csv", out / f"{name}.tex"]
        rounded.to_csv(paths[-2], index=False, float_format="%.6g", lineterminator="\n")
        shown = SHORT[name](analysis) if name in SHORT else frame
        caption, note = PRINTED.get(name, (name.capitalize(), ""))
        label = f"tab:{analysis.name}-{name}"
        text = latex(shown, f"{analysis.title}: {caption}", label, note)
        # A title or file name may hold what UTF-8 cannot write, such as a byte that was never text.
        write_text(paths[-1], encodable(text))
    return paths


def summary(analysis: Analysis) -> pd.DataFrame:
    """The effects as a paper prints them: intervals in brackets, few columns."""
    lines = []
    for row in analysis.rows:
        tau, d = row.tau, row.difference
        lines.append(
            {
                "heuristic": row.heuristic,
                "value": row.value,
                "τ [95 %]": plain_interval(tau) if tau else _states(row.states),
                "Δτ [95 %]": plain_interval(d, "+.3f") + "*" * d.clear if d else "",
                "p (Dunnett)": "" if d is None or d.p_corrected is None else p_decimals(d.p_corrected),
                "top 10 %": _number(row.means.get("tau_top_10"), ".3f"),
                "regret@1": _number(row.means.get("regret@1"), ".2f"),
                "accuracy": _number(row.means.get("supernet_accuracy"), ".1f"),
            }
        )
    return pd.DataFrame(lines)


FRAMES: dict[str, Callable[[Analysis], pd.DataFrame]] = {
    "effects": effects, "operations": operations, "runs": runs, "structure": structure, "displaced": displaced,
    "free": free, "factors": factors.frame,
}  # fmt: skip
"""Name -> the table; one without lines is not written."""
SHORT = {"effects": summary, "structure": short_structure, "factors": factors.summary}
"""Name -> the table as LaTeX has it, where that is shorter."""
PRINTED = {
    "effects": (
        "every setting and its difference from the base in Kendall's τ.",
        "* p < 0.05 after Dunnett's correction for all comparisons with the base. Brackets: 95 % intervals.",
    ),
    "operations": ("percentile points by which each operation is over-ranked.", ""),
    "runs": ("every run, its state and its Kendall's τ.", ""),
    "structure": ("what lies behind the disorder of ranks.", ""),
    "displaced": ("percentile points by which each choice displaces architectures in the ranking of the base.", ""),
    "free": ("choices that can be compared within runs.", ""),
    "factors": ("effects on Kendall's τ on average over the other heuristics.", ""),
}
"""Name -> caption of the table in LaTeX, and a note below it."""


def _states(states: dict[int, str]) -> str:
    return ", ".join(dict.fromkeys(states.values()))


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
