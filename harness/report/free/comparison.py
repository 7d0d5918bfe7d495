"""Training-free scores beside each other: how well each ranks, how far draws agree, what each knows beyond others."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich import box
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, write_json, write_text
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.wording import quoted
from supernet.harness.correlation.truth import Known, ground_truth
from supernet.harness.report.correlation.result import check_draws, names_of
from supernet.harness.report.correlation.verdict import sentence
from supernet.harness.report.free.scores import MOST_DRAWS
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.style import BASELINE, COLUMN, FAINT, PALETTE, fitted, paper, save
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import writing
from supernet.harness.scoring import selection
from supernet.harness.scoring.proxies.probe import Networks, Probe
from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES
from supernet.harness.scoring.proxies.whole import Scored, score
from supernet.harness.scoring.selection import Wanted
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics
from supernet.harness.statistics.fusion import Floats, relative_ranks

CONTROL = "live-params"
"""The score that others are judged beyond."""
HEADS = ("score", "networks", "tau", "given live params", "draws agree", "like fresh", "ms", "without a value")


@dataclass(frozen=True)
class Compared:
    """One score in one kind of networks."""

    name: str
    networks: str
    """`shared`, `fresh`, or empty for a count."""
    tau: float
    """tau-b with the truth, mean over draws."""
    low: float
    """Ends of the 95 % interval over the choice of architectures."""
    high: float
    partial: float | None
    """Kendall's partial tau given the parameters on live edges, mean over draws; None for these themselves."""
    agreement: float | None
    """Mean tau-b between two draws."""
    like_fresh: float | None
    """Of shared networks: mean tau-b with the same score of fresh networks, over draws."""
    milliseconds: float
    """Of one process, for each network."""
    undefined: int
    """Architectures without a value in one of the draws."""


@dataclass(frozen=True)
class FreeComparison:
    """Training-free scores against one ground truth and each other."""

    space: str
    truth: str
    architectures: int
    probe: dict[str, Any]
    draws: int
    scores: list[Compared]
    """By falling tau."""
    pairs: dict[str, dict[str, float]]
    """Score -> score -> Kendall's partial tau of the first with the truth, given the second; first draws of shared
    networks."""
    notes: list[str] = field(default_factory=list)
    """What a reader has to know beside the numbers."""

    def frame(self, what: str = "scores") -> pd.DataFrame:
        """A row for each score, or with `pairs` the partial tau of each row's score given each column's.

        Raises:
            UserError: there is no such table.
        """
        if what == "pairs":
            return pd.DataFrame(self.pairs).T.rename_axis("score")
        if what != "scores":
            raise UserError(f"There is no table {quoted(what)}; there are scores and pairs.")
        return pd.DataFrame([asdict(each) for each in self.scores])

    def plot(self) -> Figure:
        """A figure: tau of every score with its interval; filled for shared networks, hollow for fresh ones."""
        with paper():
            names = list(dict.fromkeys(each.name for each in self.scores))
            figure = Figure(figsize=(1.5 * COLUMN, 0.7 + 0.17 * len(names)))
            axis = figure.subplots()
            axis.axvline(0, color=FAINT, linewidth=0.8)
            for each in self.scores:
                place = names.index(each.name) + {"shared": -0.15, "fresh": 0.15}.get(each.networks, 0.0)
                colour = BASELINE if not each.networks else PALETTE[0]
                axis.plot([each.low, each.high], [place, place], color=colour, linewidth=1.2)
                face = "white" if each.networks == "fresh" else colour
                axis.scatter(each.tau, place, s=14, facecolor=face, edgecolor=colour, zorder=3)
            axis.set_yticks(range(len(names)), names)
            axis.set_ylim(len(names) - 0.5, -0.5)
            axis.set_xlabel(
                f"Kendall τ-b with {self.truth}\nfilled: one random super-net, or a count; hollow: fresh networks"
            )
            axis.grid(axis="x", color=FAINT)
            axis.spines[["top", "right", "left"]].set_visible(False)
            axis.tick_params(axis="y", length=0)
            return fitted(figure)

    def write(self, out: Path | str) -> Path:
        """Write the tables (CSV), every number (JSON) and the figure to a folder; returns the folder."""
        out = Path(out)
        with writing(out) as folder:
            for what in ("scores", "pairs"):
                frame = self.frame(what)
                csv = frame.to_csv(index=what == "pairs", float_format="%.6g", lineterminator="\n")
                write_text(folder / f"{what}.csv", csv)
            write_json(folder / "comparison.json", asdict(self))
            with paper():
                save(self.plot(), folder, "taus")
        return out

    def _rows(self) -> list[list[object]]:
        def told(value: float | None) -> str:
            return "" if value is None else f"{value:.3f}"

        return [
            [
                each.name,
                each.networks,
                f"{each.tau:.3f} [{each.low:.3f}, {each.high:.3f}]",
                told(each.partial),
                told(each.agreement),
                told(each.like_fresh),
                f"{each.milliseconds:.1f}" if each.networks else "",
                f"{each.undefined:,}" if each.undefined else "",
            ]
            for each in self.scores
        ]

    def __rich__(self) -> Table:
        title = f"{self.architectures:,} architectures of {self.space} against {self.truth}; draws: {self.draws}"
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        for head in HEADS:
            table.add_column(head, justify="left" if head in HEADS[:2] else "right")
        table.caption, table.caption_justify = " ".join(map(sentence, self.notes)) or None, "left"
        for row in self._rows():
            table.add_row(*(Text(str(cell)) for cell in row))
        return table

    def _repr_html_(self) -> str:
        caption = f"{self.space}: training-free scores against {self.truth}"
        return html_table(list(HEADS), self._rows(), caption, list(map(sentence, self.notes)))


def compare_free(
    within: str,
    scores: str | Sequence[str] = "all",
    truth: str | Known = "digits",
    *,
    archs: Wanted = 100,
    draws: int = 2,
    networks: Networks | Sequence[Networks] = ("shared", "fresh"),
    sample_seed: int = 0,
    workers: int | None = None,
    resamples: int = 1000,
    out: Path | str | None = None,
    watch: Watch = SILENT,
    **probe: Any,
) -> FreeComparison:
    """Compare training-free scores with ground truth and with each other.

    Args:
        within: name of the search space.
        scores: `all`, or names of scores, as a list or separated by commas.
        truth: the ground truth, such as cifar10/test@200.
        archs: a number, to sample that many among the architectures that have it; `all`; a file; or indices or
            official strings. Architectures without ground truth are left out, and the notes say how many.
        draws: number of draws of images and weights.
        networks: the kinds of networks that are looked at: `shared`, `fresh` or a list of both.
        sample_seed: seed of the sample.
        workers: number of processes; by default one for each CPU core.
        resamples: number of bootstrap resamples of the architectures.
        out: folder for tables, figure and numbers, and for what an interrupted call goes on from.
        watch: receives messages and progress.
        probe: settings of the untrained networks and their images; see `Probe`. The task is that of the truth where
            none is given.

    Raises:
        UserError: a score, the truth or a setting cannot be used.
    """
    known = truth if isinstance(truth, Known) else ground_truth(within, truth)
    if isinstance(draws, bool) or not isinstance(draws, int) or not 1 <= draws <= MOST_DRAWS:
        raise UserError(f"The draws are a whole number from 1 to {MOST_DRAWS:,}, not {quoted(draws)}.")
    check_draws(resamples)
    if out is not None:
        check_place(Path(out), "out", folder=True)
    probe.setdefault("task", known.measure.dataset)
    probes = _probes(within, networks, probe)
    names = _names(scores)
    indices, notes = _with_truth(within, selection.selected(space(within), archs, sample_seed, known), known)
    y = known.accuracy()[truth_rows(space(within), indices, known.table)]
    found: dict[str, Scored] = {}
    for kind, looks in probes.items():
        keep = None
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            keep = Path(out) / f".{kind}.partial"
        with watch.progress(f"{kind} networks") as told:
            found[kind] = score(
                looks, names, indices, draws=draws, workers=workers, keep=keep, progress=told, notice=watch.note
            )
    result = _result(within, known, found, y, resamples, notes)
    if out is not None:
        result.write(out)
        for kind in probes:
            (Path(out) / f".{kind}.partial").unlink(missing_ok=True)
    return result


def _probes(within: str, networks: Networks | Sequence[Networks], settings: dict[str, Any]) -> dict[str, Probe]:
    """The probe of each kind of networks."""
    if not (kinds := names_of(networks)):
        raise UserError("`networks` is empty: name shared, fresh or both.")
    return {kind: Probe.of(within, {**settings, "networks": kind}) for kind in kinds}


def _with_truth(within: str, indices: NDArray[np.int64], known: Known) -> tuple[NDArray[np.int64], list[str]]:
    """The architectures that have ground truth, and a note on the others.

    Raises:
        UserError: there are too few.
    """
    there = selection.known(space(within), indices, known)
    stats.enough(int(there.sum()))
    if there.all():
        return indices, []
    return indices[there], [f"{(~there).sum():,} of {len(there):,} architectures have no ground truth and are left out"]


def _names(scores: str | Sequence[str]) -> list[str]:
    if scores == "all":
        return [*COUNTS, *PROXIES]
    names = [name.strip() for name in scores.split(",")] if isinstance(scores, str) else list(scores)
    return list(dict.fromkeys([CONTROL, *names]))


def _result(
    within: str, known: Known, found: dict[str, Scored], y: Floats, resamples: int, notes: list[str]
) -> FreeComparison:
    first = next(iter(found.values()))
    control = relative_ranks(first.values[CONTROL][0])
    ranks = {
        (name, kind if name in PROXIES else ""): np.stack([relative_ranks(x) for x in values])
        for kind, scored in found.items()
        for name, values in scored.values.items()
    }
    statistics = {
        f"{name}\0{kind}\0{draw}": stats.kendall_statistic(x, y)
        for (name, kind), table in ranks.items()
        for draw, x in enumerate(table)
    }
    draws = stats.bootstrap(statistics, len(y), count=resamples)
    out = []
    for (name, kind), table in ranks.items():
        scored = found[kind or next(iter(found))]
        drawn = np.mean([draws[f"{name}\0{kind}\0{draw}"] for draw in range(len(table))], axis=0)
        fresh = ranks.get((name, "fresh"))
        looks = len(table) * max(scored.distinct, 1)
        out.append(
            Compared(
                name,
                kind,
                float(np.mean([metrics.kendall_tau(x, y) for x in table])),
                *stats.interval(drawn),
                partial=None
                if name == CONTROL
                else float(np.mean([metrics.partial_tau(x, y, control) for x in table])),
                agreement=_mean([metrics.agreement(a, b) for a, b in itertools.combinations(table, 2)]),
                like_fresh=_mean([metrics.agreement(a, b) for a, b in zip(table, fresh, strict=True)])
                if kind == "shared" and fresh is not None
                else None,
                milliseconds=1000 * scored.seconds[name] / looks,
                undefined=int(np.isnan(scored.values[name]).any(axis=0).sum()) if kind else 0,
            )
        )
    out.sort(key=lambda each: -each.tau)
    single = {name: relative_ranks(values[0]) for name, values in first.values.items()}
    pairs = {
        a: {b: 0.0 if a == b else metrics.partial_tau(x, y, z) for b, z in single.items()} for a, x in single.items()
    }  # fmt: skip
    measure = str(known.measure)
    return FreeComparison(within, measure, len(y), first.probe.as_dict(), first.draws, out, pairs, notes)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
