"""What a measured table is worth: how well its seeds agree, and how much parameter counts explain."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.measured.benchmark import Benchmark
from supernet.harness.statistics import metrics
from supernet.harness.statistics.metrics import kendall_tau, true_top


def agreement(table: GroundTruth, dataset: str, split: str, epochs: str) -> dict[str, float]:
    """Figures for the choice of task and budget: quantiles of accuracy (percent), and tau between seeds and of size.

    Tau between seeds is NaN for a table of one seed.
    """
    mean = table.accuracy(dataset, split, epochs, "mean")
    seeds = [table.accuracy(dataset, split, epochs, seed) for seed in table.seeds(dataset, split, epochs)]
    top = true_top(mean, 0.25)
    low, quarter, median, three, high = np.quantile(mean, [0, 0.25, 0.5, 0.75, 1])
    return {
        "tau between seeds": _mean([kendall_tau(a, b) for a, b in combinations(seeds, 2)]),
        "tau between seeds, top quarter": _mean([metrics.agreement(a[top], b[top]) for a, b in combinations(seeds, 2)]),
        "tau of parameter count": kendall_tau(table.params(dataset).astype(float), mean),
        "tau of FLOPs": kendall_tau(table.flops(dataset).astype(float), mean),
        "lowest accuracy": float(low),
        "first quartile": float(quarter),
        "median": float(median),
        "third quartile": float(three),
        "highest accuracy": float(high),
    }


def figures(benchmark: Benchmark, table: GroundTruth) -> dict[str, str]:
    """The figures of a benchmark's table in words, as `supernet benchmark list` and the tables' page show them."""
    dataset, epochs = benchmark.recipe.task.name, str(benchmark.recipe.training.epochs)
    valid, test = (agreement(table, dataset, split, epochs) for split in ("valid", "test"))
    low, quarter, median, three, high = (
        f"{test[f'{which} accuracy' if which in ('lowest', 'highest') else which]:.1f}"
        for which in ("lowest", "first quartile", "median", "third quartile", "highest")
    )
    seconds = [table.train_seconds(dataset, epochs).mean() for epochs in benchmark.epochs]
    return {
        "tau between seeds: validation, test": _two(valid, test, "tau between seeds"),
        "the same within the best quarter": _two(valid, test, "tau between seeds, top quarter"),
        "tau of parameter count (test)": f"{test['tau of parameter count']:.3f}",
        "lowest, quartiles and highest test accuracy, %": f"{low}; {quarter}, {median}, {three}; {high}",
        "seconds of one core per training": ", ".join(f"{value:.1f}" for value in seconds),
    }


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _two(valid: dict[str, float], test: dict[str, float], what: str) -> str:
    if np.isnan(test[what]):
        return "one seed"
    return f"{valid[what]:.3f}, {test[what]:.3f}"
