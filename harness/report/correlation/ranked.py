"""Ranks architectures with a trained super-net, and reports on the ranking."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.text import Text

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.wording import quoted
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.truth import Known, check_agreement, ground_truth
from supernet.harness.report.correlation.result import Correlation, check_draws, compared
from supernet.harness.report.correlation.verdict import Origin
from supernet.harness.report.html.markup import table
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.scoring import selection
from supernet.harness.scoring import supernet as scoring
from supernet.harness.scoring.ranked import Files, chance_notes, chance_of, frame_of, protocol_of
from supernet.harness.scoring.scorer import Trained
from supernet.harness.scoring.selection import Wanted
from supernet.harness.scoring.supernet import Scores
from supernet.harness.statistics.bootstrap import LEAST
from supernet.harness.training.folder import RECIPE, damaged_records, hold, trained_partly
from supernet.harness.training.loop import open_run
from supernet.harness.training.run import Run
from supernet.heuristics.recipe import EvaluationSection

BEST = 10
"""Number of architectures that a notebook shows where there is no comparison."""


@dataclass(frozen=True)
class Ranked:
    """The scores of architectures under one super-net, and how they compare with ground truth."""

    space: str
    scores: Scores
    protocol: EvaluationSection
    """The evaluation protocol under which they were scored."""
    classes: int
    """Number of classes of the task."""
    truth: Known | None
    """What the scores are compared with; None if no such ground truth is available."""
    correlation: Correlation | None = None
    """The comparison; None if there is none."""
    problem: str = ""
    """Why there is no comparison; else empty."""
    notes: list[str] = field(default_factory=list)
    """What a reader has to know beside the numbers."""
    origin: Origin = field(default_factory=Origin)
    """The super-net behind the scores, for the page of the report."""
    files: Files | None = None
    """The files of the ranking, if it is written."""
    written: list[Path] = field(default_factory=list)
    """The files of the report."""

    @property
    def within(self) -> SearchSpace:
        """The search space."""
        return space(self.space)

    @property
    def tau(self) -> float:
        """Kendall's tau-b between scores and true accuracies.

        Raises:
            UserError: there is no ground truth to compare with.
        """
        return self._compared().tau

    def frame(self) -> pd.DataFrame:
        """A row for each architecture, with the columns index, arch, accuracy and negative_loss; accuracy in percent.

        With ground truth there is a column `true`, the true accuracy in percent or NaN.
        """
        frame = frame_of(self.within, self.scores)
        if self.truth is not None:
            rows = truth_rows(self.within, self.scores.indices, self.truth.table)
            frame["true"] = np.where(rows >= 0, self.truth.accuracy()[rows], np.nan)
        return frame

    def plot(self, what: str = "ranks", score: str | None = None) -> Figure:
        """A figure of the comparison with ground truth; see `Correlation.plot` for the arguments.

        Raises:
            UserError: there is no ground truth to compare with.
        """
        return self._compared().plot(what, score)

    def joined(self, truth: Known) -> ScoreTable:
        """The scores of the architectures that have this ground truth; the score that ranks them comes first."""
        there = selection.known(self.within, self.scores.indices, truth)
        rows = truth_rows(self.within, self.scores.indices, truth.table)[there]
        values = {"accuracy": self.scores.accuracy, "negative_loss": -self.scores.loss}
        columns = {name: values[name][there] for name in self._by}
        return ScoreTable(self.within.name, rows, columns, pd.DataFrame(index=range(len(rows))), directed=True)

    @property
    def _by(self) -> tuple[str, str]:
        """The score that architectures are ranked by, and the other one."""
        return ("negative_loss", "accuracy") if self.protocol.metric == "loss" else ("accuracy", "negative_loss")

    def _compared(self) -> Correlation:
        if self.correlation is None:
            raise UserError(self.problem)
        return self.correlation

    def __rich__(self) -> RenderableType:
        return self.correlation.__rich__() if self.correlation else Text(self.problem)

    def _repr_html_(self) -> str:
        if self.correlation is not None:
            return self.correlation._repr_html_()
        best = self.frame().sort_values(self._by[0], ascending=False).head(BEST)
        rows: list[list[object]] = [
            [row.arch, f"{row.accuracy:.2f}", f"{row.negative_loss:.4f}"] for row in best.itertuples(index=False)
        ]
        caption = f"{self.space}: the {len(best)} best of {len(self.scores.indices):,} architectures by {self._by[0]}"
        return table(["architecture", "accuracy, %", "negative loss"], rows, caption, [*self.notes, self.problem])


def rank(
    run: Trained | Run | Path | str,
    archs: Wanted = "all",
    *,
    images: int | None = None,
    settings: str | Sequence[str] = (),
    dataset: str | None = None,
    split: str = "test",
    epochs: str | int | None = None,
    seed: str | int = "mean",
    truth: str | Known | None = None,
    sample_seed: int = 0,
    resamples: int | None = None,
    device: str = "cpu",
    out: Path | str | None = None,
    watch: Watch = SILENT,
    scored: Callable[[Ranked], None] | None = None,
) -> Ranked:
    """Score architectures with the shared weights of a super-net and compare their ranking with ground truth.

    Nothing is written without `out`.

    Args:
        run: a trained super-net, or the folder of one.
        archs: `all`; a number, to sample that many with ground truth; a file with a column of architectures; or
            indices or official strings.
        images: number of validation images to score on; by default that of the recipe.
        settings: changes of the recipe's evaluation section, such as evaluation.bn=recalibrate.
        dataset: data set of the ground truth; by default that of the task.
        split: split of the ground truth.
        epochs: stand-alone training budget of the ground truth, in epochs; by default the largest available.
        seed: seed or repeat of the ground truth.
        truth: a ground-truth table by path or name, or a measure of one (`ground_truth`), which the four arguments
            above must not contradict.
        sample_seed: seed of the sample of architectures.
        resamples: number of bootstrap resamples; by default 1,000, or 200 above 50,000 architectures.
        device: where the weights of a folder are loaded.
        out: folder for scores.parquet, metrics.json and the report. An interrupted ranking continues from what it left
            there. Results under another evaluation protocol than the recipe's have names of their own.
        watch: receives messages and progress.
        scored: called with the scores before they are compared.

    Raises:
        UserError: the folder holds no trained super-net, or the architectures or the protocol cannot be used.
    """
    check_draws(resamples)
    folder = Path(run) if isinstance(run, Path | str) else None
    run = _opened(run, device)
    protocol = protocol_of(run.recipe, settings, images)
    notes = _notes(run, folder, watch)
    known, problem = _truth(run, (dataset, split, epochs, seed), truth, watch)
    within = space(run.recipe.space)
    if known is None and selection.samples(archs):
        watch.note("without ground truth the sample is drawn from the whole space.")
    indices = selection.selected(within, archs, sample_seed, known)
    if left_out := len(indices) - len(rankable := run.rankable(indices)):
        indices = np.unique(rankable)
        notes.append(f"{left_out:,} architectures whose ground truth trained the super-net are left out")
    files = Files.of(Path(out), run.recipe.evaluation, protocol) if out is not None else None
    with hold(files.folder) if files else nullcontext():
        scores = _scores(run, indices, protocol, files, within, watch)
        notes += chance_notes(scores, run.task.classes)
        partly = protocol == run.recipe.evaluation and _is_part(within, len(indices) + left_out)
        origin = _origin(run, folder, scores, partly)
        found = Ranked(within.name, scores, protocol, run.task.classes, known, None, problem, notes, origin, files)
        if scored:
            scored(found)
        if known is None:
            return found
        problem = _lacking(found, known)
        if problem:
            watch.tell(f"No report: {problem}")
            return dataclasses.replace(found, problem=problem)
        found = dataclasses.replace(found, correlation=_compared(found, known, resamples, watch))
        return dataclasses.replace(found, written=_write(found))


def _opened(run: Trained | Run | Path | str, device: str) -> Run:
    """The trained super-net that was given, or that of the folder.

    Raises:
        UserError: it is neither.
    """
    if isinstance(run, Path | str):
        return open_run(Path(run), device=device)
    found = run if isinstance(run, Run) else getattr(run, "run", None)
    if not isinstance(found, Run):
        raise UserError(f"A ranking takes a trained super-net or the folder of one, not {quoted(run)}.")
    return found


def _notes(run: Run, folder: Path | None, watch: Watch) -> list[str]:
    """A note on a training that is not complete; the user is also told of damaged files in the folder."""
    if folder is None:
        return []
    partly = trained_partly(run, folder)
    for note in [*damaged_records(folder), *([f"{partly}."] if partly else [])]:
        watch.note(note)
    return [partly] if partly else []


def _truth(
    run: Run, asked: tuple[str | None, str, str | int | None, str | int], truth: str | Known | None, watch: Watch
) -> tuple[Known | None, str]:
    """What scores are compared with and an empty text; or None, and why there is no such ground truth."""
    dataset, split, epochs, seed = asked
    if isinstance(truth, Known):
        chosen = None if split == "test" else split, None if seed == "mean" else seed  # these are the defaults
        check_agreement(truth, dataset=dataset, epochs=epochs, split=chosen[0], seed=chosen[1])
        return truth, ""
    try:
        dataset = dataset or run.recipe.task.name
        return (
            ground_truth(run.recipe.space, dataset=dataset, split=split, epochs=epochs, seed=seed, table=truth),
            "",
        )
    except UserError as error:
        watch.tell(f"No report: {error}")
        return None, str(error)


def _is_part(within: SearchSpace, count: int) -> bool:
    """Whether `all` stands for more than this number of different architectures; never in a space without a list."""
    return within.enumerable and count < len(within.distinct())


def _origin(run: Run, folder: Path | None, scores: Scores, partly: bool) -> Origin:
    """The super-net behind a ranking, and the commands that go further with it if it lies in a folder.

    Args:
        partly: whether the recipe's protocol scored a part of the space.
    """
    at_chance = bool(chance_of(scores, run.task.classes)["at_chance"])
    if folder is None:
        return Origin(weights=True, at_chance=at_chance)
    recipe, seed = shlex.quote(str(folder / RECIPE)), run.recipe.seed + 1
    longer = f"training.epochs={2 * run.recipe.training.epochs}"
    more = f"supernet rank {shlex.quote(str(folder))} --archs all" if partly else None
    return Origin(
        weights=True,
        at_chance=at_chance,
        more=more,
        longer=f"supernet train {recipe} {longer} --out {shlex.quote(f'{folder}-longer')}",
        another_seed=f"supernet train {recipe} seed={seed} --out {shlex.quote(f'{folder}-seed-{seed}')}",
    )


def _scores(
    run: Run,
    indices: NDArray[np.int64],
    protocol: EvaluationSection,
    files: Files | None,
    within: SearchSpace,
    watch: Watch,
) -> Scores:
    keep = (lambda found: files.write_scores(frame_of(within, found), watch.tell)) if files else None
    with watch.progress("scoring") as told:
        try:
            return scoring.rank(
                run,
                indices,
                evaluation=protocol,
                out=files.folder if files else None,
                keep=keep,
                progress=told,
                notice=watch.note,
            )
        except KeyboardInterrupt:
            if files:
                watch.tell("What is scored so far is kept: the same command continues from there.")
            raise


def _lacking(found: Ranked, known: Known) -> str:
    """Why the scores cannot be compared; empty if they can."""
    there = selection.known(found.within, found.scores.indices, known)
    count = int(there.sum())
    if count < LEAST:
        return (
            f"{count:,} of the {len(there):,} architectures scored have ground truth for {known.measure} in "
            f"{known.table.path.name}, and a report needs {LEAST}. Score more of them: --archs (`archs`) all, a "
            "number, or a file."
        )
    infinite = ~np.isfinite(found.scores.loss)
    if infinite.any():
        return (
            f"the scores of {infinite.sum():,} of the {len(there):,} architectures are not finite, because the "
            "weights are not finite or too large. Lower training.learning_rate and train again."
        )
    return ""


def _compared(found: Ranked, known: Known, resamples: int | None, watch: Watch) -> Correlation:
    scored, total = found.joined(known), len(found.scores.indices)
    notes = [f"ranked by {found._by[0]}; {found.scores.images:,} validation images", *found.notes]
    if len(scored.rows) < total:
        notes.append(without_truth(len(scored.rows), total))
    return compared(scored, known, resamples=resamples, notes=notes, origin=found.origin, watch=watch)


def without_truth(compared: int, scored: int) -> str:
    """The note on a ranking of which only some architectures have ground truth."""
    return f"{compared:,} of the {scored:,} architectures scored have ground truth and are compared"


def _write(found: Ranked) -> list[Path]:
    """Write the report and the metrics, if the ranking has files; returns the paths of the report."""
    if found.files is None or found.correlation is None:
        return []
    paths = found.correlation.write(found.files.report)
    metrics = {
        "images": found.scores.images,
        "seconds": found.scores.seconds,
        "distinct": found.scores.distinct,
        "evaluation": dataclasses.asdict(found.protocol),
        "chance": chance_of(found.scores, found.classes),
        "report": found.correlation.as_json(),
    }
    write_json(found.files.metrics, metrics)
    return paths
