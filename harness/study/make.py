"""One run from its spec to its directory: train, score, compare with the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import whole, write_json
from supernet.benchmarks.regular import open_plain
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.correlation.report import RANDOM_DRAWS, THRESHOLDS, params_of
from supernet.harness.runs import store as files
from supernet.harness.runs.commit import commit
from supernet.harness.runs.environments import joined
from supernet.harness.runs.execute import Report, throttled
from supernet.harness.runs.integrity import MEASURES
from supernet.harness.scoring.supernet import images_passed, rank
from supernet.harness.statistics import metrics
from supernet.harness.study import beside
from supernet.harness.study.spec import RunSpec
from supernet.harness.training import folder as run_folder
from supernet.harness.training.loop import Diverged, train
from supernet.harness.training.meter import Progress
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import Run, task_of
from supernet.heuristics.recipe import Recipe

SCORE_COLUMNS = ["epoch", "index", "accuracy", "negative_loss", "seconds", "images"]
"""Columns of the scores of one epoch, before the truth is set beside them."""


def read(content: Mapping[str, Any]) -> RunSpec:
    """The spec that `as_dict` wrote; its plug-ins are imported first."""
    return RunSpec.from_dict(content)


def make(spec: RunSpec, work: Path, device: str, report: Report) -> str:
    """Train, score and measure in the work folder."""
    recipe = spec.recipe
    table = spec.truth.open(recipe.space)
    indices = spec.architectures(table)
    _check_images(recipe)
    write_json(work / files.SPEC, spec.as_dict())
    epochs = recipe.training.epochs
    scored_epochs = min(spec.last_epochs, epochs)
    tracked = throttled(report, work / files.PROGRESS)

    def share(trained: float, scored: float) -> float:
        """Share of the whole run that is done. Training counts for 80 %, a rough estimate that only progress shows."""
        return 0.8 * trained / epochs + 0.2 * scored / scored_epochs

    def training(p: Progress) -> None:
        text = f"{p.of(epochs)}, loss {p.loss:.2f}, {p.images_per_second:,.0f} images/s"
        tracked(share(epochs * p.step / p.steps, max(0, p.epoch - epochs + scored_epochs)), text)

    def scored(run: Run) -> None:
        before = run.epoch - 1 - epochs + scored_epochs
        path = work / f".scores-{run.epoch}.parquet"
        if before >= 0 and not path.exists():
            frame = _score(run, indices, lambda k, n: tracked(share(run.epoch, before + k / n), "scoring"))
            if beside.BATCH_NORM in spec.free and run.epoch == epochs:
                frame = _scored_again(run, frame)
            with whole(path) as unfinished:
                frame.to_parquet(unfinished, write_page_checksum=True)

    problem, asked = None, np.zeros(0, dtype=np.int64)
    try:
        oracle = Oracle.for_recipe(recipe, table, spec.truth.measure)
        run = _train(recipe, work, device, training, scored, oracle)
        log, asked = run.log, run.asked
    except Diverged:
        problem = str(run_folder.read_status(work)["problem"])
        log = run_folder.read_log(work)
    epochs_done = run_folder.read_status(work)["epochs_done"]
    frame = _gathered(spec, table, np.unique(run.rankable(indices)), work) if problem is None else None
    if frame is not None and not np.isfinite(frame[list(MEASURES.values())].to_numpy()).all():
        problem, frame = "Scores are not finite: the run diverged at the end. Lower training.learning_rate.", None
    if frame is not None:
        with whole(work / files.SCORES) as unfinished:
            frame.to_parquet(unfinished)
    write_json(work / files.METRICS, {} if frame is None else measures(spec, table, frame))
    write_json(work / files.LEDGER, _ledger(log, frame, len(asked)))
    now = {**run_folder.environment(device), "commit": commit()}
    # Another machine may have trained what this one scores.
    made = joined([*run.environments, now]) if problem is None else run_folder.environment_in(work) or now
    write_json(work / files.ENVIRONMENT, made)
    state = "done" if problem is None else "diverged"
    run_folder.write_status(
        work, state, recipe.hash, epochs_done, device, problem=problem, run=spec.hash, environments=[made]
    )
    return state


def _check_images(recipe: Recipe) -> None:
    """Notice before hours of training what scoring would notice after them.

    Raises:
        UserError: more scoring images are asked for than the task has.
    """
    there = len(task_of(recipe.task).valid)
    if recipe.evaluation.images > there:
        raise UserError(
            f"evaluation.images is {recipe.evaluation.images:,}, but there are {there:,} images to score on."
        )


def _train(
    recipe: Recipe,
    work: Path,
    device: str,
    progress: Callable[[Progress], None],
    after_epoch: Callable[[Run], None],
    oracle: Oracle | None,
) -> Run:
    """Train from the checkpoint there is; a damaged one, or damaged scores, cost the run's own work alone."""
    trained = partial(
        train,
        recipe,
        work,
        task=task_of(recipe.task),
        device=device,
        resume=True,
        progress=progress,
        after_epoch=after_epoch,
        oracle=oracle,
    )
    try:
        for path in work.glob(".scores-*.parquet"):
            _read_scores(path)
        return trained()
    except run_folder.DamagedCheckpoint:
        for path in (work / run_folder.CHECKPOINT, work / run_folder.LOG, *work.glob(".scores-*")):
            path.unlink(missing_ok=True)
        return trained()


def _score(run: Run, indices: NDArray[np.int64], progress: Callable[[int, int], None]) -> pd.DataFrame:
    """The scores of the architectures after an epoch: SCORE_COLUMNS, and those by a quarter of the images if wanted."""
    scores = rank(run, indices, first=beside.quarter(run.recipe), progress=progress)
    passed = images_passed(run.recipe.evaluation, scores.distinct)
    columns = (run.epoch, scores.indices, scores.accuracy, -scores.loss, scores.seconds, passed)
    frame = pd.DataFrame(dict(zip(SCORE_COLUMNS, columns, strict=True)))
    if scores.first is not None:
        frame = frame.assign(quarter_accuracy=scores.first.accuracy, quarter_negative_loss=-scores.first.loss)
    return frame


def _scored_again(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """The scores with those of a sample of the architectures under every statistics of batch norm."""
    rows, own = beside.sample(len(frame)), run.recipe.evaluation.bn
    frame = beside.filled(frame, rows, own, {name: frame[name].to_numpy()[rows] for name in MEASURES.values()})
    seconds = images = 0.0
    for statistics in beside.others(run.recipe):
        evaluation = run.recipe.override([f"evaluation.bn={statistics}"]).evaluation
        scores = rank(run, frame["index"].to_numpy()[rows], evaluation=evaluation)
        values = {MEASURES["accuracy"]: scores.accuracy, MEASURES["loss"]: -scores.loss}
        frame = beside.filled(frame, rows, statistics, values)
        seconds += scores.seconds
        images += images_passed(evaluation, scores.distinct)
    return frame.assign(**dict(zip(beside.SPENT, (seconds, images), strict=True)))


def _read_scores(path: Path) -> pd.DataFrame:
    problem = "columns were altered"
    try:
        with open_plain(path) as file:
            frame = pd.read_parquet(file, page_checksum_verification=True)
        own, more = list(frame)[: len(SCORE_COLUMNS)], list(frame)[len(SCORE_COLUMNS) :]
        if own == SCORE_COLUMNS and set(more) <= set(beside.COLUMNS):
            return frame
    except MemoryError:
        raise
    except Exception as error:  # whatever damaged bytes lead to
        if isinstance(error, OSError) and error.errno:  # the machine's, not the file's
            raise
        problem = " ".join(str(error).split())
    raise run_folder.DamagedCheckpoint(f"The scores {path} are damaged: {problem}")


def _gathered(spec: RunSpec, table: GroundTruth, indices: NDArray[np.int64], work: Path) -> pd.DataFrame:
    """Scores after each of the last epochs, with architectures spelled out and their true accuracies."""
    within, m = space(spec.recipe.space), spec.truth.measure
    parts = [_read_scores(path) for path in work.glob(".scores-*.parquet")]
    frame = pd.concat(parts).sort_values(["epoch", "index"], ignore_index=True)
    frame = frame[frame["index"].isin(indices)]
    rows = truth_rows(within, indices, table)
    known = pd.DataFrame(
        {
            "index": indices,
            "arch": [within.string(arch) for arch in within.archs(indices).tolist()],
            "true": table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows),
            "params": params_of(table, m.dataset, rows),
        }
    )
    more = [name for name in beside.COLUMNS if name in frame]
    return frame.merge(known, on="index", how="left", validate="many_to_one")[[*SCORE_COLUMNS, *list(known)[1:], *more]]


def measures(spec: RunSpec, table: GroundTruth, frame: pd.DataFrame) -> dict[str, Any]:
    """Everything said of a run's ranking, by the recipe's own score; and tau of the other and of parameter count."""
    last = frame[frame["epoch"] == frame["epoch"].max()]
    score = MEASURES[spec.recipe.evaluation.metric]
    x, y = last[score].to_numpy(), last["true"].to_numpy()
    taus = [metrics.kendall_tau(part[score].to_numpy(), part["true"].to_numpy()) for _, part in frame.groupby("epoch")]
    values: dict[str, Any] = {
        "architectures": len(last),
        "kendall_tau": taus[-1],
        "kendall_tau_by_epoch": taus,
        "spearman": metrics.spearman(x, y),
        "tau_top_10": metrics.tau_in_true_top(x, y, 0.1) if len(last) >= 100 else None,
        "supernet_accuracy": float(last["accuracy"].mean()),
        "params_tau": metrics.kendall_tau(last["params"].to_numpy(float), y),
    }
    values |= {f"{name}_tau": metrics.kendall_tau(last[name].to_numpy(), y) for name in MEASURES.values()}
    values |= beside.taus(last, spec.recipe.evaluation.metric)
    for t in THRESHOLDS:
        values[f"sparse_tau@{t:g}"] = metrics.sparse_tau_binned(x, y, t)
    for k in (1, 10):
        values[f"regret@{k}"] = metrics.regret_at(x, y, min(k, len(y)))
    if len(y) >= RANDOM_DRAWS:
        values["surpass_random"] = metrics.surpass_random_exact(x, y, 1, RANDOM_DRAWS)
    return {name: None if isinstance(v, float) and not np.isfinite(v) else v for name, v in values.items()}


def _ledger(log: list[dict[str, Any]], frame: pd.DataFrame | None, asked: int) -> dict[str, float]:
    """What the run spent.

    Args:
        asked: architectures whose ground truth methods asked for while they trained.
    """
    scoring = [] if frame is None else [part.iloc[0] for _, part in frame.groupby("epoch")]
    measuring = {name: sum(entry.get(name, 0.0) for entry in log) for name in ("measure_seconds", "measure_passes")}
    return {
        "train_seconds": sum(entry["seconds"] for entry in log),
        "train_images": sum(entry["images"] for entry in log),
        "score_seconds": float(sum(row["seconds"] for row in scoring)),
        "score_images": float(sum(row["images"] for row in scoring)),
        "truth_queries": 0.0 if frame is None else float(frame["index"].nunique()),
        **({"method_queries": float(asked)} if asked else {}),
        **({} if frame is None else {name: float(frame[name].max()) for name in beside.SPENT if name in frame}),
        **{name: spent for name, spent in measuring.items() if spent},
    }
