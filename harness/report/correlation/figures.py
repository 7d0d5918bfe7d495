"""Figures of a correlation report."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from scipy.stats import rankdata

from supernet.benchmarks.wording import shown
from supernet.harness.correlation.grouped import GroupedReport
from supernet.harness.correlation.report import PARAMS, Report
from supernet.harness.report.correlation.text import LONGEST
from supernet.harness.report.style import BASELINE, COLUMN, DENSITY, FAINT, INK, PALETTE, fitted, paper, save
from supernet.harness.statistics.metrics import Vector
from supernet.harness.statistics.printed import plain_interval

TAU, GROUPS = "tau-by-fraction", "tau-by-group"
"""Names of the figures that a report has once."""
DENSE = 1500
"""Number of architectures above which a figure shows their density instead of points."""
BEST = 20
"""Number of truly best architectures that `best_of` shows."""
CROWDED = 4
"""Number of rankings above which a legend stands beside its axes."""


def label_of(name: str) -> str:
    """A name from a file as a text in a figure: printable, cut, and not taken for mathematics or a hidden label."""
    text = shown(name, LONGEST).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """A part of a file name for each name: plain ASCII, at most 60 characters, distinct even if case is ignored."""
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)[:60] or "_"
        number, free = 2, stem
        while free.lower() in taken:
            number, free = number + 1, f"{stem}-{number}"
        taken.add(free.lower())
        stems[name] = free
    return stems


@contextmanager
def style() -> Iterator[None]:
    """Use the style of figures, without a warning for each character that the font lacks."""
    with paper(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def draw(report: Report, scores: dict[str, Vector], truth: Vector, best: Sequence[str], out: Path) -> list[Path]:
    """Write all figures of a report as PNG and SVG.

    Args:
        scores: the report's score columns, each (n,).
        truth: true accuracies in percent: (n,).
        best: a name for each of the truly best architectures, in the order of `truly_best`.
        out: folder for the figures.

    Returns:
        The paths of the files.
    """
    stems = file_stems(scores)
    with style():
        paths = save(tau_by_fraction(report), out, TAU)
        for name, x in scores.items():
            paths += save(fitted(ranks(x, truth, title_of(report, name))), out, f"ranks-{stems[name]}")
            paths += save(best_of(x, truth, best, label_of(name), str(report.measure)), out, f"best-{stems[name]}")
    return paths


def truly_best(truth: Vector) -> NDArray[np.int64]:
    """Positions of the truly best architectures that `best_of` shows, the best first.

    Args:
        truth: true accuracies: (n,).
    """
    return np.argsort(-truth, kind="stable")[:BEST]


def title_of(report: Report, name: str) -> str:
    """The name of a score column with its tau."""
    tau = next(ranking for ranking in report.ranked if ranking.name == name).estimates["kendall_tau"]
    return f"{label_of(name)}: τ = {plain_interval(tau)}"


def ranks(scores: Vector, truth: Vector, title: str) -> Figure:
    """Rank by score against true rank, as points or as the density of architectures.

    Rank 1 is best and is at the top right. Ties share their mean rank.

    Args:
        scores, truth: (n,) each.
    """
    n = len(truth)
    by_truth, by_score = rankdata(-truth), rankdata(-scores)
    dense = n > DENSE
    figure = Figure(figsize=(1.2 * COLUMN if dense else COLUMN, COLUMN))
    axis = figure.subplots()
    if dense:
        density = axis.hexbin(
            by_truth, by_score, gridsize=60, bins="log", cmap=DENSITY, linewidths=0.1, rasterized=True
        )
        bar = figure.colorbar(density, ax=axis, shrink=0.8, aspect=30, label="architectures per hexagon")
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        bar.outline.set_visible(False)
    else:
        axis.scatter(by_truth, by_score, s=5, color=PALETTE[0], alpha=0.5, linewidths=0, rasterized=n > 300)
    axis.plot([1, n], [1, n], color=INK, linewidth=0.6, dashes=(4, 3))
    axis.set(xlim=(n + 1, 0), ylim=(n + 1, 0), xlabel="true rank (1 = best)", ylabel="rank by score (1 = best)")
    axis.set_box_aspect(1)
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else "1"))
    axis.set_title(title)
    return figure


def tau_by_fraction(report: Report) -> Figure:
    """tau-b within the truly best fraction, for every score column and the parameter count, with intervals."""
    figure = Figure(figsize=(1.5 * COLUMN, 2.7))
    axis = figure.subplots()
    fractions = np.array(report.fractions)
    for number, ranking in enumerate(report.ranked):
        there = [i for i, e in enumerate(ranking.curve) if e is not None]
        estimates = [e for e in ranking.curve if e is not None]
        baseline = ranking.name == PARAMS
        colour = BASELINE if baseline else PALETTE[number % len(PALETTE)]
        axis.plot(
            fractions[there],
            [e.value for e in estimates],
            marker="s" if baseline else "o",
            markersize=3,
            color=colour,
            linestyle="--" if baseline else "-",
            label="parameter count" if baseline else label_of(ranking.name),
        )
        axis.fill_between(
            fractions[there],
            [e.low for e in estimates],
            [e.high for e in estimates],
            color=colour,
            alpha=0.18,
            lw=0,
        )
    if report.ceiling:
        _ceiling(axis, report.ceiling.attainable, report.ceiling.attainable_top10, "_", "ceiling (attainable)")
        _ceiling(axis, report.ceiling.tau, None, "x", "two single repeats")
    axis.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    axis.set_xscale("log")
    known = [any(ranking.curve[i] is not None for ranking in report.ranked) for i in range(len(fractions))]
    axis.set_xticks(fractions[known], minor=False)  # of few architectures, small fractions have no tau
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    axis.set_xticks([], minor=True)
    axis.invert_xaxis()
    axis.set(xlabel="truly best fraction of the architectures", ylabel="Kendall τ-b within this fraction")
    crowded = len(report.ranked) > CROWDED
    axis.legend(**({"loc": "center left", "bbox_to_anchor": (1.02, 0.5)} if crowded else {"loc": "best"}))
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _ceiling(axis: Axes, everywhere: float, in_top: float | None, marker: str, label: str) -> None:
    """Draw marks at all architectures and, where the value is known, at the best 10 %."""
    at = [(1.0, everywhere)] + ([(0.1, in_top)] if in_top is not None else [])
    axis.scatter([f for f, _ in at], [t for _, t in at], marker=marker, s=24, color=INK, linewidth=0.9, label=label)


def best_of(scores: Vector, truth: Vector, names: Sequence[str], name: str, measure: str) -> Figure:
    """The rank by score of each of the truly best architectures, with the score itself.

    Args:
        scores, truth: (n,) each.
        names: a name for each of the truly best architectures, in the order of `truly_best`.
        name: what to call the score.
        measure: what to call the truth.
    """
    best = truly_best(truth)
    position = np.arange(len(best))
    rank = rankdata(-scores)[best]
    figure = Figure(figsize=(1.5 * COLUMN, 0.8 + 0.13 * len(best)))
    axis = figure.subplots()
    axis.axvspan(0.7, len(best) + 0.5, color=PALETTE[2], alpha=0.12, linewidth=0)
    axis.hlines(position, 0.7, rank, color=FAINT, linewidth=0.8)
    axis.scatter(rank, position, color=PALETTE[0], s=14, zorder=3)
    axis.set_xscale("log")
    axis.set_xlim(0.7, 1.4 * len(scores))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    labels = [f"{words} · {truth[i]:.2f} %" for words, i in zip(names, best, strict=True)]
    axis.set_yticks(position, labels, fontsize=5.5)
    axis.set_ylim(len(best) - 0.4, -0.6)
    right = axis.twinx()
    right.set_yticks(position, [f"{scores[i]:,.5g}" for i in best], fontsize=5.5)
    right.set_ylim(axis.get_ylim())
    axis.set_title(f"The {len(best)} best by {measure}", fontsize=7.5)
    axis.set_xlabel(f"rank by {name} among {len(scores):,} (shaded: top {len(best)})")
    right.set_ylabel(name)
    for part in (axis, right):
        part.tick_params(axis="y", length=0)
        part.spines[["top", "right", "left"]].set_visible(False)
    return figure


def draw_groups(report: GroupedReport, out: Path) -> list[Path]:
    """Write the figure of groups as PNG and SVG."""
    with style():
        return save(by_group(report), out, GROUPS)


def by_group(report: GroupedReport) -> Figure:
    """tau-b of every group with its interval, groups of the first `by` column side by side."""
    outer = list(dict.fromkeys(g.key[0] for g in report.groups))
    inner = list(dict.fromkeys(g.key[1:] for g in report.groups))
    figure = Figure(figsize=(2 * COLUMN if len(report.groups) > 12 else COLUMN, 2.6))
    axis = figure.subplots()
    for number, rest in enumerate(inner):
        at = [(outer.index(g.key[0]) + _offset(number, len(inner)), g) for g in report.groups if g.key[1:] == rest]
        x = np.array([position for position, _ in at])
        y = np.array([g.tau.value for _, g in at])
        low = np.array([g.tau.value if g.tau.low is None else g.tau.low for _, g in at])
        high = np.array([g.tau.value if g.tau.high is None else g.tau.high for _, g in at])
        label = label_of(", ".join(rest)) if rest else None
        axis.errorbar(
            x,
            y,
            yerr=(np.maximum(y - low, 0), np.maximum(high - y, 0)),
            fmt="o",
            markersize=3,
            elinewidth=0.9,
            color=PALETTE[number % len(PALETTE)],
            label=label,
        )
        axis.scatter(x, [g.params_tau for _, g in at], marker="_", s=14, color=BASELINE, zorder=1)
    axis.scatter([], [], marker="_", s=14, color=BASELINE, label="parameter count")
    axis.set_xticks(
        range(len(outer)), [label_of(name) for name in outer], rotation=20 if len(outer) > 4 else 0, ha="right"
    )
    axis.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    axis.set(xlabel=label_of(report.by[0]), ylabel="Kendall τ-b")
    axis.legend(title=label_of(", ".join(report.by[1:])) or None, loc="center left", bbox_to_anchor=(1, 0.5))
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def _offset(number: int, of: int) -> float:
    """Horizontal offset of the points of one of several inner groups."""
    return 0.0 if of == 1 else 0.7 * (number / (of - 1) - 0.5)
