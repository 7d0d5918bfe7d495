"""What a search sees of a benchmark: validation accuracies at some fidelities, each at its own cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.truth.table import GroundTruth, Measure


@dataclass(frozen=True)
class Fidelity:
    """One training budget of the benchmark: accuracy and cost of every architecture, by index."""

    epochs: str
    values: list[float]
    """Accuracy as a search sees it, percent; NaN where the benchmark has none."""
    seconds: list[float]
    """Of training; NaN where the table has none, which serves budgets of queries alone."""


@dataclass(frozen=True)
class Objective:
    """What a search maximises, at its fidelities from the cheapest up."""

    space: SearchSpace
    fidelities: tuple[Fidelity, ...]
    notes: tuple[str, ...] = ()

    @property
    def top(self) -> int:
        """Number of the most expensive fidelity."""
        return len(self.fidelities) - 1


def objective(
    within: SearchSpace, truth: GroundTruth, dataset: str, epochs: tuple[str, ...], seed: str, split: str = "valid"
) -> Objective:
    """The objective of searches on a table.

    Args:
        split: `valid`, or for tests of algorithms `test`, which no search of a report may use.
        epochs: fidelities from the cheapest up.
        seed: whose accuracies are observed.

    Raises:
        UserError: the table lacks one of them, or the space is too large to be listed.
    """
    rows = truth_rows(within, within.every_index("a search on a table"), truth)
    known = rows >= 0
    if not known.any():
        raise UserError(f"{truth.path.name} has no architecture of {within.name}.")
    fidelities, notes = [], []
    for budget in epochs:
        values = np.full(len(within), np.nan)
        values[known] = truth.accuracy(dataset, split, budget, seed, rows[known])
        seconds = np.full(len(within), np.nan)
        costs, note = _seconds(truth, dataset, budget, rows[known])
        seconds[known] = costs
        if note:
            notes.append(note)
        fidelities.append(Fidelity(budget, values.tolist(), seconds.tolist()))
    return Objective(within, tuple(fidelities), tuple(notes))


def _seconds(truth: GroundTruth, dataset: str, epochs: str, rows: np.ndarray) -> tuple[np.ndarray, str]:
    """Seconds of training of each row, and how they were derived where the table does not say."""
    available = truth.timed_epochs(dataset)
    if epochs in available:
        return truth.mean_train_seconds(dataset, epochs, rows), ""
    whole = [known for known in available if known.isdecimal() and epochs.isdecimal()]
    if not whole:
        return np.full(len(rows), np.nan), f"{truth.path.name} has no training times for {dataset}."
    longest = max(whole, key=int)
    share = int(epochs) / int(longest)
    seconds = truth.mean_train_seconds(dataset, longest, rows) * share
    return seconds, f"{truth.path.name} has no times for {epochs} epochs: {epochs}/{longest} of those for {longest}."


def reported(within: SearchSpace, truth: GroundTruth, measure: Measure) -> np.ndarray:
    """Test accuracy of every architecture by index, NaN where there is none, for reports alone: (n,).

    Raises:
        UserError: the space is too large to be listed.
    """
    rows = truth_rows(within, within.every_index("a report of searches"), truth)
    values = np.full(len(within), np.nan)
    known = rows >= 0
    values[known] = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, rows[known])
    return values
