"""A made-up comparison of searches: the analysis of traces that no search has made."""

import numpy as np
import pandas as pd

from supernet.benchmarks.truth.table import Measure
from supernet.harness.search.algorithms.registry import ALGORITHMS, QueryAlgorithm
from supernet.harness.search.analysis import Entry, analyse
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.ledger import Budget

MAIN = Measure("digits", "test", "1", "s0")
STEPS = 10


class MadeUpTruths:
    """Accuracies of all architectures, in percent, below 90."""

    measure, sampled = MAIN, False

    def __init__(self):
        self.known = 90 - np.random.default_rng(0).gamma(2.0, 2.5, 15_625)

    def of(self, indices):
        return self.known[np.asarray(indices, dtype=int)]


def _trace(name, draws, seeds, truths, kind, amount, rng):
    """The steps of searches that keep the best of `draws` random architectures a step; 0 keeps the last one of all."""
    rows = []
    learned = not isinstance(ALGORITHMS[name], QueryAlgorithm)
    for seed in range(seeds):
        found = rng.integers(0, 15_625, (STEPS, max(1, draws)))
        best = found[np.arange(STEPS), truths.of(found).argmax(1)]
        for step in range(STEPS):
            so_far = best[: step + 1] if draws else best[step : step + 1]
            pick = int(so_far[truths.of(so_far).argmax()])
            row = {"seed": seed, "step": step + 1, "pick": pick, kind: amount * (step + 1) / STEPS}
            done = (step + 1) / STEPS
            if learned:
                row |= {"entropy": 1 - 0.6 * done * rng.random(), "skips": 0.2 + 0.3 * done * rng.random()}
                row |= {"mixture_accuracy": 40 + 40 * done, "pick_accuracy": 40 + 30 * done * rng.random()}
            else:
                row |= dict.fromkeys(("entropy", "skips", "mixture_accuracy", "pick_accuracy"))
            rows.append(row)
    return pd.DataFrame(rows)


def outcome(draws, seeds=12, kind="seconds", amount=12_000.0, states=None):
    """The analysis of a comparison.

    Args:
        draws: algorithm -> random architectures that it tries in a step: the more, the better.
        states: algorithm -> the state of all its searches, where they are not done.
    """
    rng, truths, entries = np.random.default_rng(1), MadeUpTruths(), []
    for name, count in draws.items():
        algorithm = ALGORITHMS[name]
        sharing = not isinstance(algorithm, QueryAlgorithm)
        state = (states or {}).get(name, "done")
        entry = Entry(name, algorithm.title, algorithm.source, sharing, dict.fromkeys(range(seeds), state))
        if state == "done":
            entry.trace = _trace(name, count, seeds, truths, kind, amount, rng)
            last = entry.trace.groupby("seed")["pick"].last()
            entry.picks = dict(zip(last.index.tolist(), last.tolist(), strict=True))
        else:
            entry.problems.append(f"{name}: it is broken")
        entries.append(entry)
    chosen = Comparison("nb201", "digits", tuple(draws), Budget(kind, amount), seeds)
    return analyse(chosen, entries, [truths])


SEVENTEEN = {
    "random": 1, "rea": 40, "local": 20, "reinforce": 2, "bohb": 1, "rs-ws": 1, "spos": 2, "fairnas": 1, "enas": 0,
    "darts": 0, "darts-2": 0, "gdas": 2, "pc-darts": 1, "setn": 1, "drnas": 3, "gaea-darts": 4, "gaea-darts-erm": 5,
}  # fmt: skip
"""Algorithm -> random architectures a step, of a comparison with many algorithms."""
