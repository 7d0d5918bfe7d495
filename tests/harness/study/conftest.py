"""What tests of studies share: a study of all architectures, and runs with made-up scores."""

from functools import partial

import made_up_results
import numpy as np
import pandas as pd
import pytest
from made_up_scores import SEEDS, truth_of

from supernet.harness.study.make import measures


@pytest.fixture
def many(study):
    """Load a study of all sixty architectures and three seeds, with these heuristics."""
    return lambda heuristics, seeds=SEEDS, **changes: study(heuristics=heuristics, seeds=seeds, sample="all", **changes)


@pytest.fixture
def put(store):
    """Give every run of a study made-up scores: (label, seed, truth) -> those of one or more epochs, or None.

    A run does not rank the rows of its truth that `without` gives.
    """

    def put(chosen, made_up, without=lambda label, seed: ()):
        for setting, spec in chosen.plan():
            table = spec.truth.open("nb201")
            known = truth_of(spec)
            scores = made_up(setting.label, spec.recipe.seed, known["true"].to_numpy())
            if isinstance(scores, np.ndarray):
                scores = [scores]
            if scores is not None:
                parts = [known.assign(epoch=k, accuracy=x, negative_loss=x / 100 - 1) for k, x in enumerate(scores, 1)]
                parts = [part.drop(index=list(without(setting.label, spec.recipe.seed))) for part in parts]
                put.finish(spec, measures(spec, table, pd.concat(parts)), pd.concat(parts))

    put.finish = partial(made_up_results.put, store)
    return put
