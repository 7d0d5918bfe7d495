"""The ground truth that scores are compared with: one measure of one table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import OFFICIAL, SPACE_NAMES
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.asked import Asked
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.wording import did_you_mean, listed, quoted

SPACES = (*(name for name in OFFICIAL if name not in SPACE_NAMES), *SPACE_NAMES)
"""Benchmarks and search spaces with ground truth."""
_SPELLED = re.compile(r"(?P<dataset>[^/@]+)(?:/(?P<split>[^/@]+))?(?:@(?P<epochs>[^/@]+))?(?:/(?P<seed>[^/@]+))?")


@dataclass(frozen=True)
class Known:
    """Ground truth of a space: one measure of one table."""

    space: str
    table: GroundTruth
    measure: Measure

    def accuracy(self) -> NDArray[np.float64]:
        """Accuracy in percent by row of the table, NaN where it was not measured: (rows of the table,)."""
        m = self.measure
        return self.table.readings(m.dataset, m.split, m.epochs, m.seed, np.arange(len(self.table)))

    def frame(self) -> pd.DataFrame:
        """A row for each architecture of the table: its string or hash, and its accuracy in percent."""
        rows = np.arange(len(self.table))
        return pd.DataFrame({self.table.key_column: self.table.keys(rows), "accuracy": self.accuracy()})

    def __str__(self) -> str:
        return f"{self.measure} of {self.table.path.name}"


def check_agreement(known: Known, table: str | None = None, **asked: object) -> None:
    """Check that what is asked for beside ground truth that is an object does not contradict it.

    Args:
        table: name or path of a table; None if none is asked for.
        asked: space, dataset, split, epochs or seed; None where it is not asked for.

    Raises:
        UserError: it does.
    """
    m = known.measure
    there = {"space": known.space, "dataset": m.dataset, "split": m.split, "epochs": m.epochs, "seed": m.seed}
    given = {name: value for name, value in asked.items() if value is not None}
    meant = there | {name: str(value) for name, value in given.items()}
    spelled = Asked(meant["dataset"], meant["split"], meant["epochs"], meant["seed"]).spelled_as([m])
    meant |= vars(spelled)
    wrong = [f"{name}={quoted(value)}" for name, value in given.items() if meant[name] != there[name]]
    if table is not None and Path(table).name.removesuffix(".parquet") != known.table.path.stem:
        wrong.append(f"table={quoted(table)}")
    if wrong:
        raise UserError(
            f"The ground truth that was given is {known}, of {known.space}, but {listed(wrong)} asks for another: "
            "leave one of the two out."
        )


def ground_truth(
    space: str,
    measure: str | Measure | None = None,
    *,
    dataset: str | None = None,
    split: str | None = None,
    epochs: str | int | None = None,
    seed: str | int | None = None,
    table: str | None = None,
) -> Known:
    """Available ground truth, named as `cifar10/test@200` or by its parts.

    Args:
        space: a search space, or a benchmark whose official files can be imported.
        measure: DATASET/SPLIT@EPOCHS/SEED, of which all but the data set may be left out; or a measure of a table. The
            following arguments take precedence over its parts.
        split: split of the ground truth; `test` by default.
        epochs: epochs of stand-alone training; by default the largest available budget.
        seed: seed or repeat of the ground truth; `mean` by default.
        table: path or name of a table; by default the one with the most results.

    Raises:
        UserError: there is no such space, or no such ground truth is available.
    """
    if space not in SPACES:
        raise UserError(f"There is no space {quoted(space)} with ground truth; {did_you_mean(space, SPACES)}")
    parts: dict[str, str | None] = {}
    if isinstance(measure, Measure):
        parts = vars(measure)
    elif measure is not None:
        spelled = _SPELLED.fullmatch(str(measure))
        if spelled is None:
            raise UserError(f"{quoted(measure)} names no ground truth; spell it as cifar10/test@200 or .../mean.")
        parts = spelled.groupdict()
    dataset = dataset or parts.get("dataset")
    if not dataset:
        raise UserError("Name the data set of the ground truth, as in cifar10/test@200.")
    budget = parts.get("epochs") if epochs is None else str(epochs)
    repeat = parts.get("seed") if seed is None else str(seed)
    asked = (str(dataset), str(split or parts.get("split") or "test"), budget, repeat or "mean")
    found = shelf.measure_for(space, *asked, table)
    return Known(space, shelf.table_for(space, found, table), found)
