"""Runs of a study in a store, as if they had been made, with scores that are made up."""

import pandas as pd

from supernet.benchmarks.files import write_json
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.join import truth_rows
from supernet.harness.correlation.report import params_of
from supernet.harness.runs import store as files
from supernet.harness.study.make import measures

LEDGER = {"train_seconds": 1.0, "score_seconds": 0.5, "train_images": 10, "score_images": 5.0, "truth_queries": 60.0}


def truth_of(spec):
    """Index, true accuracy and parameters of the architectures that a run scores."""
    table, m, within = spec.truth.open(spec.recipe.space), spec.truth.measure, space(spec.recipe.space)
    indices = spec.architectures(table)
    rows = truth_rows(within, indices, table)
    true = table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows)
    return pd.DataFrame({"index": indices, "true": true, "params": params_of(table, m.dataset, rows)})


def publish_scores(store, spec, score):
    """Put a run in the store.

    Args:
        score: true accuracies (n,) -> scores (n,), or None for a run that diverged.
    """
    known = truth_of(spec)
    scores = score(known["true"].to_numpy())
    frame = None if scores is None else known.assign(epoch=1, accuracy=scores, negative_loss=scores / 100 - 1)
    found = {} if frame is None else measures(spec, spec.truth.open(spec.recipe.space), frame)
    if frame is None:
        put(store, spec, found, state="diverged", problem="The loss is not finite.")
    else:
        put(store, spec, found, frame)


def put(store, spec, found, frame=None, state="done", problem=None):
    """Put a run with these metrics, and perhaps scores, in the store."""
    with store.hold(spec) as work:
        work.mkdir()
        if frame is not None:
            frame.to_parquet(work / files.SCORES)
        write_json(work / files.SPEC, spec.as_dict())
        write_json(work / files.METRICS, found)
        write_json(work / files.LEDGER, LEDGER)
        write_json(work / files.ENVIRONMENT, {})
        (work / files.LOG).write_text("")
        write_json(work / files.STATUS, {"state": state, "problem": problem, "run": spec.hash})
        store.publish(spec.hash)
