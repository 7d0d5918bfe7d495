"""How well rankings that need no training do, on every available ground-truth table.

Any score should do better than these baselines, and many published super-nets do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place
from supernet.benchmarks.spaces import SPACE_NAMES, space
from supernet.benchmarks.spaces.live import live_quantity
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.join import indices_of_rows, measured_in
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.truth import Known
from supernet.harness.report.correlation.result import Correlation, check_draws, compared
from supernet.harness.report.correlation.text import interval_text
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.watch import SILENT, Done, Watch
from supernet.harness.scoring.free import RULE as FREE
from supernet.harness.scoring.free import free_score
from supernet.harness.statistics import metrics

# The columns of the table, those that are aligned to the left, and its caption.
TITLES = (
    "table", "space", "archs", "accuracy", "tau-b", "top 10 %", "live params", "layers", "depth", "free-1",
    "attainable", "repeats agree", "regret@1",
)  # fmt: skip
LEFT = ("table", "space", "accuracy")
COUNTED = ("live-params", "live-layers", "live-depth")
CAPTION = "Kendall tau-b of parameter count, and of other rankings that need no training"


@dataclass(frozen=True)
class Baselines:
    """Comparisons of training-free rankings with each mean test accuracy at the largest budget."""

    found: list[tuple[Known, Correlation]]
    """Ground truth and the comparison of parameter count with it."""
    problems: list[str] = field(default_factory=list)
    """A sentence for each table that was left out."""
    only_embedded: bool = False
    """Whether only the tables that ship are available."""
    others: list[dict[str, float]] = field(default_factory=list)
    """For each comparison tau-b of the other rankings that need no training: name -> tau."""

    def frame(self) -> pd.DataFrame:
        """A row for each comparison."""
        rows = []
        for (known, correlation), taus in zip(self.found, self.others, strict=True):
            values = correlation.frame().iloc[0]
            names = ("kendall_tau", "kendall_tau_low", "kendall_tau_high", "tau_true_top_10%", "regret@1")
            row: dict[str, object] = {"table": known.table.path.stem, "space": known.space}
            row |= {"architectures": correlation.report.architectures, "accuracy": str(known.measure)}
            row |= {name: values.get(name) for name in names}
            row |= {f"tau_{name}": tau for name, tau in taus.items()}
            if ceiling := correlation.report.ceiling:
                row |= {"attainable": ceiling.attainable, "repeats_agree": ceiling.tau}
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, what: str = "tau", number: int = 0) -> Figure:
        """A figure of one comparison.

        Args:
            what: as in `Correlation.plot`.
            number: number of the comparison, from 0.

        Raises:
            UserError: there is no such comparison or figure.
        """
        if not 0 <= number < len(self.found):
            raise UserError(f"There are {len(self.found)} comparisons, numbered from 0, and none is {number}.")
        return self.found[number][1].plot(what)

    def __rich__(self) -> Table:
        summary = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=CAPTION, title_justify="left")
        for title in TITLES:
            summary.add_column(title, justify="left" if title in LEFT else "right", no_wrap=True)
        for row in self._rows():
            summary.add_row(*row)
        return summary

    def _repr_html_(self) -> str:
        return html_table(TITLES, self._rows(), CAPTION, self.problems)

    def _rows(self) -> list[list[str]]:
        return [_row(*one, taus) for one, taus in zip(self.found, self.others, strict=True)]


def _row(known: Known, correlation: Correlation, taus: dict[str, float]) -> list[str]:
    """The cells of a comparison, in the order of TITLES."""
    report, m = correlation.report, known.measure
    (params,) = report.ranked
    top = params.estimates.get("tau_true_top_10%")
    return [
        known.table.path.stem,
        known.space,
        f"{report.architectures:,}",
        f"{m.dataset} {m.split} @{m.epochs}",
        interval_text(params.estimates["kendall_tau"]),
        f"{top.value:.3f}" if top else "",
        *(f"{taus[name]:.3f}" if name in taus else "" for name in (*COUNTED, FREE)),
        f"{report.ceiling.attainable:.3f}" if report.ceiling else "",
        f"{report.ceiling.tau:.3f}" if report.ceiling else "",
        f"{params.values['regret@1']:.2f}",
    ]


def baselines(
    *,
    resamples: int | None = None,
    out: Path | str | None = None,
    watch: Watch = SILENT,
    surveyed: Callable[[Baselines], None] | None = None,
) -> Baselines:
    """Compare rankings that need no training with the mean test accuracies of every available ground-truth table.

    Args:
        resamples: number of bootstrap resamples; by default 1,000, or 200 above 50,000 architectures.
        out: folder for the figures and all numbers; nothing is written without it.
        watch: receives messages and progress.
        surveyed: called, before the comparisons, with a result that holds what is wrong with tables.
    """
    check_draws(resamples)
    if out is not None:
        check_place(Path(out), "out", folder=True)
    tables, problems = shelf.intact_tables()
    result = Baselines([], problems, all(map(shelf.is_embedded, tables)))
    if surveyed:
        surveyed(result)
    for known, rows in _cases(tables):
        none = pd.DataFrame(index=range(len(rows)))
        scored = ScoreTable(known.space, rows, {}, none)
        label = f"{known.table.path.stem} {known.space} {known.measure}"
        correlation = compared(scored, known, resamples=resamples, watch=_Labelled(watch, label))
        if out is not None:
            correlation.write(Path(out) / known.table.path.stem / f"{known.space}-{known.measure.column}")
        result.found.append((known, correlation))
        y = known.accuracy()[rows]
        result.others.append({name: metrics.kendall_tau(x, y) for name, x in _free(known, rows).items()})
    return result


def _free(known: Known, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Quantities of what is live, and the training-free ranking of reports, of a space's architectures: (n,) each."""
    if known.space not in SPACE_NAMES:
        return {}
    within = space(known.space)
    indices = indices_of_rows(within, rows, known.table)
    archs = within.archs(indices)
    scores = {name: live_quantity(within, name, archs) for name in COUNTED}
    free = free_score(within, indices)
    return {**scores, FREE: free.alone} if free.name == FREE else scores


class _Labelled(Watch):
    """A watch that shows the progress of one of several comparisons under its label."""

    def __init__(self, watch: Watch, label: str) -> None:
        self._watch, self._label = watch, label

    def tell(self, text: str) -> None:
        self._watch.tell(text)

    def progress(self, what: str) -> AbstractContextManager[Done]:
        return self._watch.progress(self._label)


def _cases(found: list[GroundTruth]) -> Iterator[tuple[Known, NDArray[np.int64]]]:
    """Yield the mean test accuracy at the largest budget for each data set of each table, with the rows to compare.

    A NAS-Bench-101 table is also read as each 1Shot1 space, with one architecture per distinct cell.
    """
    for table in found:
        final: dict[str, Measure] = {}
        for m in table.measures:
            if (m.split, m.seed) == ("test", "mean") and m.epochs.isdecimal():
                final[m.dataset] = max(final.get(m.dataset, m), m, key=lambda each: int(each.epochs))
        for m in final.values():
            yield Known(table.space, table, m), np.arange(len(table))
            for name in SPACE_NAMES:
                if name != table.space and shelf.covers(table, name):
                    _, rows = measured_in(space(name), table)
                    if len(rows):
                        yield Known(name, table, m), rows
