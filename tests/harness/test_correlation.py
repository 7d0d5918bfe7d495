import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmarks.errors import NoSuchResult, UserError
from benchmarks.truth.table import Measure
from harness import correlation, metrics
from harness.correlation import correlate
from harness.grouped import correlate_groups
from harness.scores import ScoreTable

TEST = Measure("cifar10", "test", "200", "mean")


def table(rows, scores, groups=None):
    groups = pd.DataFrame(index=range(len(rows))) if groups is None else groups
    return ScoreTable("nb201", np.asarray(rows), scores, groups)


@pytest.fixture(scope="module")
def report(truth201):
    rows = np.arange(0, 15625, 25)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    rng = np.random.default_rng(0)
    scores = {"good": y + rng.normal(size=len(y)), "noise": rng.normal(size=len(y)), "flat": np.zeros(len(y))}
    return correlate(table(rows, scores), truth201, TEST, resamples=200), scores, y, rows


def test_the_baseline_and_the_ceiling_stand_beside_the_scores(report, truth201):
    found, _, y, rows = report
    assert [r.name for r in found.ranked] == ["good", "noise", "flat", "params"]
    params = truth201.params("cifar10", rows)
    assert found.ranked[-1].estimates["kendall_tau"].value == metrics.kendall_tau(params, y)
    seeds = [truth201.accuracy("cifar10", "test", 200, seed, rows) for seed in ("s1", "s2")]
    assert found.ceiling.tau == metrics.kendall_tau(*seeds)
    assert found.ceiling.source == "cifar10 test, 200 epochs"


def test_values_are_the_metrics_and_lie_in_their_intervals(report):
    found, scores, y, _ = report
    good = found.ranked[0]
    assert good.estimates["kendall_tau"].value == scipy.stats.kendalltau(scores["good"], y).statistic
    for estimate in good.estimates.values():
        assert estimate.low < estimate.value < estimate.high
    assert good.values["regret@10"] == metrics.regret_at(scores["good"], y, 10)
    assert good.curve[0] == good.estimates["kendall_tau"]


def test_paired_differences_tell_good_from_noise(report):
    found, *_ = report
    difference = found.differences["good", "noise"]
    assert difference.low > 0
    assert difference.p < 1e-10
    assert found.adjusted["good", "noise"] >= difference.p
    assert len(found.differences) == 6


def test_constant_scores_are_reported_not_hidden(report):
    found, *_ = report
    assert found.ranked[2].estimates["kendall_tau"].value == 0
    assert any("flat are constant" in note for note in found.notes)


def test_the_report_is_plain_json_without_nan(report):
    found, *_ = report
    text = json.dumps(found.as_json(), allow_nan=False)
    assert json.loads(text)["ranked"][0]["name"] == "good"


def test_the_same_seed_gives_the_same_report(report, truth201):
    found, scores, _, rows = report
    again = correlate(table(rows, scores), truth201, TEST, resamples=200)
    assert again.as_json() == found.as_json()


def test_missing_ground_truth_is_an_error(truth201):
    with pytest.raises(NoSuchResult, match="no result for cifar10 test, 12 epochs, mean of 100 of the 15,625"):
        correlate(
            table(np.arange(15625), {"a": np.arange(15625.0)}), truth201, Measure("cifar10", "test", "12", "mean")
        )


def test_scoring_images_in_column_names_make_a_curve(truth201):
    rows = np.arange(200)
    y = truth201.accuracy("cifar10", "test", 200, "mean", rows)
    rng = np.random.default_rng(0)
    scores = {f"acc@{n}": y + 100 / np.sqrt(n) * rng.normal(size=200) for n in (1000, 10, 100)}
    curve = correlate(table(rows, scores), truth201, TEST, resamples=20).image_curve
    assert [(name, images) for name, images, _ in curve] == [("acc", 10), ("acc", 100), ("acc", 1000)]
    assert curve[-1][2] == metrics.kendall_tau(scores["acc@1000"], y)


def test_groups_average_over_repeats_with_an_interval_over_both(truth201):
    rng = np.random.default_rng(0)
    parts, rows, scores = [], [], []
    for method, noise in (("sharp", 1.0), ("dull", 10.0)):
        for seed in range(3):
            chosen = rng.choice(15625, 300, replace=False)
            y = truth201.accuracy("cifar10", "test", 200, "mean", chosen)
            parts += [(method, seed)] * 300
            rows.append(chosen)
            scores.append(y + noise * rng.normal(size=300))
    groups = pd.DataFrame(parts, columns=["method", "seed"])
    found = correlate_groups(
        table(np.concatenate(rows), {"acc": np.concatenate(scores)}, groups),
        truth201,
        TEST,
        by=["method"],
        repeat="seed",
        resamples=200,
    )
    dull, sharp = found.groups
    assert (dull.key, sharp.key) == (("dull",), ("sharp",))
    assert (dull.repeats, dull.architectures) == (3, 900)
    expected = [
        metrics.kendall_tau(s, truth201.accuracy("cifar10", "test", 200, "mean", r))
        for s, r in zip(scores[3:], rows[3:], strict=True)
    ]
    assert dull.tau.value == pytest.approx(np.mean(expected))
    assert dull.tau_sd == pytest.approx(np.std(expected, ddof=1))
    assert dull.tau.low < dull.tau.value < dull.tau.high < sharp.tau.low
    json.dumps(found.as_json(), allow_nan=False)


def test_repeats_that_hardly_differ_in_their_architectures_are_resampled_together(truth201):
    rng = np.random.default_rng(1)
    chosen = rng.choice(15625, 300, replace=False)
    y = truth201.accuracy("cifar10", "test", 200, "mean", chosen)
    x = y + 5 * rng.normal(size=300)

    def width(sizes):
        groups = pd.DataFrame([("m", s) for s, n in enumerate(sizes) for _ in range(n)], columns=["method", "seed"])
        scores = np.concatenate([x[:n] + 1e-6 * rng.normal(size=n) for n in sizes])
        given = table(np.concatenate([chosen[:n] for n in sizes]), {"acc": scores}, groups)
        (group,) = correlate_groups(given, truth201, TEST, by=["method"], repeat="seed", resamples=400).groups
        return group.tau.high - group.tau.low

    assert width([300, 299, 298]) == pytest.approx(width([300, 300, 300]), rel=0.25)


def test_a_score_called_like_the_parameter_counts_is_refused(truth201):
    with pytest.raises(UserError, match="'params', as the parameter counts"):
        correlate(table(np.arange(50), {"params": np.arange(50.0)}), truth201, TEST)


# ---- real ground truth ----


def test_reference_report_of_nas_bench_201(nb201_truth):
    rows = np.arange(15625)
    e12 = nb201_truth.accuracy("cifar10", "test", 12, "mean")
    found = correlate(table(rows, {"e12": e12}), nb201_truth, TEST, resamples=50)
    assert found.ranked[0].estimates["kendall_tau"].value == pytest.approx(0.700, abs=5e-4)
    assert found.ranked[1].estimates["kendall_tau"].value == pytest.approx(0.5778, abs=5e-5)
    assert found.ceiling.source == "cifar10-valid valid, 200 epochs"
    pairs = {(a, b): tau for a, b, tau, _ in found.ceiling.pairs}
    assert pairs["s777", "s888"] == pytest.approx(0.9105, abs=5e-5)
    assert found.ceiling.top10 == pytest.approx(0.67, abs=0.005)


def test_third_party_supernet_scores_of_nas_bench_101(nb101_truth, data_dir):
    from harness.scores import read_scores

    path = data_dir / "nb101_supernet_scores.parquet"
    if not path.exists():
        pytest.skip(f"no third-party scores at {path}")
    options = {"arch_column": "nb101_index", "score_columns": ["supernet_valid_acc"]}
    by = ["method", "subset", "seed"]
    scores = read_scores(path, "nb101", nb101_truth, **options, group_columns=by, average_repeats=True)
    assert len(scores.rows) + scores.merged == 210_000
    wanted = (scores.groups["method"] == "baseline_ft_bn") & (scores.groups["subset"] == "full")
    measure = Measure("cifar10", "test", "108", "mean")
    found = correlate_groups(
        scores.take(wanted.to_numpy()), nb101_truth, measure, by=["method"], repeat="seed", resamples=20
    )
    y = nb101_truth.accuracy("cifar10", "test", 108, "mean")
    frame = pd.read_parquet(path).query("method == 'baseline_ft_bn' and subset == 'full'")
    frame = frame.groupby(["seed", "nb101_index"], as_index=False)["supernet_valid_acc"].mean()
    taus = [scipy.stats.kendalltau(f.supernet_valid_acc, y[f.nb101_index]).statistic for _, f in frame.groupby("seed")]
    assert found.groups[0].tau.value == pytest.approx(np.mean(taus))


def test_top_fractions_smaller_than_ten_architectures_are_left_out(truth201):
    found = correlate(table(np.arange(50), {"a": np.arange(50.0)}), truth201, TEST, resamples=20)
    assert [e is not None for e in found.ranked[0].curve] == [f >= 0.25 for f in correlation.FRACTIONS]
    assert "tau_true_top_10%" not in found.ranked[0].estimates
