"""TSE against training each architecture by itself."""

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import assert_same, recipe, weights

from supernet.benchmarks.errors import UserError
from supernet.harness.scoring import tse
from supernet.harness.scoring.lent import training_batches
from supernet.harness.scoring.supernet import rank
from supernet.harness.scoring.tse import NAME, TSE, below
from supernet.harness.training.loop import train
from supernet.heuristics.meter import Meter

INDICES = np.array([15624, 7000, 3, 9999, 4321, 12000, 7000])
FEW = {"batches": 3, "batch_size": 20, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def run(task):
    return train(recipe("network.path_dropout=0.2", "network.global_dropout=0.2"), task=task)


def plainly(run, index):
    """Train a copy of the network on one architecture, and return minus the sum of its losses."""
    network, total = copy.deepcopy(run.network).eval(), 0.0
    arch = tuple(TSE(run).within.archs([index])[0].tolist())
    optimiser = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for images, labels, _ in itertools.islice(training_batches(run, 20, 0), 3):
        optimiser.zero_grad()
        loss = F.cross_entropy(network(images, arch), labels)
        loss.backward()
        optimiser.step()
        total += loss.item()
    return -total


def test_every_architecture_is_trained_from_the_super_nets_weights(run):
    before = weights(run)
    scorer = TSE(run, best=1, **FEW)
    found = scorer.score(INDICES)["tse"]
    np.testing.assert_allclose(found, [plainly(run, index) for index in INDICES], rtol=1e-5)
    assert_same(weights(run), before)
    distinct = len(np.unique(scorer.within.same_computation(INDICES)))
    assert scorer.meter == Meter(distinct * 60, distinct * 60)


def test_the_order_of_the_architectures_does_not_matter(run):
    forth, back = TSE(run, best=1, **FEW).score(INDICES), TSE(run, best=1, **FEW).score(INDICES[::-1])
    np.testing.assert_array_equal(forth["tse"], back["tse"][::-1])


def test_the_share_with_the_lowest_plain_loss_is_trained(run):
    indices = np.arange(1000, 15000, 1400)
    whole, scorer = TSE(run, best=1, **FEW).score(indices)["tse"], TSE(run, best=0.25, **FEW)
    found, plain = scorer.score(indices)["tse"], rank(run, indices)
    distinct = len(np.unique(scorer.within.same_computation(indices)))
    assert distinct == len(indices) == 10
    chosen = np.argsort(plain.loss, kind="stable")[:3]
    np.testing.assert_array_equal(found[chosen], whole[chosen])
    rest = np.setdiff1d(np.arange(len(indices)), chosen)
    assert found[rest].max() < found[chosen].min()
    np.testing.assert_array_equal(np.argsort(found[rest]), np.argsort(-plain.loss[rest]))
    assert scorer.meter == Meter(10 * 40 + 3 * 60, 3 * 60)


def test_others_keep_their_order_below_whatever_the_losses_are():
    nan = float("nan")
    scores, plain = np.array([-3.0, nan, -9.0, 0, 0, 0, 0]), np.array([5.0, 4, 3, -1, -2, nan, -1])
    found = below(scores, plain, np.array([0, 1, 2]))
    np.testing.assert_array_equal(found, [-3, -10, -9, -11, -12, -13, -11])
    np.testing.assert_array_equal(below(np.array([nan, 0]), np.array([1.0, 0]), np.array([0])), [-1, -2])


def test_an_interrupted_scoring_continues(run, tmp_path, monkeypatch):
    wanted = TSE(run, best=1, **FEW)
    values = wanted.score(INDICES)["tse"]
    scorer, one, calls = TSE(run, best=1, out=tmp_path, **FEW), TSE._one, []

    def third_fails(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return one(*arguments)

    monkeypatch.setattr(tse.TSE, "_one", third_fails)
    with pytest.raises(KeyboardInterrupt):
        scorer.score(INDICES)
    assert (tmp_path / NAME).exists()
    np.testing.assert_array_equal(scorer.score(INDICES)["tse"], values)
    assert len(calls) == 1 + len(np.unique(scorer.within.same_computation(INDICES)))  # only one was tried twice
    assert scorer.meter == wanted.meter
    assert not (tmp_path / NAME).exists()


def test_what_was_kept_of_other_settings_is_not_used(run, tmp_path, monkeypatch):
    scorer, one = TSE(run, best=1, out=tmp_path, **FEW), TSE._one
    monkeypatch.setattr(tse.TSE, "_one", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        scorer.score(INDICES)
    monkeypatch.setattr(tse.TSE, "_one", one)
    slower = {**FEW, "learning_rate": 0.01}
    found = TSE(run, best=1, out=tmp_path, **slower).score(INDICES)["tse"]
    np.testing.assert_array_equal(found, TSE(run, best=1, **slower).score(INDICES)["tse"])


def test_mistakes_are_named(run):
    with pytest.raises(UserError, match="best is a share above 0 and up to 1, not 0"):
        TSE(run, best=0)
    with pytest.raises(UserError, match="batches is a whole number of at least 1"):
        TSE(run, batches=0)
    with pytest.raises(UserError, match="no architectures"):
        TSE(run).score(np.array([], dtype=int))
    with pytest.raises(UserError, match="cannot be made of 200 training images"):
        TSE(run, batch_size=500).score(INDICES)
