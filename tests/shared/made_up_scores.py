"""Made-up scores of the runs of a study, and the truth that they follow."""

import numpy as np
import pandas as pd

from supernet.benchmarks.spaces import space
from supernet.harness.correlation.report import params_of
from supernet.harness.study.operations import over_ranked, uses_of

SEEDS = [0, 1, 2]
RESAMPLES = 400


def truth_of(spec):
    """Index, true accuracy and parameters of each architecture that a run ranks."""
    table, m = spec.truth.open("nb201"), spec.truth.measure
    indices = spec.architectures(table)
    within = space("nb201")
    rows = table.rows([within.string(arch) for arch in within.archs(indices).tolist()])
    return pd.DataFrame(
        {
            "index": indices,
            "true": table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows),
            "params": params_of(table, m.dataset, rows),
        }
    )


def noisy(sd):
    """Scores that follow the truth with noise of this size, drawn anew for each setting and seed."""

    def made_up(label, seed, y):
        rng = np.random.default_rng([seed, *label.encode()])
        return y + (sd(label) if callable(sd) else sd) * rng.normal(size=len(y))

    return made_up


def only(rows, label):
    """The one row of this setting."""
    (row,) = (row for row in rows if row.label == label)
    return row


def over_uses(within, indices, y, ranks):
    """Operation -> means over its uses of how far architectures are over-ranked, and of what of that is bias."""
    found = over_ranked(y, ranks[None])
    return {
        name: (np.average(found.displaced[0], weights=use), np.average(found.beyond[0], weights=use))
        for name, use in uses_of(within, indices).items()
    }
