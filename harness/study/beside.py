"""Scores of a run's last epoch beside its own: on a part of the images, and with other statistics of batch norm.

What they change costs no training, so that a study compares it within runs (`harness.study.free`). A quarter of the
images is scored in the same pass as all of them. Other statistics need passes of their own; they are computed for a
sample of the architectures, and only in studies that ask for `batch-norm` under `free`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.harness.runs.integrity import MEASURES
from supernet.harness.statistics import metrics
from supernet.heuristics.recipe import Recipe

BATCH_NORM = "batch-norm"
ASKED = (BATCH_NORM,)
"""What a study may ask for under `free`."""
STATISTICS = {
    "batch": "the statistics of each batch",
    "recalibrate": "recalibrated statistics",
    "running": "running statistics",
}
"""What batch norm can use in scoring (`evaluation.bn`) -> in words."""
QUARTER = "quarter_tau"
"""Metric: tau of the scores on the first quarter of the images, by the recipe's measure."""
MOST_RESCORED = 100
"""Architectures that are scored again with other statistics of batch norm."""
SPENT = ("beside_seconds", "beside_images")
"""Columns, and entries of the ledger: seconds and images of scoring again."""
COLUMNS = (
    *(f"quarter_{measure}" for measure in MEASURES.values()),
    *(f"bn_{statistics}_{measure}" for statistics in STATISTICS for measure in MEASURES.values()),
    *SPENT,
)  # fmt: skip
"""Columns that the scores of a run may have beside its own."""


def tau_name(statistics: str) -> str:
    """Metric: tau on the architectures that are scored again, with these statistics of batch norm."""
    return f"bn_{statistics}_tau"


def quarter(recipe: Recipe) -> int:
    """A quarter of a recipe's scoring images; 0 where there are fewer than four."""
    return recipe.evaluation.images // 4


def sample(count: int) -> NDArray[np.int64]:
    """Which of `count` architectures are scored again, ascending: up to `MOST_RESCORED`, the same in all runs."""
    drawn = np.random.default_rng(0).choice(count, min(count, MOST_RESCORED), replace=False)
    return np.sort(drawn)


def others(recipe: Recipe) -> tuple[str, ...]:
    """Statistics of batch norm that a recipe's network can be scored with, beside the recipe's own."""
    possible = [name for name in STATISTICS if name != "running" or recipe.network.bn_track]
    return tuple(name for name in possible if name != recipe.evaluation.bn)


def filled(
    frame: pd.DataFrame, rows: NDArray[np.int64], statistics: str, values: Mapping[str, NDArray[np.float64]]
) -> pd.DataFrame:
    """The scores with those under other statistics of batch norm, in columns that are empty but for these rows.

    Args:
        values: measure (`MEASURES`) -> scores of these rows, higher is better: (rows,).
    """
    columns = {}
    for measure, known in values.items():
        column = np.full(len(frame), np.nan)
        column[rows] = known
        columns[f"bn_{statistics}_{measure}"] = column
    return frame.assign(**columns)


def taus(last: pd.DataFrame, metric: str) -> dict[str, float | None]:
    """The metrics of a run that these scores give; none of columns that are not there.

    Args:
        last: the scores after the last epoch, with the column `true`.
        metric: what the recipe ranks by: loss or accuracy.
    """
    measure = MEASURES[metric]
    names = {QUARTER: f"quarter_{measure}"} | {tau_name(s): f"bn_{s}_{measure}" for s in STATISTICS}
    return {name: _tau(last[column], last["true"]) for name, column in names.items() if column in last}


def _tau(scores: pd.Series, truth: pd.Series) -> float | None:
    """tau-b over the rows with a score; None if fewer than two are left, or a score is infinite."""
    known = scores.notna()
    if known.sum() < 2 or not np.isfinite(scores[known]).all():
        return None
    return metrics.kendall_tau(scores[known].to_numpy(), truth[known].to_numpy())
