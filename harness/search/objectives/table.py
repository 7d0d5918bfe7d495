"""The objective of a search on a table: validation accuracies at one or more fidelities, each with its cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.search.ledger import TIMED
from supernet.harness.search.objective import Answer, Query


@dataclass(frozen=True)
class Fidelity:
    """One training budget of the benchmark: accuracy and cost of every architecture, by index."""

    epochs: str
    values: list[float]
    """Accuracy of each architecture that a search observes, in percent; NaN where the benchmark has none."""
    seconds: list[float]
    """Training time of each architecture in seconds; NaN where the table has none (see `Table.under`)."""


@dataclass(frozen=True)
class Table:
    """The `Objective` that looks accuracies up in a table."""

    space: SearchSpace
    fidelities: tuple[Fidelity, ...]
    """The fidelities, the cheapest first."""
    notes: tuple[str, ...] = ()
    """Sentences for the reader of a report about accuracies and times that the table lacks."""
    untimed: int = 0
    """Number of architectures that count as absent because the table has no training time of them."""

    @property
    def top(self) -> int:
        """Number of the most expensive fidelity."""
        return len(self.fidelities) - 1

    @property
    def known(self) -> NDArray[np.int64]:
        """Indices of the architectures that have answers, ascending: (known,)."""
        return np.flatnonzero(~np.isnan(self.fidelities[-1].values))

    def under(self, kind: str) -> Table:
        """Return the table as searches see it whose budget limits a kind of cost, with a note on what they do not see.

        Under a budget in seconds, simulated or by the clock, an architecture without a training time counts as absent,
        since nobody knows what a query of it costs.
        """
        values, seconds = (np.array([getattr(f, name) for f in self.fidelities]) for name in ("values", "seconds"))
        lost = np.isnan(seconds).any(axis=0) & ~np.isnan(values[-1])
        if kind not in TIMED or not lost.any():
            return self
        note = (
            f"Of {lost.sum():,} of the {len(self.known):,} architectures of {self.space.name} with accuracies, the "
            "table has no training time: under a budget in seconds, these count as missing from it."
        )
        values[:, lost], seconds[:, lost] = np.nan, np.nan
        timed = (
            replace(f, values=values[k].tolist(), seconds=seconds[k].tolist()) for k, f in enumerate(self.fidelities)
        )
        return replace(self, fidelities=tuple(timed), notes=(*self.notes, note), untimed=int(lost.sum()))

    def ask(self, query: Query) -> Answer:
        """Look an architecture up. The cost is that of the training that the query stands for, also by the clock."""
        index, fidelity = self.space.known_index(query.arch), self.fidelities[query.fidelity]
        seconds = fidelity.seconds[index]
        return Answer(fidelity.values[index], {"queries": 1.0, "seconds": seconds, "wall": seconds})


def objective(
    within: SearchSpace, truth: GroundTruth, dataset: str, epochs: tuple[str, ...], seed: str, split: str = "valid"
) -> Table:
    """Make the objective of searches on a table, which answers for architectures that have a result at all fidelities.

    Args:
        dataset: the data set whose accuracies are observed.
        epochs: the fidelities, the cheapest first.
        seed: the table's seed whose accuracies are observed.
        split: `valid`; tests of algorithms may use `test`, but searches of a report must not.

    Raises:
        UserError: the table has no architecture of the space with all fidelities, or the space is too large to be
            listed.
    """
    rows = truth_rows(within, within.every_index("a search on a table"), truth)
    there = rows >= 0
    if not there.any():
        raise UserError(f"{truth.path.name} has no architecture of {within.name}.")
    readings = np.full((len(epochs), len(within)), np.nan)
    for number, budget in enumerate(epochs):
        readings[number, there] = truth.readings(dataset, split, budget, seed, rows[there])
    known = ~np.isnan(readings).any(axis=0)
    what = f"{dataset} {split} accuracies of {seed} after {' and '.join(epochs)} epochs"
    if not known.any():
        raise UserError(f"{truth.path.name} has no {what} of any architecture of {within.name}.")
    fidelities, notes = [], []
    if known.sum() < there.sum():
        notes.append(
            f"{truth.path.name} has {what} of {known.sum():,} of its {there.sum():,} architectures of {within.name}; "
            "searches query only these."
        )
    for budget, values in zip(epochs, readings, strict=True):
        seconds = np.full(len(within), np.nan)
        costs, note = _seconds(truth, dataset, budget, rows[known])
        seconds[known] = costs
        if note:
            notes.append(note)
        fidelities.append(Fidelity(budget, np.where(known, values, np.nan).tolist(), seconds.tolist()))
    return Table(within, tuple(fidelities), tuple(notes))


def _seconds(truth: GroundTruth, dataset: str, epochs: str, rows: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the training time of each row in seconds, and a note on how it was derived; empty if the table has it."""
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
    """Return a measure of every architecture by index, NaN where the table has none: (n,). Only reports may use this.

    Raises:
        UserError: the space is too large to be listed.
    """
    rows = truth_rows(within, within.every_index("a report of searches"), truth)
    values = np.full(len(within), np.nan)
    known = rows >= 0
    values[known] = truth.readings(measure.dataset, measure.split, measure.epochs, measure.seed, rows[known])
    return values
