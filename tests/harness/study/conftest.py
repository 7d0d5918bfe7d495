"""What tests of studies share: a study of all architectures, and runs with made-up scores."""

import numpy as np
import pandas as pd
import pytest
from made_up_scores import SEEDS, truth_of

from supernet.benchmarks.files import write_json
from supernet.harness.runs import store as files
from supernet.harness.study.make import measures

COSTS = {"train_seconds": 1.0, "score_seconds": 0.5, "train_images": 10, "score_images": 5.0, "truth_queries": 60.0}


@pytest.fixture
def many(study):
    """Load a study of all sixty architectures and three seeds, with these heuristics."""
    return lambda heuristics, seeds=SEEDS, **changes: study(heuristics=heuristics, seeds=seeds, sample="all", **changes)


@pytest.fixture
def put(store):
    """Give every run of a study made-up scores: (label, seed, truth) -> those of one or more epochs, or None."""

    def put(chosen, made_up):
        for setting, spec in chosen.plan():
            table = spec.truth.open("nb201")
            known = truth_of(spec)
            scores = made_up(setting.label, spec.recipe.seed, known["true"].to_numpy())
            if isinstance(scores, np.ndarray):
                scores = [scores]
            if scores is not None:
                parts = [known.assign(epoch=k, accuracy=x, negative_loss=x / 100 - 1) for k, x in enumerate(scores, 1)]
                finish(spec, measures(spec, table, pd.concat(parts)), pd.concat(parts))

    def finish(spec, found, frame=None, state="done", problem=None):
        with store.hold(spec) as work:
            work.mkdir()
            if frame is not None:
                frame.to_parquet(work / files.SCORES)
            write_json(work / files.SPEC, spec.as_dict())
            write_json(work / files.METRICS, found)
            write_json(work / files.LEDGER, COSTS)
            write_json(work / files.ENVIRONMENT, {})
            (work / files.LOG).write_text("")
            write_json(work / files.STATUS, {"state": state, "problem": problem, "run": spec.hash})
            store.publish(spec.hash)

    put.finish = finish
    return put
