"""`supernet rank`: a trained super-net to a ranking, and the report on it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.wording import quoted
from supernet.harness.commands.progress import bar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from supernet.benchmarks.spaces import SearchSpace
    from supernet.benchmarks.truth.table import GroundTruth, Measure
    from supernet.harness.scoring.supernet import Scores
    from supernet.harness.training.loop import Run
    from supernet.heuristics.recipe import EvaluationSection, Recipe


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option(
    "--archs",
    default="all",
    show_default=True,
    help="all; a number to sample among those with ground truth; or a file with a column of them.",
)
@click.option("--images", type=click.IntRange(1), help="Validation images (default: the recipe's).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the recipe's evaluation section, such as evaluation.bn=recalibrate; may be given several times.",
)
@click.option("--dataset", help="Ground-truth data set (default: that of the task).")
@click.option("--split", default="test", show_default=True)
@click.option("--epochs", help="Stand-alone training budget (default: the largest there is).")
@click.option("--seed", default="mean", show_default=True)
@click.option("--sample-seed", default=0, show_default=True, help="Seed of the sample of --archs N.")
@click.option("--truth", "truth_name", help="Ground-truth table, by path or name.")
@click.option("--resamples", type=click.IntRange(20), help="Bootstrap resamples.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: all).")
def rank(
    run_dir: Path,
    archs: str,
    images: int | None,
    settings: tuple[str, ...],
    dataset: str | None,
    split: str,
    epochs: str | None,
    seed: str,
    sample_seed: int,
    truth_name: str | None,
    resamples: int | None,
    device: str,
    threads: int | None,
) -> None:
    """Score architectures with the shared weights of RUN_DIR; write scores.parquet and the report.

    Results under another evaluation protocol than the recipe's are kept in files of their own. Can be interrupted; the
    same command goes on where it stopped.
    """
    import torch

    from supernet.benchmarks.spaces import space
    from supernet.harness.scoring import supernet as ranking
    from supernet.harness.training.folder import damaged_records, hold, trained_partly
    from supernet.harness.training.loop import open_run

    if threads:
        torch.set_num_threads(threads)
    run = open_run(run_dir, device=device)
    protocol = _protocol(run.recipe, settings, images)
    partly = trained_partly(run, run_dir)
    for note in [*damaged_records(run_dir), *([f"{partly}."] if partly else [])]:
        click.echo(f"Note: {note}", err=True)
    within = space(run.recipe.space)
    truth = _truth(run.recipe, dataset, split, epochs, seed, truth_name)
    indices = _architectures(within, archs, sample_seed, truth)
    files = _Files(run_dir, _suffix(run.recipe.evaluation, protocol))

    with hold(run_dir):
        with bar("scoring") as progress:
            try:
                scores = ranking.rank(
                    run,
                    indices,
                    evaluation=protocol,
                    out=run_dir,
                    keep=lambda found: files.write_scores(_frame(within, found)),
                    progress=progress,
                    notice=lambda text: click.echo(f"Note: {text}", err=True),
                )
            except KeyboardInterrupt:
                click.echo("What is scored so far is kept: the same command goes on from there.", err=True)
                raise
        _say_scored(run, scores, files)
        if truth is None:
            return
        notes = [*([partly] if partly else []), *_chance_notes(scores, run.task.classes)]
        report = _report(within, scores, protocol, truth, resamples, notes, files)
        if report is not None:
            metrics = {
                "images": scores.images,
                "seconds": scores.seconds,
                "distinct": scores.distinct,
                "evaluation": dataclasses.asdict(protocol),
                "chance": _chance(scores, run.task.classes),
                "report": report,
            }
            write_json(files.metrics, metrics)


def _protocol(recipe: Recipe, settings: tuple[str, ...], images: int | None) -> EvaluationSection:
    """The evaluation section to score by.

    Raises:
        UserError: a setting is not of that section, or cannot be combined with the recipe.
    """
    for setting in settings:
        if not setting.startswith("evaluation."):
            raise UserError(
                f"--set {quoted(setting)}: a ranking can change keys of the evaluation section alone, such as "
                "evaluation.bn=recalibrate. All other keys decide how the super-net is trained: set these with "
                "`supernet train`."
            )
    return recipe.override([*settings, *([f"evaluation.images={images}"] if images else [])]).evaluation


def _suffix(own: EvaluationSection, protocol: EvaluationSection) -> str:
    """What marks the files of a protocol: nothing for the recipe's own."""
    if protocol == own:
        return ""
    content = json.dumps(dataclasses.asdict(protocol), sort_keys=True)
    return "-" + hashlib.sha256(content.encode()).hexdigest()[:8]


class _Files:
    """Where a ranking is written."""

    def __init__(self, run_dir: Path, suffix: str) -> None:
        self.suffix = suffix
        self.scores = run_dir / f"scores{suffix}.parquet"
        self.report = run_dir / f"report{suffix}"
        self.metrics = run_dir / f"metrics{suffix}.json"

    def write_scores(self, frame: pd.DataFrame) -> None:
        """Write the scores; those of more architectures that are there already are kept beside them, and that is said.

        Scores that cannot be read are replaced.
        """
        from supernet.benchmarks.files import replace
        from supernet.harness.scoring.supernet import write_scores

        if _rows(self.scores) > len(frame):
            number = 1
            while (earlier := self.scores.with_name(f"{self.scores.stem}.earlier-{number}.parquet")).exists():
                number += 1
            replace(self.scores, earlier)
            click.echo(f"The scores of more architectures that were there are kept as {earlier}.", err=True)
        write_scores(frame, self.scores)


def _rows(path: Path) -> int:
    """Rows of a Parquet file, 0 where there is none that can be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from supernet.benchmarks.regular import open_plain

    try:
        with open_plain(path) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (OSError, pa.ArrowException):
        return 0


def _truth(
    recipe: Recipe, dataset: str | None, split: str, epochs: str | None, seed: str, named: str | None
) -> tuple[GroundTruth, Measure] | None:
    """The table and the measure that scores are compared with; None, and a word on why, where there are none."""
    from supernet.benchmarks.truth import shelf

    try:
        measure = shelf.measure_for(recipe.space, dataset or recipe.task.name, split, epochs, seed, named)
        return shelf.table_for(recipe.space, measure, named), measure
    except UserError as error:
        click.echo(f"No report: {error}", err=True)
        return None


def _architectures(
    within: SearchSpace, archs: str, sample_seed: int, truth: tuple[GroundTruth, Measure] | None
) -> NDArray[np.int64]:
    """Indices of the architectures to score: (n,).

    Raises:
        UserError: the number or the file cannot be used.
    """
    from supernet.benchmarks.truth.join import measured_in
    from supernet.harness.correlation.architectures import written_architectures
    from supernet.harness.scoring import supernet as ranking

    if archs == "all":
        return within.distinct()
    count = _whole_number(archs)
    if count is None:
        indices = written_architectures(Path(archs), within)
        if not len(indices):
            raise UserError(f"{archs} lists no architectures: nothing is scored, and earlier results stay as they are.")
        return indices
    if sample_seed < 0:
        raise UserError(f"--sample-seed is {quoted(sample_seed)}, but must be at least 0.")
    if count < 1:
        raise UserError(f"--archs is {quoted(count)}: give all, a number from 1 on, or a file with architectures.")
    if truth is None:
        click.echo("Note: without ground truth the sample is drawn from the whole space.", err=True)
        return ranking.chosen(within, count, sample_seed)
    among, _ = measured_in(within, truth[0])
    return ranking.chosen(within, count, sample_seed, among[_known(within, among, truth)])


def _whole_number(text: str) -> int | None:
    """The number that a text spells, None if it spells none; one of too many digits for any space is cut."""
    digits = text.strip().replace(",", "").replace("_", "")
    unsigned = digits.lstrip("+-")
    if not unsigned.isdecimal() or (len(text) < 200 and Path(text).is_file()):
        return None
    return int(digits[:18]) if len(digits) - len(unsigned) < 2 else None


def _known(within: SearchSpace, indices: NDArray[np.int64], truth: tuple[GroundTruth, Measure]) -> NDArray[np.bool_]:
    """Which architectures have ground truth for the measure: (n,)."""
    import numpy as np

    from supernet.benchmarks.truth.join import truth_rows

    table, m = truth
    rows = truth_rows(within, indices, table)
    known = rows >= 0
    known[known] = ~np.isnan(table.readings(m.dataset, m.split, m.epochs, m.seed, rows[known]))
    return np.asarray(known, dtype=np.bool_)


def _frame(within: SearchSpace, scores: Scores) -> pd.DataFrame:
    import pandas as pd

    names = [within.string(arch) for arch in within.archs(scores.indices).tolist()]
    return pd.DataFrame(
        {"index": scores.indices, "arch": names, "accuracy": scores.accuracy, "negative_loss": -scores.loss}
    )


def _say_scored(run: Run, scores: Scores, files: _Files) -> None:
    click.echo(
        f"Scored {len(scores.indices):,} architectures ({scores.distinct:,} distinct computations) on "
        f"{scores.images:,} validation images in {scores.seconds:,.0f} s; mean accuracy {scores.accuracy.mean():.2f} %."
    )
    if files.suffix:
        click.echo("The evaluation protocol differs from the recipe's: these results are kept in files of their own.")
    click.echo(f"wrote {files.scores}")
    for note in _chance_notes(scores, run.task.classes):
        click.echo(f"Note: {note}.", err=True)


def _chance(scores: Scores, classes: int) -> dict[str, Any]:
    from supernet.harness.statistics import chance

    values = scores.accuracy, scores.images, classes
    return {"classes": classes, "share_above": chance.above_chance(*values), "at_chance": chance.at_chance(*values)}


def _chance_notes(scores: Scores, classes: int) -> list[str]:
    """What to say of accuracies that are not, or not all, better than chance."""
    found = _chance(scores, classes)
    share, mean = found["share_above"], scores.accuracy.mean()
    if found["at_chance"]:
        return [
            f"the super-net is at chance ({mean:.1f} %, {classes} classes): its ranking means nothing. "
            f"{100 * share:.0f} % of the architectures are better than chance by a one-sided binomial test at 5 %, "
            "which is about what guessing gives"
        ]
    if share < 0.5:
        return [
            f"{100 * share:.0f} % of the architectures are better than chance ({100 / classes:.1f} %) by a one-sided "
            "binomial test at 5 %; the order of the others means nothing"
        ]
    return []


def _report(
    within: SearchSpace,
    scores: Scores,
    protocol: EvaluationSection,
    truth: tuple[GroundTruth, Measure],
    resamples: int | None,
    notes: list[str],
    files: _Files,
) -> dict[str, Any] | None:
    """Print and write the report; None, and a word on why, where there is too little to compare."""
    import numpy as np
    import pandas as pd

    from supernet.benchmarks.truth.join import truth_rows
    from supernet.harness.commands.correlate import report_single
    from supernet.harness.correlation.files import ScoreTable
    from supernet.harness.statistics.bootstrap import LEAST

    table, measure = truth
    known = _known(within, scores.indices, truth)
    count = int(known.sum())
    if count < LEAST:
        click.echo(
            f"No report: {count:,} of the {len(known):,} architectures scored have ground truth for {measure} in "
            f"{table.path.name}, and a report needs {LEAST}. Score more of them: --archs all, a number, or a file.",
            err=True,
        )
        return None
    if not np.isfinite(scores.loss).all():
        click.echo(
            f"No report: the scores of {(~np.isfinite(scores.loss)).sum():,} of the {len(known):,} architectures are "
            "not finite, because the weights are not or nearly not. Lower training.learning_rate and train again.",
            err=True,
        )
        return None
    by, other = ("negative_loss", "accuracy") if protocol.metric == "loss" else ("accuracy", "negative_loss")
    values = {"accuracy": scores.accuracy, "negative_loss": -scores.loss}
    rows = truth_rows(within, scores.indices, table)[known]
    columns = {name: values[name][known] for name in (by, other)}
    scored = ScoreTable(within.name, rows, columns, pd.DataFrame(index=range(count)))
    notes = [f"ranked by {by}; {scores.images:,} validation images", *notes]
    if count < len(known):
        notes.append(f"{count:,} of the {len(known):,} architectures scored have ground truth and are compared")
    report = report_single(scored, table, measure, "all", resamples, 0, notes, None, files.report)
    return report.as_json()
