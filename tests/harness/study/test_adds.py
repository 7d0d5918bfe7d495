"""What super-nets add to a training-free ranking, as an outcome of a study."""

import numpy as np
import pytest
from made_up_scores import RESAMPLES, noisy, truth_of

from supernet.benchmarks.spaces import space
from supernet.harness.report.study.tables import effects
from supernet.harness.scoring.free import free_score
from supernet.harness.statistics import metrics, seeds
from supernet.harness.study import verdict
from supernet.harness.study.analysis import analyse
from supernet.harness.study.gathered import gather

WITHIN = space("nb201")


def test_it_is_the_mean_over_seeds_of_the_fusions_gain(many, put, store):
    chosen = many({"path-dropout": [0.2]})
    put(chosen, noisy(10))
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    known = truth_of(chosen.plan()[0][1])
    free, y = free_score(WITHIN, known["index"].to_numpy()), known["true"].to_numpy()
    alone = metrics.kendall_tau(free.alone, y)
    assert found.free_ranking.tau == pytest.approx(alone)
    assert found.free_ranking.regret == pytest.approx(metrics.regret_at(free.alone, y, 1))
    values = {}
    for row, setting in zip(found.rows, chosen.settings(lambda run: None), strict=True):
        scores = [store.read(run.hash).scores()["accuracy"].to_numpy() for run in chosen.runs(setting)]
        values[row.label] = np.array([metrics.kendall_tau(free.fused(x), y) - alone for x in scores])
        assert row.adds.value == pytest.approx(values[row.label].mean())
        assert row.adds.low < row.adds.value < row.adds.high
    base, other = values.values()
    expected = seeds.compare(base, [other], bound=None).differences[0]
    assert found.rows[1].adds_difference.value == pytest.approx(expected.value)
    assert found.rows[0].adds_difference is None
    frame = effects(found)
    np.testing.assert_allclose(frame["adds"], [row.adds.value for row in found.rows])
    assert "free-1, no training" in [mark.name for mark in verdict.marks(found)]


def test_a_setting_that_knows_more_is_found_by_this_outcome(many, put, store):
    chosen = many({"channels": [8]})

    def made_up(label, seed, y):
        noise = np.random.default_rng([seed, len(label)]).normal(size=len(y))
        if label == "channels=8":
            return y + 0.1 * noise
        return 0.1 * noise - y  # ranks backwards, and so spoils the training-free ranking

    put(chosen, made_up)
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    rows = {row.label: row for row in found.rows}
    assert rows["channels=8"].adds_difference.clear
    assert rows["channels=8"].adds.low > 0
    assert "channels=8 clearly adds more than the base" in verdict.certainty(found)
