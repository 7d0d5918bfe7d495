"""Super-nets of several recipes side by side: whether remedies lower interference and disturbance."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, write_json, write_text
from supernet.benchmarks.wording import quoted
from supernet.harness.report.correlation.result import names_of
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.interference.result import InterferenceReport, interference
from supernet.harness.report.style import COLUMN, FAINT, INK, PALETTE, fitted, paper, save
from supernet.harness.report.training.wanted import Part, wanted
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import writing
from supernet.harness.statistics import seeds as over_seeds
from supernet.harness.statistics.printed import with_interval
from supernet.harness.statistics.seeds import Comparisons, Difference, Mean
from supernet.heuristics.recipe import Recipe

BASE = "base"
"""The label of the recipe without changes."""


@dataclass(frozen=True)
class Outcome:
    """A mean over the rows of a measure, one value for each super-net."""

    name: str
    method: str
    column: str
    rises: bool
    """Whether a higher value means less interference or disturbance."""
    at_end: bool
    """Whether only the last measured epoch counts."""

    def of(self, frame: pd.DataFrame) -> float:
        """The value of one super-net; NaN if it has no such row.

        Args:
            frame: the rows of its measures.
        """
        rows = frame[frame["method"] == self.method]
        if self.at_end:
            rows = rows[rows["epoch"] == rows["epoch"].max()]
        return float(rows[self.column].mean()) if len(rows) else float("nan")


OUTCOMES = (
    Outcome("cosine of gradients of architectures trained in turn", "successive", "cosine", True, False),
    Outcome("change of the loss of the architecture before by a step", "successive", "change", False, False),
    Outcome("cosine of gradients, same pairs for all, at the end", "interference", "cosine", True, True),
    Outcome("change of loss by a plain step, same pairs for all, at the end", "disturbance", "change", False, True),
)
HEADS = ("recipe", "super-nets", "mean [95 %]", "less base [95 %, all changes together]", "interference or disturbance")


@dataclass(frozen=True)
class Compared:
    """One outcome of every recipe."""

    outcome: Outcome
    means: Mapping[str, Mean]
    """Label -> mean over super-nets."""
    differences: Mapping[str, Difference]
    """Label of a change -> its mean less that of the base; Dunnett-corrected over the changes."""
    detectable: float | None
    """Smallest true difference that is found with 80 % power."""

    def verdict(self, label: str) -> str:
        """Whether interference or disturbance clearly falls or rises under a change."""
        found = self.differences[label]
        if found.p is None:
            return "not tested: too few super-nets"
        if not found.clear:
            return "undecided"
        return "falls" if (found.value > 0) == self.outcome.rises else "rises"


def compared(rows: Mapping[str, Sequence[pd.DataFrame]]) -> list[Compared]:
    """Every outcome, compared with the base; super-nets are the unit of all intervals.

    Args:
        rows: label -> the rows of the measures of each super-net, the base first.
    """
    out = []
    for outcome in OUTCOMES:
        values = {label: np.array([outcome.of(frame) for frame in frames]) for label, frames in rows.items()}
        values = {label: found[~np.isnan(found)] for label, found in values.items()}
        values = {label: found for label, found in values.items() if len(found)}
        if BASE not in values:
            continue
        others = [label for label in values if label != BASE]
        found: Comparisons = over_seeds.compare(
            values[BASE], [values[label] for label in others], bound=1.0 if outcome.column == "cosine" else None
        )
        means = {
            label: over_seeds.mean_of(values[label], spread, bounded=outcome.column == "cosine")
            for label, spread in zip([BASE, *others], found.spreads, strict=True)
        }
        differences = dict(zip(others, found.differences, strict=True))
        out.append(Compared(outcome, means, differences, found.detectable))
    return out


@dataclass(frozen=True)
class ComparedInterference:
    """Interference and disturbance in super-nets of a recipe, and of the same recipe with changes."""

    reports: Mapping[str, InterferenceReport] = field(repr=False)
    """Label -> what its super-nets say, the base first."""

    @property
    def outcomes(self) -> list[Compared]:
        """Every outcome of all recipes."""
        return compared({label: report.rows for label, report in self.reports.items()})

    def frame(self) -> pd.DataFrame:
        """A row for each outcome and recipe."""
        rows = []
        for found in self.outcomes:
            for label, mean in found.means.items():
                difference = found.differences.get(label)
                row = {
                    "outcome": found.outcome.name, "recipe": label, "super_nets": mean.seeds, "mean": mean.value,
                    "low": mean.low, "high": mean.high,
                }  # fmt: skip
                if difference is not None:
                    row |= {
                        "difference": difference.value, "difference_low": difference.low,
                        "difference_high": difference.high, "p": difference.p_corrected, "here": found.verdict(label),
                    }  # fmt: skip
                rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """Means with intervals of every outcome, a panel for each."""
        found = self.outcomes
        with paper():
            figure = Figure(figsize=(2 * COLUMN, 1.1 + 0.26 * 2 * len(self.reports)))
            axes = figure.subplots(2, 2).flat
            for axis, one in zip(axes, found, strict=False):
                for place, (label, mean) in enumerate(reversed(list(one.means.items()))):
                    clear = label in one.differences and one.differences[label].clear
                    colour = PALETTE[3] if clear else INK
                    if mean.low is not None:
                        axis.plot([mean.low, mean.high], [place] * 2, color=colour, linewidth=1.2)
                    axis.plot(mean.value, place, "o", color=colour, markersize=3.5)
                axis.set_yticks(range(len(one.means)), list(reversed(list(one.means))))
                axis.set_xlabel(textwrap.fill(one.outcome.name, 34))
                axis.margins(y=0.3)
                axis.locator_params(axis="x", nbins=4)
                axis.grid(axis="x", color=FAINT)
                axis.spines[["top", "right"]].set_visible(False)
            for axis in list(figure.axes)[len(found) :]:
                axis.remove()
            return fitted(figure)

    def write(self, out: Path | str) -> Path:
        """Write the table (CSV), every number (JSON) and the figure to a folder; returns the folder."""
        out = Path(out)
        with writing(out) as folder:
            write_text(folder / "compared.csv", self.frame().to_csv(index=False, float_format="%.6g"))
            recipes = {label: report.recipe.as_dict() for label, report in self.reports.items()}
            write_json(folder / "compared.json", {"recipes": recipes, "outcomes": [asdict(f) for f in self.outcomes]})
            with paper():
                save(self.plot(), folder, "compared")
        return out

    def __rich__(self) -> Group:
        return Group(*(_table(one) for one in self.outcomes))

    def _repr_html_(self) -> str:
        rows: list[list[object]] = [[*cells, one.outcome.name] for one in self.outcomes for cells in _cells(one)]
        return html_table([*HEADS, "outcome"], rows, "Interference and disturbance in super-nets of several recipes")


def _table(one: Compared) -> Table:
    limit = ""
    if one.detectable is not None:
        limit = f" (differences from {one.detectable:.2g} on are found with a probability of 80 %)"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=one.outcome.name + limit, title_justify="left")
    for head in HEADS:
        table.add_column(head)
    for cells in _cells(one):
        table.add_row(*map(Text, cells))
    return table


def _cells(one: Compared) -> Iterator[list[str]]:
    """The rows of an outcome as text, one for each recipe."""
    for label, mean in one.means.items():
        cells = [label, str(mean.seeds), with_interval(mean, "+.3f")]
        if label in one.differences:
            d = one.differences[label]
            cells += [with_interval(d, "+.3f"), one.verdict(label)]
        yield cells + [""] * (len(HEADS) - len(cells))


def compare_interference(
    *parts: Part,
    against: str | Sequence[str],
    seeds: int = 3,
    pairs: int = 8,
    every: int | None = None,
    out: Path | str = "results/interference",
    device: str = "cpu",
    workers: int | None = None,
    watch: Watch = SILENT,
    **keys: Any,
) -> ComparedInterference:
    """Measure whether remedies lower interference and disturbance in super-nets of a recipe.

    Args:
        parts, seeds, pairs, every, device, workers, watch, keys: see `supernet.interference`.
        against: one or several changes of the recipe, each a text of names of methods and of KEY=VALUE, such as
            `magic-a training.epochs=17`, which gives the remedy the passes of 24 epochs without it.
        out: folder of the super-nets, one for each change, and of the report.

    Raises:
        UserError: the recipe, a change or an argument cannot be used.
    """
    check_place(Path(out), "out", folder=True)
    recipe = wanted(*parts, **keys)
    changes = {BASE: [], **{" ".join(text.split()): _changes(text) for text in names_of(against)}}
    # All are checked before the first is trained.
    changed = {label: recipe.override(change) for label, change in changes.items()}
    reports = {}
    for label, folder in folders(changed).items():
        watch.tell(label)
        reports[label] = interference(
            changed[label], seeds=seeds, pairs=pairs, every=every, out=Path(out) / folder, device=device,
            workers=workers, watch=watch,
        )  # fmt: skip
    found = ComparedInterference(reports)
    found.write(Path(out) / "report")
    return found


def _changes(text: str) -> list[str]:
    """The changes that a text lists: a name alone is that of a method."""
    words = text.split()
    if not words:
        raise UserError(f"{quoted(text)} names no method and no KEY=VALUE to compare with.")
    return [word if "=" in word else f"methods.{word}=true" for word in words]


def folders(changed: Mapping[str, Recipe]) -> dict[str, str]:
    """The name of the folder of each change: letters, digits and a few signs of its text.

    Texts that differ in other signs alone get six digits of their recipes, too.

    Args:
        changed: text of a change -> the recipe with it.
    """
    plain = {label: "".join(c if c.isalnum() or c in "-_.=" else "_" for c in label) for label in changed}
    shared = {name for name, count in Counter(plain.values()).items() if count > 1}
    return {label: f"{name}-{changed[label].hash[:6]}" if name in shared else name for label, name in plain.items()}
