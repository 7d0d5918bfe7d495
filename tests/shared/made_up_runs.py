"""Run directories as a study leaves them, with results made up."""

import json

import numpy as np
import pandas as pd

from supernet.benchmarks.files import write_json
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import Measure
from supernet.harness.runs import store as files
from supernet.harness.runs.job import Truth
from supernet.harness.study.spec import RunSpec
from supernet.heuristics.recipe import Recipe

TRUTH = Truth("nb201.parquet", Measure("cifar10", "test", "200", "mean"), "digest of the table")
EPOCHS = 3
LEDGER = {
    "train_seconds": 60.5,
    "train_images": 1000,
    "score_seconds": 5.25,
    "score_images": 200.0,
    "truth_queries": 3.0,
}
ENVIRONMENT = {
    "python": "3.12.1", "torch": "2.6.0", "numpy": "2.0.0", "machine": "x86_64", "device": "cpu", "threads": 1,
    "commit": "abc123",
}  # fmt: skip


def publish(
    store,
    *changes,
    seed=0,
    within="nb201",
    tau=0.5,
    accuracy=50.0,
    frame=None,
    problem=None,
    last_epochs=1,
    free=(),
    **ledger,
):
    """Write a run to the store; its hash. With a problem, it diverged."""
    changes = (f"space={within}", f"training.epochs={EPOCHS}", f"seed={seed}", *changes)
    spec = RunSpec(Recipe().override(changes), TRUTH, last_epochs=last_epochs, free=free)
    metrics = {
        "architectures": 3,
        "kendall_tau": tau,
        "kendall_tau_by_epoch": [tau - 0.1 * k for k in reversed(range(last_epochs))],
        "spearman": tau,
        "tau_top_10": None,
        "supernet_accuracy": accuracy,
        "params_tau": 0.55,
        "sparse_tau@0.1": tau,
        "regret@1": 1.5,
    }
    with store.hold(spec) as work:
        work.mkdir()
        write_json(work / files.SPEC, spec.as_dict())
        write_json(
            work / files.STATUS, {"state": "diverged" if problem else "done", "problem": problem, "run": spec.hash}
        )
        write_json(work / files.METRICS, {} if problem else metrics)
        write_json(work / files.LEDGER, LEDGER | ledger)
        write_json(work / files.ENVIRONMENT, ENVIRONMENT)
        log = [
            {"epoch": k, "loss": None if problem else 1 / k, "accuracy": 10.0 * k, "learning_rate": 0.1, "images": 500,
             "seconds": 20, "images_per_second": 25.0}
            for k in range(1, EPOCHS + 1)
        ]  # fmt: skip
        (work / files.LOG).write_text("".join(json.dumps(entry) + "\n" for entry in log))
        if not problem:
            (some_scores(within) if frame is None else frame).to_parquet(work / files.SCORES)
        store.publish(spec.hash)
    return spec.hash


def scores_of(within, indices, negative_loss, true, epoch=EPOCHS):
    """Scores of a run as it writes them."""
    known = space(within)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "index": np.asarray(indices),
            "accuracy": np.linspace(90, 10, len(indices)),
            "negative_loss": np.asarray(negative_loss, float),
            "seconds": 0.5,
            "images": 1000,
            "arch": [known.string(arch) for arch in known.archs(indices).tolist()],
            "true": np.asarray(true, float),
            "params": np.arange(len(indices)) * 1000,
        }
    )


def some_scores(within="nb201"):
    """Three architectures of which the middle one is ranked first."""
    return scores_of(within, [5, 6, 7], [-1.0, -0.5, -2.0], [91.0, 90.0, 80.0])


def random_scores(within, count, seed):
    """Scores and true accuracies with ties."""
    rng = np.random.default_rng(seed)
    indices = np.sort(rng.choice(len(space(within)), count, replace=False))
    return scores_of(within, indices, rng.integers(0, 20, count), rng.integers(80, 95, count))
