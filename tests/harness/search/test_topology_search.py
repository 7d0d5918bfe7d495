"""Searches without any data of others: on the part of NAS-Bench-201 that one row per functional class serves."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import write_table
from supernet.harness.commands.cli import supernet
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.costs import seconds_per_pass
from supernet.harness.search.ledger import Budget
from supernet.harness.training.run import task_of

PART = space("nb201-topology")
TRAIN_IMAGES = 16
"""As few as super-nets of tests have, so that a query is worth some of their epochs."""
TINY = (
    "task.train_images=64", "task.valid_images=64", "network.channels=4", "training.batch_size=32",
    "evaluation.images=32",
)  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """One architecture per class: accuracy by convolutions, which the cheap fidelity sees through noise."""
    indices = PART.distinct()
    archs = PART.archs(indices)
    rng, base = np.random.default_rng(0), 60 + 5.0 * (PART.live(archs) == 2).sum(axis=1)
    params, flops = PART.costs(archs, 16, 1, 16)
    columns = {**PART.table_columns(archs), "digits.params": params, "digits.flops": flops}
    for epochs, noise in (("1", 4.0), ("4", 0.5)):
        columns[f"digits.valid.e{epochs}.s0"] = base + noise * rng.normal(size=len(base))
        columns[f"digits.train_seconds.e{epochs}"] = np.full(len(base), 2.5 * int(epochs))
    columns["digits.test.e4.mean"] = base
    path = tmp_path_factory.mktemp("truth") / "made.parquet"
    about = {"space": "nb201-topology", "family": "made", "accuracy_unit": "percent", "sample": "all"}
    write_table(path, columns, {**about, "channels": 16, "cells": 1, "train_images": TRAIN_IMAGES})
    return path


def searched(table, out, *arguments):
    options = ["search", "--space", "nb201-topology", "--dataset", "digits", "--table", str(table), "--out", str(out)]
    result = CliRunner().invoke(supernet, [*options, "--executor", "process", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.usefixtures("no_figures")
def test_algorithms_that_query_find_their_way_in_all_729_cells(table, tmp_path):
    searched(table, tmp_path, "--algorithms", "random,rea,local,bohb", "--budget", "150s", "--seeds", "8")
    traces = pd.concat([pd.read_parquet(path) for path in (tmp_path / "runs").rglob("trace.parquet")])
    assert (traces["seconds"] <= 150).all()
    assert not set(traces["index"]) <= set(PART.distinct().tolist())  # twins are queried as well
    assert set(traces["fidelity"]) == {0, 1}
    assert traces["value"].notna().all()
    (report,) = (tmp_path / "reports").glob("*/report.json")
    assert len(json.loads(report.read_text())["final"]) == 4


def test_a_query_costs_what_a_path_through_networks_of_the_same_size_does(table):
    """A super-net as wide as the benchmark's networks pays for an image what their training took, on average."""
    of = Comparison(
        "nb201-topology", "digits", ("spos",), Budget("seconds", 60), 1, str(table), overrides=("network.channels=16",)
    )
    recipe = of.recipe("spos")
    cost = seconds_per_pass(recipe, PART, of.ground_truth, of.truth.measure, task_of(recipe.task))
    assert cost == pytest.approx(10.0 / 4 / TRAIN_IMAGES * recipe.training.batch_size)
    assert of.fidelities == ("1", "4")


@pytest.mark.usefixtures("no_figures")
def test_weights_are_shared_and_charged_under_the_same_clock(table, tmp_path):
    changes = [word for change in TINY for word in ("--set", change)]
    searched(table, tmp_path, "--algorithms", "random,spos", "--budget", "25s", "--seeds", "1", *changes)
    traces = [pd.read_parquet(path) for path in (tmp_path / "runs").rglob("trace.parquet")]
    assert len(traces) == 2
    assert all(0 < trace["seconds"].max() <= 25 for trace in traces)
    assert sorted(len(trace) for trace in traces) == [2, 4]  # two queries, or picks on the way
