"""Scores on the first of the scoring images, from the same pass as those on all of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import recipe

from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import eval_batches
from supernet.harness.scoring.norms import statistics
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.loop import train

SPACE = space("nb201")


@pytest.fixture(scope="module")
def run(task):
    return train(recipe("evaluation.batch_size=20", "network.bn_track=true"), task=task)


@pytest.mark.parametrize(("bn", "size"), [("batch", 12), ("running", 40), ("recalibrate", 20)])
def test_the_first_images_get_scores_of_their_own_in_the_same_pass(run, bn, size):
    """17 of 40 images are the first batch of 12 and a part of the second, or a part of the only one."""
    protocol = replace(run.recipe.evaluation, bn=bn, batch_size=size)
    if bn != "recalibrate":
        single, blocks = (rank(run, range(8), evaluation=protocol, first=17, in_blocks=b).first for b in (False, True))
        np.testing.assert_allclose(blocks.loss, single.loss, rtol=1e-4)
        assert np.abs(blocks.accuracy - single.accuracy).max() <= 100 / 17 + 1e-9
    scores = rank(run, range(8), evaluation=protocol, first=17)
    plain = rank(run, range(8), evaluation=protocol)
    assert (scores.loss == plain.loss).all()
    assert (scores.accuracy == plain.accuracy).all()
    assert plain.first is None
    assert scores.first.images == 17
    whole = rank(run, range(8), evaluation=protocol, first=99).first
    assert (whole.loss == scores.loss).all()
    assert (whole.accuracy == scores.accuracy).all()
    if bn == "running":  # the only statistics that do not depend on the other images
        few = rank(run, range(8), evaluation=replace(protocol, images=17, batch_size=17))
        np.testing.assert_allclose(scores.first.loss, few.loss, rtol=1e-5)
        np.testing.assert_allclose(scores.first.accuracy, few.accuracy)


def test_the_first_images_of_a_batch_are_scored_with_the_statistics_of_the_whole_batch(run):
    protocol = replace(run.recipe.evaluation, bn="batch", batch_size=20)
    found = rank(run, [123, 4567], evaluation=protocol, first=25).first
    batches = list(eval_batches(run.task.valid.take(slice(0, 40)), run.task, 20))
    run.network.eval()
    with torch.no_grad(), statistics(run.network, "batch"):
        for k, arch in enumerate(SPACE.archs([123, 4567]).tolist()):
            logits = torch.cat([run.network(x, tuple(arch)) for x, _ in batches])[:25]
            labels = torch.cat([y for _, y in batches])[:25]
            assert found.loss[k] == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-5)
            assert found.accuracy[k] == pytest.approx(100 * float((logits.argmax(1) == labels).float().mean()))
    run.network.train()
