"""What a pass costs in the seconds of a table."""

from types import SimpleNamespace

import numpy as np
import pytest

from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import Measure
from supernet.harness.search.costs import seconds_of
from supernet.harness.search.probing import Shape


def test_the_space_counts_operations_that_an_official_table_does_not_state(truth101):
    within, measure = space("nb1shot1-1"), Measure("cifar10", "test", "108", "mean")
    table = SimpleNamespace(
        key_column="hash",
        columns=["cifar10.params"],
        about={},
        space="nb101",
        path=truth101.path,
        rows=truth101.rows,
        timed_epochs=lambda dataset: ["108"],
        mean_train_seconds=lambda dataset, epochs, rows: np.full(len(rows), 2160.0),
    )
    own = seconds_of(128, Shape(128, 3, 32), within, table, measure)
    assert own == pytest.approx(2160 / 108 / 40_000 * 128)
    archs = within.archs(within.distinct())
    small = within.flops(archs, 8, 1, 16).mean() / within.flops(archs, 128, 3, 32).mean()
    assert seconds_of(128, Shape(8, 1, 16), within, table, measure) == pytest.approx(own * small)
