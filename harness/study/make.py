"""One run from its spec to its directory: train, score, compare with the ground truth."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import whole, write_json
from supernet.benchmarks.regular import open_plain
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.task import Task, load_task
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.correlation.report import RANDOM_DRAWS, THRESHOLDS, params_of
from supernet.harness.runs import store as files
from supernet.harness.runs.store import Damaged, Held, Store
from supernet.harness.scoring.supernet import rank
from supernet.harness.statistics import metrics
from supernet.harness.study.spec import Job, RunSpec
from supernet.harness.training import folder as run_folder
from supernet.harness.training import loop as train
from supernet.heuristics.recipe import Recipe, TaskSection

Report = Callable[[float, str], None]
"""Told the share done and what is going on."""
SCORE_COLUMNS = ["epoch", "index", "accuracy", "negative_loss", "seconds", "images"]
"""Of the scores of one epoch, before the truth is set beside them."""
MEASURES = {"loss": "negative_loss", "accuracy": "accuracy"}
"""The metric that a recipe ranks by -> the score that ranks."""


def execute(
    spec: Job, store: Store, *, device: str = "cpu", report: Report | None = None, patience: float | None = None
) -> str:
    """Make the run unless it is there; its state: done, diverged, failed or held.

    A failure is noted in the store, never raised, so that one run cannot stop others. Interrupted or killed at any
    moment, the next call goes on from the last epoch.

    Args:
        patience: seconds to wait for another process that makes this run, after which the state is "held"; without
            it, the call waits for as long as that takes.
    """
    run = spec.hash
    try:
        with store.hold(spec, patience) as work:
            try:
                state = store.read(run).state
                store.tidy(run)  # a kill may have come between publishing and that
                return state
            except KeyError:
                pass
            except Damaged:
                store.set_aside(run)
            work.mkdir(exist_ok=True)
            state = spec.make(work, device, report or (lambda share, text: None))
            store.publish(run)
            return state
    except Held:
        return "held"
    except MemoryError:
        problem = "Memory ran out while this run was made. What is done so far is kept. Try fewer workers."
        trace = traceback.format_exc()
    except UserError as error:
        problem, trace = str(error), ""
    except OSError as error:
        problem = f"{error.strerror or error}: {error.filename or store.root}. What is done so far is kept."
        trace = traceback.format_exc()
    except Exception as error:
        problem, trace = f"{type(error).__name__}: {' '.join(str(error).split())}", traceback.format_exc()
    with suppress(OSError):  # the disk is full, say: the run stays missing, and the next try says why
        store.fail(run, problem, trace)
    return "failed"


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
        """Of the whole run, given epochs trained and epochs scored: training counts for 80 %."""
        return 0.8 * trained / epochs + 0.2 * scored / scored_epochs

    def training(p: train.Progress) -> None:
        text = f"epoch {p.epoch + 1}/{epochs}, loss {p.loss:.2f}, {p.images_per_second:,.0f} images/s"
        tracked(share(epochs * p.step / p.steps, max(0, p.epoch - epochs + scored_epochs)), text)

    def scored(run: train.Run) -> None:
        before = run.epoch - 1 - epochs + scored_epochs
        path = work / f".scores-{run.epoch}.parquet"
        if before >= 0 and not path.exists():
            _score(run, indices, path, lambda k, n: tracked(share(run.epoch, before + k / n), "scoring"))

    problem = None
    try:
        run = _train(recipe, work, device, training, scored)
        log = run.log
    except train.Diverged:
        problem = str(run_folder.read_status(work)["problem"])
        log = run_folder.read_log(work)
    epochs_done = run_folder.read_status(work)["epochs_done"]
    frame = _gathered(spec, table, indices, work) if problem is None else None
    if frame is not None and not np.isfinite(frame[list(MEASURES.values())].to_numpy()).all():
        problem, frame = "Scores are not finite: the run diverged at the end. Lower training.learning_rate.", None
    if frame is not None:
        with whole(work / files.SCORES) as partial:
            frame.to_parquet(partial)
    write_json(work / files.METRICS, {} if frame is None else measures(spec, table, frame))
    write_json(work / files.LEDGER, _ledger(log, frame))
    write_json(work / files.ENVIRONMENT, {**run_folder.environment(device), "commit": commit()})
    state = "done" if problem is None else "diverged"
    run_folder.write_status(work, state, recipe.hash, epochs_done, device, problem=problem, run=spec.hash)
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


def _train(recipe: Any, work: Path, device: str, progress: Any, after_epoch: Any) -> train.Run:
    """Train from the checkpoint there is; a damaged one, or damaged scores, cost the run's own work alone."""
    task = task_of(recipe.task)
    if recipe.evaluation.images > len(task.valid):  # said before training, not after it
        raise UserError(
            f"evaluation.images is {recipe.evaluation.images:,}, but there are {len(task.valid):,} images to score on."
        )
    keep = {"task": task, "device": device, "progress": progress, "after_epoch": after_epoch}
    try:
        for path in work.glob(".scores-*.parquet"):
            _read_scores(path)
        return train.train(recipe, work, resume=True, **keep)
    except run_folder.DamagedCheckpoint:
        for path in (work / run_folder.CHECKPOINT, work / run_folder.LOG, *work.glob(".scores-*")):
            path.unlink(missing_ok=True)
        return train.train(recipe, work, resume=True, **keep)


def _score(run: train.Run, indices: Any, path: Path, progress: Any) -> None:
    scores = rank(run, indices, progress=progress)
    columns = (
        run.epoch, scores.indices, scores.accuracy, -scores.loss, scores.seconds, scores.images * scores.distinct,
    )  # fmt: skip
    frame = pd.DataFrame(dict(zip(SCORE_COLUMNS, columns, strict=True)))
    with whole(path) as partial:
        frame.to_parquet(partial, write_page_checksum=True)


def _read_scores(path: Path) -> pd.DataFrame:
    problem = "columns were altered"
    try:
        with open_plain(path) as file:
            frame = pd.read_parquet(file, page_checksum_verification=True)
        if list(frame) == SCORE_COLUMNS:
            return frame
    except MemoryError:
        raise
    except Exception as error:  # whatever damaged bytes lead to
        if isinstance(error, OSError) and error.errno:  # the machine's, not the file's
            raise
        problem = " ".join(str(error).split())
    raise run_folder.DamagedCheckpoint(f"The scores {path} are damaged: {problem}")


def _gathered(spec: RunSpec, table: GroundTruth, indices: Any, work: Path) -> pd.DataFrame:
    """Scores after each of the last epochs, with architectures spelled out and their true accuracies."""
    within, m = space(spec.recipe.space), spec.truth.measure
    parts = [_read_scores(path) for path in work.glob(".scores-*.parquet")]
    frame = pd.concat(parts).sort_values(["epoch", "index"], ignore_index=True)
    rows = truth_rows(within, indices, table)
    known = pd.DataFrame(
        {
            "index": indices,
            "arch": [within.string(arch) for arch in within.archs(indices).tolist()],
            "true": table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows),
            "params": params_of(table, m.dataset, rows),
        }
    )
    return frame.merge(known, on="index", how="left", validate="many_to_one")


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
    for t in THRESHOLDS:
        values[f"sparse_tau@{t:g}"] = metrics.sparse_tau_binned(x, y, t)
    for k in (1, 10):
        values[f"regret@{k}"] = metrics.regret_at(x, y, min(k, len(y)))
    if len(y) >= RANDOM_DRAWS:
        values["surpass_random"] = metrics.surpass_random_exact(x, y, 1, RANDOM_DRAWS)
    return {name: None if isinstance(v, float) and not np.isfinite(v) else v for name, v in values.items()}


def _ledger(log: list[dict[str, Any]], frame: pd.DataFrame | None) -> dict[str, float]:
    """What the run spent."""
    scoring = [] if frame is None else [part.iloc[0] for _, part in frame.groupby("epoch")]
    return {
        "train_seconds": sum(entry["seconds"] for entry in log),
        "train_images": sum(entry["images"] for entry in log),
        "score_seconds": float(sum(row["seconds"] for row in scoring)),
        "score_images": float(sum(row["images"] for row in scoring)),
        "truth_queries": 0.0 if frame is None else float(frame["index"].nunique()),
    }


def throttled(report: Report, path: Path) -> Report:
    """Reports, and leaves a progress file for whoever watches from outside, a few times a second at most."""
    last = [0.0]

    def tell(share: float, text: str) -> None:
        report(share, text)
        now = time.monotonic()
        if now - last[0] > 0.5:
            last[0] = now
            write_json(path, {"share": share, "text": text})

    return tell


@lru_cache(maxsize=4)
def task_of(section: TaskSection) -> Task:
    """The task of a recipe, kept for the runs that follow."""
    return load_task(**dataclasses.asdict(section))


@lru_cache(maxsize=1)
def commit() -> str | None:
    """The project's commit, with a + where the tree differs from it; None outside a clone of the project.

    A package that is installed inside another repository, in a virtual environment say, has no commit: that
    repository's is not the project's.
    """
    root = Path(__file__).resolve().parents[2]
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or not Path(top).samefile(root):
        return None
    return _git(root, "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails or prints nothing. Variables such as GIT_DIR are not handed on."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        told = subprocess.run(
            ["git", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return told.stdout.rstrip("\n") or None
