"""Scorers: one checkpoint under several protocols, and a learned distribution."""

import numpy as np
import pytest
from small import recipe

from supernet.benchmarks.errors import UserError
from supernet.harness.scoring.scorer import Likelihood, SharedWeights, score, side_by_side
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.loop import train


@pytest.fixture(scope="module")
def run(task):
    return train(recipe("sampling.law=distribution", "distribution.model=softmax"), task=task)


def test_one_super_net_is_scored_under_several_protocols(run):
    protocols = {"own": [], "recalibrated": ["evaluation.bn=recalibrate"], "few": ["evaluation.images=20"]}
    frame = score(run, protocols, 25)
    own = rank(run, frame["index"])
    np.testing.assert_array_equal(frame["own.negative_loss"], -own.loss)
    few = rank(run, frame["index"], evaluation=SharedWeights(run, None).run.recipe.override(
        ["evaluation.images=20"]).evaluation)  # fmt: skip
    np.testing.assert_array_equal(frame["few.accuracy"], few.accuracy)
    assert not np.array_equal(frame["own.negative_loss"], frame["recalibrated.negative_loss"])
    assert list(frame)[:2] == ["index", "arch"]
    alone = score(run, {"few": "evaluation.images=20"}, 25)
    np.testing.assert_array_equal(alone["few.accuracy"], few.accuracy)
    assert frame["arch"].str.startswith("|").all()


def test_a_distribution_scores_by_its_log_probabilities(run, task):
    within = Likelihood(run).within
    best = within.index(run.learner.model.best())
    values = Likelihood(run).score(np.array([best, 0, 1]))["log_probability"]
    assert values[0] == values.max()
    assert np.exp(Likelihood(run).score(np.arange(len(within)))["log_probability"]).sum() == pytest.approx(1, abs=1e-3)
    with pytest.raises(UserError, match="learned no distribution"):
        Likelihood(train(recipe("training.epochs=1"), task=task)).score(np.arange(3))


def test_scorers_of_one_space_stand_side_by_side(run, task):
    other = train(recipe("space=nb1shot1-1", "training.epochs=1"), task=task)
    with pytest.raises(UserError, match="within one space, not 2"):
        side_by_side({"a": SharedWeights(run), "b": SharedWeights(other)}, np.arange(3))
