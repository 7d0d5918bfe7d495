"""Fusion of scores from files into one score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.wording import listed, quoted, shown
from supernet.harness.correlation.unjoined import side_by_side
from supernet.harness.report.correlation.result import names_of
from supernet.harness.report.free.place import score_file, write
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.scoring.rules import rule
from supernet.harness.statistics.fusion import Floats, fuse, over_classes, relative_ranks

FUSED = "fused"
"""Name of the column."""
BEST = 10
"""Number of architectures that a notebook shows."""


@dataclass(frozen=True)
class Fused:
    """One score of n architectures from several."""

    space: str
    indices: NDArray[np.int64]
    """(n,)"""
    scores: Floats
    """Higher is better: (n,)."""
    columns: dict[str, float]
    """The columns that were fused, and their weights."""
    how: str
    card: str
    """What the choice of the rule has seen; empty for a rule of the user's own."""
    notes: list[str]
    sources: tuple[Path, ...] = ()
    """The files that were fused, which `write` does not replace."""

    def frame(self) -> pd.DataFrame:
        """A row for each architecture, with the columns index, arch and fused."""
        within = space(self.space)
        names = within.strings(within.archs(self.indices))
        return pd.DataFrame({"index": self.indices, "arch": names, FUSED: self.scores})

    def _repr_html_(self) -> str:
        best = self.frame().sort_values(FUSED, ascending=False).head(BEST)
        rows: list[list[object]] = [[row.arch, f"{row.fused:.4f}"] for row in best.itertuples(index=False)]
        parts = ", ".join(f"{shown(name)} ({weight:g})" for name, weight in self.columns.items())
        caption = (
            f"{self.space}: the {len(best)} best of {len(self.scores):,} architectures by {parts}, {self.how} ranks"
        )
        return html_table(["architecture", FUSED], rows, caption, [*self.notes, *([self.card] if self.card else [])])

    def write(self, path: Path | str) -> Path:
        """Write the frame as Parquet, or as CSV if the name ends so.

        Raises:
            UserError: the name has another ending, or is that of a file that was fused.
        """
        path = score_file(path, self.sources)
        write(self.frame(), path)
        return path


def fused(
    files: Path | str | Sequence[Path | str],
    within: str,
    *,
    named: str | None = None,
    trained: str | Sequence[str] = (),
    columns: Mapping[str, float] | str | Sequence[str] | None = None,
    how: str = "log",
    over_twins: bool = False,
) -> Fused:
    """Fuse score columns of files into one score, by the ranks of the architectures that all files have.

    Args:
        files: files as `correlate` takes them.
        within: name of the search space.
        named: a rule that is fixed by name, such as `free-1+supernet`.
        trained: with such a rule, the columns with scores of trained super-nets, whose ranks are averaged.
        columns: instead of a rule, columns and their weights, or names of columns, each with weight 1; by default all
            columns of numbers.
        how: how ranks are fused without a rule: log, harmonic or linear.
        over_twins: whether scores are first averaged, as ranks, over architectures that compute the same function
            with the same weights.

    Raises:
        UserError: a file, a column or the rule cannot be used.
    """
    paths = [Path(file) for file in ([files] if isinstance(files, Path | str) else files)]
    if not paths:
        raise UserError("Name the files whose scores are to be fused.")
    if named and columns:
        raise UserError("A rule fixes its columns and weights: give a rule, or columns, and not both.")
    indices, known, notes = side_by_side(paths, space(within))
    if over_twins:
        twins = space(within).twins(indices)
        known = {name: over_classes(relative_ranks(values), twins) for name, values in known.items()}
    if named:
        chosen = rule(named)
        weights = dict(chosen.free)
        nets = names_of(trained)
        _there([*weights, *nets], known)
        values = chosen.of(known, np.stack([known[net] for net in nets]) if nets else None)
        weights |= dict.fromkeys(nets, (chosen.trained or 0.0) / max(len(nets), 1))
        return Fused(within, indices, values, weights, chosen.how, chosen.card, notes, tuple(paths))
    if trained:
        raise UserError("Columns of trained super-nets are for rules, such as free-1+supernet; weigh columns instead.")
    weights = dict(columns if isinstance(columns, Mapping) else dict.fromkeys(names_of(columns or ()), 1.0))
    weights = weights or dict.fromkeys(known, 1.0)
    _there(list(weights), known)
    values = fuse({name: known[name] for name in weights}, weights, how)
    return Fused(within, indices, values, weights, how, "", notes, tuple(paths))


def _there(names: Sequence[str], known: Mapping[str, Any]) -> None:
    if missing := [name for name in names if name not in known]:
        raise UserError(
            f"The files have no column {listed(map(quoted, missing))}; they have {listed(map(quoted, known))}."
        )
