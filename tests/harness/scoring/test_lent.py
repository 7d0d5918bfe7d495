"""A super-net that scorers train is given back as it was."""

import itertools

import pytest
import torch
from small import assert_same, recipe, weights

from supernet.benchmarks.errors import UserError
from supernet.harness.scoring.lent import batch_statistics, check, lent, step, training_batches
from supernet.harness.supernet.ops import BatchNorm
from supernet.harness.training.loop import train
from supernet.heuristics.meter import Meter

ARCH = (3, 2, 1, 3, 2, 1)


def test_everything_is_given_back_even_after_an_error(task):
    run = train(recipe("training.epochs=1", "network.bn_track=true", "training.unsampled=zero"), task=task)
    before, own = weights(run), run.context.meter.copy()
    gradients = [p.grad for p in run.network.parameters()]
    counts = [m.batches for m in run.network.modules() if isinstance(m, BatchNorm)]
    meter = Meter()

    def fail():
        with lent(run, meter):
            optimiser = torch.optim.SGD(run.network.parameters(), 0.1)
            for batch in itertools.islice(training_batches(run, 20, 0), 2):
                step(run, ARCH, batch, optimiser)
            assert any(not torch.equal(a, b) for a, b in zip(before.values(), weights(run).values(), strict=True))
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail()
    assert_same(weights(run), before)
    assert all(p.grad is g for p, g in zip(run.network.parameters(), gradients, strict=True))
    assert [m.batches for m in run.network.modules() if isinstance(m, BatchNorm)] == counts
    assert run.network.training
    assert run.context.meter == own
    assert meter == Meter(40, 40)


def test_statistics_of_the_batch_leave_running_ones_alone(task):
    run = train(recipe("training.epochs=1", "network.bn_track=true"), task=task)
    with lent(run, Meter()):
        kept = [m.mean.clone() for m in run.network.modules() if isinstance(m, BatchNorm)]
        with batch_statistics(run):
            step(run, ARCH, next(training_batches(run, 20, 0)), torch.optim.SGD(run.network.parameters(), 0.1))
        after = [m.mean for m in run.network.modules() if isinstance(m, BatchNorm)]
        assert all(torch.equal(a, b) for a, b in zip(kept, after, strict=True))


def test_batches_go_on_with_the_next_epoch(task):
    run = train(recipe("training.epochs=1"), task=task)
    rows = [batch.rows for batch in itertools.islice(training_batches(run, 80, 3), 5)]
    assert sorted(torch.cat(rows[:2]).unique().tolist()) == sorted(torch.cat(rows[:2]).tolist())  # no image twice
    assert not torch.equal(rows[0], rows[2])
    again = [batch.rows for batch in itertools.islice(training_batches(run, 80, 3), 5)]
    assert all(torch.equal(a, b) for a, b in zip(rows, again, strict=True))


@pytest.mark.parametrize("value", [0, 1.5, True, "9" * 500])
def test_whole_numbers_are_checked(value):
    with pytest.raises(UserError, match=r"^X: steps is a whole number of at least 1, not .{1,42}\.$"):
        check("X", {"steps": value}, {})


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), None])
def test_shares_are_checked(value):
    with pytest.raises(UserError, match="X: rate is a finite number of at least 0"):
        check("X", {}, {"rate": value})
