"""Super-net shifting against a loop over a copy of the network."""

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import assert_same, recipe, weights

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.loader import eval_batches
from supernet.harness.scoring.lent import training_batches
from supernet.harness.scoring.shifting import Shifted
from supernet.harness.training.loop import train
from supernet.heuristics.meter import Meter

INDICES = np.array([15624, 7000, 3, 9999, 7000])
FEW = {"steps": 2, "batch_size": 20, "learning_rate": 0.05}


@pytest.fixture(scope="module")
def run(task):
    return train(recipe("training.epochs=1"), task=task)


def plainly(run, scorer):
    """Index -> loss and accuracy, by training a copy of the network on one architecture after the other."""
    network, found = copy.deepcopy(run.network).eval(), {}
    optimiser = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9, weight_decay=4e-5)
    batches = training_batches(run, 20, scorer.seed)
    images = run.task.valid.take(slice(0, 40))
    for index in scorer.order(INDICES):
        arch = tuple(scorer.within.archs([index])[0].tolist())
        for x, y, _ in itertools.islice(batches, 2):
            optimiser.zero_grad()
            F.cross_entropy(network(x, arch), y, label_smoothing=0.1).backward()
            optimiser.step()
        ((x, y),) = eval_batches(images, run.task, 40)
        with torch.no_grad():
            logits = network(x, arch)
        found[index] = float(F.cross_entropy(logits, y)), 100 * float((logits.argmax(1) == y).float().mean())
    return found


def test_steps_stay_until_the_last_architecture_is_scored(run):
    before, scorer = weights(run), Shifted(run, **FEW)
    found, wanted = scorer.score(INDICES), plainly(run, scorer)
    firsts = scorer.within.same_computation(INDICES)
    np.testing.assert_allclose(-found["negative_loss"], [wanted[index][0] for index in firsts], rtol=1e-4)
    np.testing.assert_allclose(found["accuracy"], [wanted[index][1] for index in firsts])
    assert_same(weights(run), before)
    visits = len(np.unique(firsts))
    assert scorer.meter == Meter(visits * (40 + 40), visits * 40)


def test_the_seed_decides_the_order_and_the_order_the_scores(run):
    first, other = Shifted(run, **FEW), Shifted(run, seed=1, **FEW)
    assert first.order(INDICES).tolist() != other.order(INDICES).tolist()
    assert sorted(first.order(INDICES)) == sorted(other.order(INDICES))
    values = first.score(INDICES)["negative_loss"]
    np.testing.assert_array_equal(Shifted(run, **FEW).score(INDICES[::-1])["negative_loss"], values[::-1])
    assert not np.array_equal(other.score(INDICES)["negative_loss"], values)


def test_mistakes_are_named(run):
    with pytest.raises(UserError, match="Shifted: steps is a whole number of at least 1, not 0"):
        Shifted(run, steps=0)
    with pytest.raises(UserError, match="no architectures"):
        Shifted(run).score(np.array([], dtype=int))
