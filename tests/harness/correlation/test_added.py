"""What scores add to a training-free ranking, against a plain computation resample by resample."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.join import indices_of_rows, truth_rows
from supernet.harness.correlation.added import added_of, free_statistics
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.report import correlate
from supernet.harness.correlation.truth import ground_truth
from supernet.harness.report.correlation.correlate import correlate as correlated
from supernet.harness.scoring.free import free_score
from supernet.harness.statistics.added import FreeScore
from supernet.harness.statistics.bootstrap import resamples
from supernet.harness.statistics.metrics import true_top

KNOWN = ground_truth("nb201", "digits")
WITHIN = space("nb201")
ROWS = np.arange(120)
TRUTH = KNOWN.accuracy()[ROWS]


def report_of(scores, **how):
    rng = np.random.default_rng(0)
    free = FreeScore("made up", "", {"a": TRUTH + rng.normal(size=120) * 4, "b": rng.normal(size=(3, 120))}, {})
    table = ScoreTable("nb201", ROWS, scores, pd.DataFrame(index=ROWS))
    return free, correlate(table, KNOWN.table, KNOWN.measure, free=free, **how)


def test_gains_are_paired_differences_of_the_fusion():
    rng = np.random.default_rng(1)
    scores = {"good": TRUTH + rng.normal(size=120), "noise": rng.normal(size=120)}
    free, report = report_of(scores, resamples=40)
    counts = np.concatenate(list(resamples(120, 40, 0)), axis=1)
    for name, x in scores.items():
        gain, fused = report.added.gains[name], free.fused(x)
        alone = kendalltau(free.alone, TRUTH)[0]
        assert gain.tau.value == pytest.approx(kendalltau(fused, TRUTH)[0] - alone)
        assert gain.fused_tau == pytest.approx(kendalltau(fused, TRUTH)[0])
        drawn = [np.repeat(ROWS, counts[:, k].astype(int)) for k in range(40)]
        differences = [kendalltau(fused[d], TRUTH[d])[0] - kendalltau(free.alone[d], TRUTH[d])[0] for d in drawn]
        low, high = np.quantile(differences, [0.025, 0.975])
        assert (gain.tau.low, gain.tau.high) == (pytest.approx(low), pytest.approx(high))
        best = np.sort(TRUTH)[-12] <= TRUTH
        expected = kendalltau(fused[best], TRUTH[best])[0] - kendalltau(free.alone[best], TRUTH[best])[0]
        assert gain.top10.value == pytest.approx(expected)
    assert report.added.gains["good"].tau.low > 0
    assert report.added.gains["good"].p_holm < 0.01
    assert report.added.gains["noise"].p_holm >= report.added.gains["noise"].tau.p
    assert asdict(report)["added"]["gains"].keys() == scores.keys()


def test_the_best_tenth_may_have_one_accuracy():
    y = np.where(np.sort(TRUTH)[-20] <= TRUTH, TRUTH.max(), TRUTH)
    free, top = FreeScore("size", "", {"a": TRUTH}, {}), true_top(y, 0.1)
    scores, counts = {"x": TRUTH[::-1].copy()}, np.concatenate(list(resamples(120, 20, 0)), axis=1)
    draws = {name: of(counts) for name, of in free_statistics(free, scores, y, top).items()}
    assert added_of(free, scores, y, top, draws, 0.95).gains["x"].top10.value == 0


def test_a_score_that_repeats_the_free_ranking_adds_nothing():
    free, _ = report_of({"x": TRUTH}, resamples=20)
    size = FreeScore("size", "", {"a": free.alone}, {})
    table = ScoreTable("nb201", ROWS, {"same": free.alone * 7}, pd.DataFrame(index=ROWS))
    gain = correlate(table, KNOWN.table, KNOWN.measure, free=size, resamples=20).added.gains["same"]
    assert (gain.tau.value, gain.tau.p, gain.regret) == (pytest.approx(0, abs=1e-12), 1, 0)


def test_without_a_free_ranking_a_report_says_nothing_of_it():
    table = ScoreTable("nb201", ROWS, {"x": TRUTH}, pd.DataFrame(index=ROWS))
    assert correlate(table, KNOWN.table, KNOWN.measure, resamples=20).added is None


# ---- the ranking that ships ------------------------------------------------------------------------------------------


def test_the_ranking_that_ships_knows_the_space_and_ranks_disconnected_architectures_last():
    every = np.arange(len(WITHIN))
    free = free_score(WITHIN, every)
    connected = WITHIN.connected(WITHIN.archs())
    assert free.alone[~connected].max() < free.alone[connected].min()
    assert "digits" in free.about
    assert np.isnan(free.scores["jacob-cov"][:, ~connected]).all()
    assert not np.isnan(free.scores["jacob-cov"][:, connected]).any()
    np.testing.assert_array_equal(free.scores["jacob-cov"], free.scores["jacob-cov"][:, WITHIN.same_computation(every)])
    some = np.array([5, 9_930, 17])
    np.testing.assert_array_equal(free.take(some).alone, free_score(WITHIN, some).alone)


def test_where_no_scores_ship_architectures_rank_by_their_size():
    within = space("nb1shot1-3")
    some = np.array([1, 2, 3, 50_000])
    free = free_score(within, some)
    assert free.name == "live-params"
    live = within.params(within.live(within.archs(some)))
    assert kendalltau(free.alone, live)[0] == pytest.approx(1)


def test_rows_of_a_table_are_found_in_the_space():
    indices = indices_of_rows(WITHIN, ROWS, KNOWN.table)
    np.testing.assert_array_equal(truth_rows(WITHIN, indices, KNOWN.table), ROWS)


def test_a_file_of_scores_is_compared_with_it_on_the_page_and_in_tables(tmp_path):
    frame = pd.DataFrame({"arch": KNOWN.table.keys(ROWS), "net": TRUTH, "other": np.sin(np.arange(120.0))})
    found = correlated(frame, truth=KNOWN, resamples=30)
    found.write(tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "What it adds to training-free scores" in page
    assert "Fused with the training-free ranking free-1" in page
    table = pd.read_csv(tmp_path / "out" / "added.csv")
    assert table["score"].tolist() == ["free-1", "net", "other"]
    np.testing.assert_allclose(table["adds"][1], found.report.added.gains["net"].tau.value, rtol=1e-4)
