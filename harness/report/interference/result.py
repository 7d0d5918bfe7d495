"""The report on interference: trends against the published observations, means by distance, cell and epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, write_json, write_text
from supernet.benchmarks.spaces import space
from supernet.benchmarks.wording import quoted
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.interference.observed import Level, Trend, levels, trends
from supernet.harness.report.style import COLUMN, FAINT, INK, PALETTE, fitted, paper, save
from supernet.harness.report.training.trained import train
from supernet.harness.report.training.wanted import Part, wanted
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import writing
from supernet.harness.runs.parallel import Told, each, processes
from supernet.harness.statistics.printed import with_interval
from supernet.harness.training.folder import holds_run
from supernet.heuristics import recipe as recipes
from supernet.heuristics.recipe import Recipe

HEADS = ("Spearman's correlation", "published", "mean over super-nets [95 %]", "here")
MOST = 50
"""Most super-nets: our choice."""
DRAWN = (
    ("interference", "distance", "cosine", "differing decisions", "cosine of gradients"),
    ("interference", "cell", "cosine", "cell", "cosine of gradients"),
    ("interference", "epoch", "cosine", "epoch", "cosine of gradients"),
    ("disturbance", "distance", "change", "differing decisions", "disturbance (change of loss)"),
)
"""Method, two columns, and two labels of each panel."""


@dataclass(frozen=True)
class InterferenceReport:
    """What several super-nets of one recipe say of interference."""

    recipe: Recipe = field(repr=False)
    seeds: list[int]
    rows: list[pd.DataFrame] = field(repr=False)
    """For each super-net the rows of its measures (`Run.measured`)."""

    @property
    def trends(self) -> list[Trend]:
        """Rank correlations at the end of training."""
        return trends([frame[frame["epoch"] == frame["epoch"].max()] for frame in self.rows])

    def panels(self) -> dict[str, list[Level]]:
        """Name of a panel of the figure -> its means. Those by epoch are over all epochs, others at the end."""
        last = [frame[frame["epoch"] == frame["epoch"].max()] for frame in self.rows]
        return {
            f"{value} by {by}": levels(self.rows if by == "epoch" else last, method, by, value)
            for method, by, value, _, _ in DRAWN
        }

    def frame(self) -> pd.DataFrame:
        """A row for each trend."""
        return pd.DataFrame(
            [
                {
                    "correlation": trend.what, "published": trend.expected, "mean": trend.mean.value,
                    "low": trend.mean.low, "high": trend.mean.high, "super_nets": trend.mean.seeds,
                    "here": trend.verdict,
                }
                for trend in self.trends
            ]
        )  # fmt: skip

    def plot(self) -> Figure:
        """Cosine of gradients by distance, cell and epoch, and disturbance by distance, with intervals over nets."""
        with paper():
            figure = Figure(figsize=(2 * COLUMN, 3.6))
            for axis, means, (_, _, _, below, beside) in zip(
                figure.subplots(2, 2).flat, self.panels().values(), DRAWN, strict=True
            ):
                for level in means:
                    if level.mean.low is not None:
                        axis.plot([level.at] * 2, [level.mean.low, level.mean.high], color=PALETTE[0], linewidth=1.2)
                axis.plot([m.at for m in means], [m.mean.value for m in means], "o-", color=PALETTE[0], markersize=3)
                axis.set_xticks([m.at for m in means], [f"{m.at:g}" for m in means])
                axis.axhline(0, color=INK, linewidth=0.6)
                axis.set(xlabel=below, ylabel=beside)
                axis.grid(axis="y", color=FAINT)
                axis.spines[["top", "right"]].set_visible(False)
            return fitted(figure)

    def write(self, out: Path | str) -> Path:
        """Write the table (CSV), every number (JSON) and the figure to a folder; returns the folder."""
        out = Path(out)
        with writing(out) as folder:
            write_text(folder / "trends.csv", self.frame().to_csv(index=False, float_format="%.6g"))
            panels = {name: [asdict(level) for level in means] for name, means in self.panels().items()}
            told = {"recipe": self.recipe.as_dict(), "seeds": self.seeds, "panels": panels}
            write_json(folder / "interference.json", told | {"trends": [asdict(trend) for trend in self.trends]})
            with paper():
                save(self.plot(), folder, "interference")
        return out

    def _rows(self) -> list[list[object]]:
        return [[t.what, t.expected, with_interval(t.mean, "+.2f"), t.verdict] for t in self.trends]

    def __rich__(self) -> Table:
        title = f"Interference in {len(self.seeds)} super-nets of {space(self.recipe.space).title}"
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
        for head in HEADS:
            table.add_column(head)
        for row in self._rows():
            table.add_row(*(Text(str(cell)) for cell in row))
        return table

    def _repr_html_(self) -> str:
        return html_table(list(HEADS), self._rows(), "Interference between architectures that share weights")


def interference(
    *parts: Part,
    seeds: int = 3,
    pairs: int = 8,
    every: int | None = None,
    out: Path | str = "results/interference",
    device: str = "cpu",
    workers: int | None = None,
    watch: Watch = SILENT,
    **keys: Any,
) -> InterferenceReport:
    """Measure how far architectures disturb each other in super-nets of a recipe, and test what is published of it.

    Args:
        parts: a recipe and changes of it; see `supernet.train`.
        seeds: number of super-nets, with seeds from 0.
        pairs: number of pairs of architectures for each number of differing decisions.
        every: epochs between measurements; by default a fifth of the training.
        out: folder of the super-nets and the report; an interrupted call goes on with what is there.
        device: where super-nets train.
        workers: number of super-nets that are trained at the same time on CPUs; by default one per core.
        watch: receives messages and progress.
        keys: further changes of the recipe.

    Raises:
        UserError: the recipe or an argument cannot be used.
    """
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 1 <= seeds <= MOST:
        raise UserError(f"The seeds are a whole number from 1 to {MOST}, not {quoted(seeds)}.")
    check_place(Path(out), "out", folder=True)
    recipe = wanted(*parts, **keys)
    steps = every or max(1, recipe.training.epochs // 5)
    measures = [
        change
        for name in ("interference", "disturbance")
        for change in (f"methods.{name}.pairs={pairs}", f"methods.{name}.every={steps}")
    ]
    recipe = recipe.override([*measures, "methods.disturbance.rate=0.05", f"methods.successive.every={steps}"])
    frames = _measured(recipe, seeds, Path(out), device, processes(workers, device), watch)
    report = InterferenceReport(recipe, list(range(seeds)), frames)
    report.write(Path(out) / "report")
    return report


@dataclass(frozen=True)
class _Net:
    """A super-net to train."""

    recipe: dict[str, Any]
    folder: Path
    device: str


def _measured(recipe: Recipe, seeds: int, out: Path, device: str, workers: int, watch: Watch) -> list[pd.DataFrame]:
    jobs = [
        _Net(recipe.override([f"seed={seed}"]).as_dict(), out / f"super-net-{seed}", device) for seed in range(seeds)
    ]
    with watch.progress(f"{seeds} super-nets") as told:
        return each(_net, jobs, workers, lambda share: told(round(1000 * share), 1000))


def _net(job: _Net, told: Told) -> pd.DataFrame:
    """The rows of the measures of one super-net."""
    resume = holds_run(job.folder)
    recipe = recipes.from_dict(job.recipe)
    return train(
        recipe, out=job.folder, resume=resume, device=job.device, progress=lambda now: told(now.step / now.steps)
    ).measured()
