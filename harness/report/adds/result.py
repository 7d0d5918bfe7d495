"""The report on what super-nets add to training-free scores: tables, a figure, a page, and all numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, write_json, write_text
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import count_of
from supernet.benchmarks.wording import quoted
from supernet.harness.correlation.report import ceiling_of, params_of
from supernet.harness.correlation.truth import Known
from supernet.harness.report.adds import figure
from supernet.harness.report.adds.made import Made, made, truths
from supernet.harness.report.adds.page import page
from supernet.harness.report.adds.stages import RULE, WEIGHT, Scores, Stage, measured
from supernet.harness.report.correlation.result import check_draws
from supernet.harness.report.html.markup import table as html_table
from supernet.harness.report.latex import latex
from supernet.harness.report.style import fitted, paper, save
from supernet.harness.report.training.wanted import Part, wanted
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import PAGE, writing
from supernet.harness.runs.parallel import processes
from supernet.harness.scoring.ranked import protocol_of
from supernet.harness.statistics.printed import number, with_interval
from supernet.harness.statistics.seeds import Mean
from supernet.heuristics.recipe import Recipe

RESULT, STAGES = "adds.json", "stages"
HEADS = ("ranking", "τ [95 %]", "τ top 10 % [95 %]", "regret@1", "adds to free-1 [95 %]", "seconds")
MOST = 50
"""Most super-nets and draws: our choice."""


@dataclass(frozen=True)
class Ground:
    """The stages against one ground truth."""

    name: str
    architectures: int
    attainable: float | None
    """tau of a perfect ranker."""
    stages: list[Stage]
    variants: dict[str, tuple[float, float | None, float]]
    """Other ways to fuse all scores: tau, tau within the top 10 % and regret@1."""


@dataclass(frozen=True)
class AddsReport:
    """What super-nets of a recipe add to training-free scores, over all architectures of a space."""

    recipe: Recipe = field(repr=False)
    title: str
    seeds: list[int]
    draws: int
    images: int
    grounds: list[Ground]
    card: str
    """What the choice of the rule has seen."""
    written: Path | None = None
    left_out: int = 0
    """Architectures whose ground truth trained a super-net, on which nothing is judged."""

    def frame(self) -> pd.DataFrame:
        """A row for each ground truth and stage."""
        rows = []
        for ground in self.grounds:
            for stage in ground.stages:
                row: dict[str, Any] = {"truth": ground.name, "architectures": ground.architectures, "stage": stage.name}
                for name, mean in (("tau", stage.tau), ("top10", stage.top10), ("adds", stage.gain)):
                    row |= {
                        name: mean and mean.value,
                        f"{name}_low": mean and mean.low,
                        f"{name}_high": mean and mean.high,
                    }
                rows.append(row | {"regret@1": stage.regret, "seconds": stage.seconds})
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """The figure: tau of every stage against every ground truth."""
        with paper():
            return fitted(figure.stages(self.grounds))

    def findings(self) -> list[str]:
        """What the numbers say, one sentence for each ground truth."""
        return [_finding(ground) for ground in self.grounds]

    def as_json(self) -> dict[str, Any]:
        """Every number, for JSON."""
        return {
            "recipe": self.recipe.as_dict(), "seeds": self.seeds, "draws": self.draws, "images": self.images,
            "left_out": self.left_out, "card": self.card, "grounds": [asdict(ground) for ground in self.grounds],
        }  # fmt: skip

    def write(self, out: Path | str) -> Path:
        """Write the page, adds.json, the table (CSV and LaTeX) and the figure to a folder: the path of the page."""
        out = Path(out)
        with writing(out) as folder:
            write_json(folder / RESULT, self.as_json())
            csv = self.frame().to_csv(index=False, float_format="%.6g", lineterminator="\n")
            write_text(folder / f"{STAGES}.csv", csv)
            for number_, ground in enumerate(self.grounds, 1):
                rows = pd.DataFrame(cells(ground), columns=list(HEADS))
                write_text(folder / f"{STAGES}-{number_}.tex", latex(rows, ground.name))
            with paper():
                svg = save(fitted(figure.stages(self.grounds)), folder, STAGES)[1]
            files = sorted(path.name for path in folder.iterdir())
            text = page(self.title, self.what(), self.findings(), svg.read_text(), self._tables(), self.notes(), files)
            write_text(folder / PAGE, text)
        return out / PAGE

    def what(self) -> str:
        """What was compared, in a line."""
        r = self.recipe
        cells = f"{r.network.cells} cell{'s' if r.network.cells > 1 else ''}"
        images = f"{r.task.name} at {r.task.size} pixels" if r.task.size else r.task.name
        return (
            f"{space(r.space).title} · {images} · {len(self.seeds)} super-nets of "
            f"{r.training.epochs} epochs, {r.network.channels} channels, {cells} per stage · "
            f"{self.draws} draws of jacob_cov"
        )

    def notes(self) -> list[str]:
        """How to read the numbers."""
        return [
            "free-1 is the sum of the logarithms of the ranks by parameters on live edges and by jacob_cov at "
            f"initialisation, as mean rank over {self.draws} draws. A super-net enters with the weight {WEIGHT:g}, by "
            f"its {self.recipe.evaluation.metric} on {self.images} validation images; several by their mean rank.",
            self.card,
            "Intervals of single rankings are over the choice of architectures; those of a mean over super-nets are "
            "over their seeds, too. What is added is paired: both rankings are judged on the same architectures.",
            "Seconds of training-free scores are those of one process, seconds of super-nets those on the clock; they "
            "add up what a ranking is fused from.",
            "The other fusions were tried with the truth in view; none of them is the rule.",
            *([self._left_out()] if self.left_out else []),
        ]

    def _left_out(self) -> str:
        return (
            f"The super-nets were trained with the ground truth of {self.left_out:,} architectures. No ranking is "
            "judged on these, nor on others that the benchmark counts as the same. The seconds leave out what that "
            "ground truth took."
        )

    def _tables(self) -> list[tuple[str, Sequence[Sequence[object]], Sequence[Sequence[object]]]]:
        return [(_title(ground), cells(ground), variant_cells(ground)) for ground in self.grounds]

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = []
        for ground in self.grounds:
            shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=_title(ground), title_justify="left")
            for head in HEADS:
                shown.add_column(head.replace("τ", "tau"), justify="left" if head == HEADS[0] else "right")
            for row in cells(ground):
                shown.add_row(*map(Text, row))
            parts.append(shown)
        return Group(*parts, *(Text(text) for text in self.findings()))

    def _repr_html_(self) -> str:
        rows: list[list[object]] = [[ground.name, *row] for ground in self.grounds for row in cells(ground)]
        return html_table(["ground truth", *HEADS], rows, self.title, self.findings())


def _title(ground: Ground) -> str:
    top = "" if ground.attainable is None else f"; a perfect ranker reaches a tau of {ground.attainable:.2f}"
    return f"{ground.name}: {ground.architectures:,} architectures{top}"


def cells(ground: Ground) -> list[list[str]]:
    """The table of stages as text: a row for each."""
    return [
        [
            stage.name,
            _with_ends(stage.tau, ".3f"),
            _with_ends(stage.top10, ".3f"),
            f"{stage.regret:.2f}",
            _with_ends(stage.gain, "+.3f"),
            f"{stage.seconds:,.0f}",
        ]
        for stage in ground.stages
    ]


def variant_cells(ground: Ground) -> list[list[str]]:
    """The table of other fusions as text."""
    return [
        [name, f"{tau:.3f}", number(top), f"{regret:.2f}"] for name, (tau, top, regret) in ground.variants.items()
    ]  # fmt: skip


def _with_ends(mean: Mean | None, form: str) -> str:
    return "" if mean is None else with_interval(mean, form)


def _finding(ground: Ground) -> str:
    last = ground.stages[-1]
    free = next(stage for stage in ground.stages if stage.name == "free-1")
    gain = last.gain
    if gain is None:
        return ""
    what = f"{ground.name}: free-1 ranks with a tau of {free.tau.value:.3f} without training"
    told = _with_ends(gain, "+.3f")
    clear = gain.low is not None and gain.high is not None and not gain.low <= 0 <= gain.high
    one = last.name.endswith("one super-net")
    verbs = ("changes", "does") if one else ("change", "do")
    change = (
        f"{verbs[0]} it by {told}, to {last.tau.value:.3f}" if clear else f"{verbs[1]} not clearly change it: {told}"
    )
    return f"{what}; {last.name.removeprefix('free-1 + ')} {change}."


def adds(
    *parts: Part,
    seeds: int = 3,
    draws: int = 4,
    images: int = 250,
    resamples: int = 200,
    device: str = "cpu",
    workers: int | None = None,
    out: Path | str = "results/adds",
    watch: Watch = SILENT,
    **keys: Any,
) -> AddsReport:
    """Ask what super-nets of a recipe know that training-free scores do not, over all architectures of their space.

    Everything is kept in the folder, so that an interrupted call goes on where it stopped.

    Args:
        parts: a recipe and changes of it; see `supernet.train`.
        seeds: number of super-nets, with seeds from 1.
        draws: number of draws of jacob_cov.
        images: number of validation images on which super-nets score architectures.
        resamples: number of bootstrap resamples.
        device: where super-nets train; training-free scores are computed on the CPU.
        workers: number of super-nets that are trained at the same time on CPUs; by default one per core.
        out: the folder.
        watch: receives messages and progress.
        keys: further changes of the recipe.

    Raises:
        UserError: the recipe or an argument cannot be used, or no ground truth of the space is available.
    """
    for name, value in (("seeds", seeds), ("draws", draws)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
            raise UserError(f"The {name} are a whole number from 1 to {MOST}, not {quoted(value)}.")
    check_draws(resamples)
    check_place(Path(out), "out", folder=True)
    recipe = wanted(*parts, **keys)
    protocol_of(recipe, images=images)  # an impossible number of images is said before anything is computed
    if next(truths(space(recipe.space)), None) is None:
        raise UserError(f"There is no ground truth of {recipe.space} to judge the rankings by.")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = list(range(1, seeds + 1))
    found = made(recipe, numbers, draws, images, folder, device, watch, processes(workers, device))
    grounds = _grounds(found, resamples, watch)
    title = f"What super-nets add to training-free scores on {space(recipe.space).title}"
    report = AddsReport(recipe, title, numbers, draws, images, grounds, RULE.card, folder, len(found.asked))
    report.write(folder / "report")
    return report


def _grounds(found: Made, resamples: int, watch: Watch) -> list[Ground]:
    every = np.arange(len(found.within))
    costs = _costs(found)
    out: list[Ground] = []
    with watch.progress("bootstrap") as told:
        for known, indices, rows in _unasked(found):
            params = params_of(known.table, known.measure.dataset, rows).astype(np.float64)
            scores = Scores(
                params,
                found.live[indices],
                found.draws[:, indices],
                found.nets[:, indices],
                found.within.twins(every)[indices],
            )
            told(len(out), None)
            stages, variants = measured(scores, known.accuracy()[rows], costs, resamples)
            ceiling = ceiling_of(known.table, known.measure, rows)
            m = known.measure
            name = f"{m.dataset} {m.split} accuracy, {count_of(m.epochs)}"
            out.append(Ground(name, len(rows), ceiling.attainable if ceiling else None, stages, variants))
    return out


def _unasked(found: Made) -> Iterator[tuple[Known, NDArray[np.int64], NDArray[np.int64]]]:
    """Every ground truth, without the architectures whose ground truth trained a super-net; see `truths`."""
    entries = found.within.same_entry(found.asked)
    for known, indices, rows in truths(found.within):
        there = ~np.isin(found.within.same_entry(indices), entries)
        yield known, indices[there], rows[there]


def _costs(found: Made) -> dict[str, float]:
    """Name of a stage -> seconds."""
    draws, live = len(found.draws), found.live_seconds
    one, every = live + found.draw_seconds / draws, live + found.draw_seconds
    nets, net = sum(found.net_seconds), float(np.mean(found.net_seconds))
    return {
        "parameters on live edges": live,
        "jacob_cov alone": found.draw_seconds,
        "free-1 with one draw": one,
        "free-1": every,
        "super-net alone": net,
        "free-1 + one super-net": every + net,
        f"free-1 + {len(found.nets)} super-nets": every + nets,
    }
