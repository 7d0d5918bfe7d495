"""Makes what a report on super-nets and training-free scores needs: each part once, resumable, in one folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.table import Measure
from supernet.harness.correlation.truth import Known
from supernet.harness.report.adds.stages import JACOB, SIZE
from supernet.harness.report.correlation.ranked import rank
from supernet.harness.report.free.scores import ABOUT, free_scores
from supernet.harness.report.training.trained import train
from supernet.harness.report.watch import Done, Watch
from supernet.harness.runs.parallel import Told, each
from supernet.harness.scoring.ranked import Files, protocol_of
from supernet.harness.training.folder import holds_run
from supernet.heuristics import recipe as recipes
from supernet.heuristics.recipe import Recipe

Floats = NDArray[np.float64]
FREE, COSTS = "free.parquet", "costs.json"
ANOTHER = "Name another folder with --out (`out`), or remove it."
PARTS = 10_000
"""In how many parts the progress of all super-nets is told."""
TRAINING = 0.75
"""Share of the work on a super-net that is training, for the display of progress."""


@dataclass(frozen=True)
class Made:
    """Scores of all architectures of a space, and the seconds that they took."""

    within: SearchSpace
    live: Floats
    """(n,)"""
    draws: Floats
    """jacob_cov: (draws, n); NaN where it has no value."""
    nets: Floats
    """(super-nets, n)"""
    live_seconds: float
    draw_seconds: float
    """Of all draws, in seconds of one process; the same below for super-nets."""
    net_seconds: list[float]
    """Training and scoring of each super-net, in seconds on the clock."""
    asked: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Indices of architectures whose ground truth took part in the training of a super-net, ascending: (m,)."""


def made(
    recipe: Recipe, seeds: list[int], draws: int, images: int, out: Path, device: str, watch: Watch, workers: int
) -> Made:
    """Compute everything that is not in the folder yet.

    Args:
        seeds: one super-net for each.
        images: number of validation images on which super-nets score architectures.
        workers: number of super-nets that are trained at the same time on CPUs, with a thread each.

    Raises:
        UserError: the recipe cannot be used, or its task is not available.
    """
    within = space(recipe.space)
    frame, about = _free(recipe, draws, out / FREE, watch)
    every = np.arange(len(within))
    names = [f"{JACOB}.{draw}" for draw in range(draws)] if draws > 1 else [JACOB]
    values = frame[names].to_numpy().T
    connected = within.connected(within.archs(every), recipe.network.cells)
    values = np.where(connected, values, np.nan)
    jobs = [
        _Net(recipe.override([f"seed={seed}"]).as_dict(), images, out / f"super-net-{seed}", device) for seed in seeds
    ]
    watch.tell(
        f"Super-nets: {len(seeds)}, each with {recipe.training.epochs} epochs and then scored on {images} images."
    )
    with watch.progress("super-nets") as told:
        nets = each(_net, jobs, workers, lambda share: told(round(PARTS * share), PARTS))
    found = about["seconds"]
    scores, seconds = np.stack([net.scores for net in nets]), [net.seconds for net in nets]
    asked = np.unique(np.concatenate([net.asked for net in nets]))
    return Made(within, frame[SIZE].to_numpy(), values, scores, found[SIZE], found[JACOB], seconds, asked)


def _free(recipe: Recipe, draws: int, path: Path, watch: Watch) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The training-free scores, from the file if it has these."""
    probe: dict[str, Any] = {
        "space": recipe.space,
        "task": recipe.task.name,
        "size": recipe.task.size,
        "channels": recipe.network.channels,
        "cells": recipe.network.cells,
    }
    if path.exists():
        about = json.loads((pq.read_schema(path).metadata or {}).get(ABOUT, b"{}"))
        if about.get("draws") == draws and about["probe"].items() >= probe.items():
            return pd.read_parquet(path), about
    watch.tell(f"Training-free scores: {draws} draws of jacob_cov.")
    within = probe.pop("space")
    found = free_scores(within, [SIZE, JACOB], draws=draws, out=path, watch=watch, **probe)
    return found.frame(), found.about()


@dataclass(frozen=True)
class _Net:
    """A super-net to train and to score all architectures with."""

    recipe: dict[str, Any]
    images: int
    folder: Path
    device: str


@dataclass(frozen=True)
class _Trained:
    """What a super-net says."""

    scores: Floats
    """Of all architectures: (n,). NaN may stand for those that were asked for."""
    seconds: float
    """Of its training and scoring."""
    asked: NDArray[np.int64]
    """Architectures whose ground truth took part in the training: (m,)."""


def _net(job: _Net, told: Told) -> _Trained:
    """Train a super-net and score all architectures with it, unless its folder has that already."""
    recipe, folder = recipes.from_dict(job.recipe), job.folder
    within = space(recipe.space)
    protocol = protocol_of(recipe, images=job.images)
    files, costs = Files.of(folder, recipe.evaluation, protocol), folder / COSTS
    column = "negative_loss" if protocol.metric == "loss" else "accuracy"
    if not (costs.exists() and files.scores.exists()):
        run = train(
            recipe,
            out=folder,
            resume=holds_run(folder),
            device=job.device,
            progress=lambda now: told(TRAINING * now.step / now.steps),
        )
        watch = _Share(lambda share: told(TRAINING + (1 - TRAINING) * share))
        scored = rank(run, "all", images=job.images, out=folder, watch=watch, resamples=20).scores
        seconds = sum(entry["seconds"] for entry in run.log)
        spent = {"train_seconds": seconds, "score_seconds": scored.seconds}
        write_json(costs, {**spent, "recipe": recipe.hash, "asked": run.run.asked.tolist()})
    kept = json.loads(costs.read_text())
    if kept["recipe"] != recipe.hash or "asked" not in kept:
        raise UserError(f"{folder} holds a super-net of another recipe or an earlier version. {ANOTHER}")
    frame = pd.read_parquet(files.scores)
    values = pd.Series(frame[column].to_numpy(), index=frame["index"].to_numpy())
    every = np.arange(len(within))
    own = values.reindex(every).to_numpy()
    # One of several equal computations was scored for all of them.
    alike = values.reindex(within.same_computation(every)).to_numpy()
    found = np.where(np.isnan(own), alike, own)
    asked = np.array(kept["asked"], dtype=np.int64)
    if np.isnan(found[np.setdiff1d(within.distinct(), within.same_entry(asked))]).any():
        raise UserError(f"{folder} lacks scores of some architectures. {ANOTHER}")
    return _Trained(found, float(kept["train_seconds"] + kept["score_seconds"]), asked)


class _Share(Watch):
    """Tells the share of a stage that is done."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def progress(self, what: str) -> AbstractContextManager[Done]:
        return nullcontext(lambda done, total: self._told(done / total if total else 0.0))


def truths(within: SearchSpace) -> Iterator[tuple[Known, NDArray[np.int64], NDArray[np.int64]]]:
    """Every available ground truth of the space: mean test accuracies at the largest budget of each data set.

    Yields:
        The ground truth, architectures with a result, and their rows: (n,) each.
    """
    tables, _ = shelf.intact_tables()
    seen: set[tuple[str, str]] = set()
    for table in sorted(tables, key=lambda each: (-len(each), -len(each.measures))):
        if not shelf.covers(table, within.name):
            continue
        final: dict[str, Measure] = {}
        for m in table.measures:
            if (m.split, m.seed) == ("test", "mean") and m.epochs.isdecimal():
                final[m.dataset] = max(final.get(m.dataset, m), m, key=lambda each: int(each.epochs))
        indices, rows = measured_in(within, table)
        for m in final.values():
            if (m.dataset, m.epochs) not in seen:
                seen.add((m.dataset, m.epochs))
                known = Known(within.name, table, m)
                there = ~np.isnan(known.accuracy()[rows])
                yield known, indices[there], rows[there]
