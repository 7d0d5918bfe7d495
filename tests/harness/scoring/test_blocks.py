"""Rankings in blocks against rankings of one architecture after the other."""

from dataclasses import replace

import numpy as np
import pytest
from small import recipe

from supernet.benchmarks.errors import UserError
from supernet.harness.scoring import blocks, partial
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.run import start


@pytest.fixture(scope="module")
def run(task):
    return start(recipe("evaluation.batch_size=20", "evaluation.images=40"), task=task)


INDICES = np.random.default_rng(0).choice(15625, 60, replace=False)


def test_scores_are_those_of_one_architecture_after_the_other(run):
    one, together = rank(run, INDICES), rank(run, INDICES, in_blocks=True)
    np.testing.assert_allclose(together.loss, one.loss, rtol=0, atol=1e-4)
    assert (together.accuracy == one.accuracy).mean() > 0.97
    assert (together.indices == one.indices).all()
    assert (together.distinct, together.images) == (one.distinct, one.images)


@pytest.mark.parametrize("after", [1, 30, 77])
def test_an_interrupted_ranking_goes_on_within_a_block(run, tmp_path, after):
    def stop(done, _):
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank(run, INDICES, out=tmp_path, in_blocks=True, progress=stop)
    sums = partial._read(tmp_path / partial.NAME)[1]
    assert sums[:, 2].sum() >= min(after, 16)
    told = []
    scores = rank(run, INDICES, out=tmp_path, in_blocks=True, progress=lambda done, total: told.append((done, total)))
    assert told[0][0] > after
    assert told[-1][1] == scores.distinct * 2
    assert (scores.loss == rank(run, INDICES, in_blocks=True).loss).all()


def test_what_remains_of_a_block_is_scored_alone(run):
    made, _ = blocks.made(run, "batch", np.array([[3, 2, 1, 4, 3, 2], [2, 1, 4, 3, 2, 1], [1, 4, 3, 2, 1, 4]]))
    images, labels = run.task.valid.images[:8].float(), run.task.valid.labels[:8]
    (whole,) = blocks.summed(made, images, labels, 0)
    (rest,) = blocks.summed(made, images, labels, 2)
    assert whole.shape == (3, 3)
    np.testing.assert_array_equal(rest.detach(), whole[2:].detach())


def test_a_part_of_the_space_has_no_blocks(task):
    part = start(recipe("space=nb201-topology", "evaluation.batch_size=20", "evaluation.images=40"), task=task)
    assert not blocks.fits(part.network)
    assert len(rank(part, [0, 7, 700]).loss) == 3
    with pytest.raises(UserError, match="need a plain super-net of NAS-Bench-201"):
        rank(part, [0, 7, 700], in_blocks=True)


def test_a_ranking_on_a_cpu_or_with_recalibration_is_not_in_blocks(run):
    images = run.task.valid.images[:8]
    assert not blocks.pay(run, "batch", images)
    assert not blocks.pay(run, "recalibrate", images)
    recalibrated = replace(run.recipe.evaluation, bn="recalibrate")
    with pytest.raises(UserError, match="cannot be computed in blocks"):
        rank(run, [3], evaluation=recalibrated, in_blocks=True)
