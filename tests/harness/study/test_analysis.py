"""The analysis of a study: estimates with their intervals."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_scores import RESAMPLES, SEEDS, noisy, truth_of

from supernet.harness.report.study import methods as appendix
from supernet.harness.report.study import page
from supernet.harness.report.study.methods import methods
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.study.analysis import analyse
from supernet.harness.study.gathered import gather


def test_tau_is_the_mean_over_seeds_and_lies_in_its_interval(many, put, store):
    chosen = many({"path-dropout": [0.2]})
    put(chosen, noisy(10))
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert found.architectures == 60
    for row, setting in zip(found.rows, chosen.settings(lambda run: None), strict=True):
        runs = [store.read(run.hash) for run in chosen.runs(setting)]
        taus = {seed: run.metrics["kendall_tau"] for seed, run in zip(SEEDS, runs, strict=True)}
        assert row.taus == pytest.approx(taus)
        assert row.tau.value == pytest.approx(np.mean(list(taus.values())))
        assert row.tau.low < row.tau.value < row.tau.high
        assert row.means["spearman"] == pytest.approx(np.mean([run.metrics["spearman"] for run in runs]))
        assert row.means["tau_top_10"] is None
        assert row.costs["train_images"] == 10
        assert row.states == dict.fromkeys(SEEDS, "done")
        x = [run.scores()["accuracy"].to_numpy() for run in runs]
        pairs = [metrics.kendall_tau(a, b) for a, b in itertools.combinations(x, 2)]
        assert row.seed_tau == pytest.approx(np.mean(pairs))
    assert found.rows[0].difference is None
    y = truth_of(chosen.plan()[0][1])
    assert found.params_tau == pytest.approx(metrics.kendall_tau(y["params"], y["true"]))
    table = chosen.truth.open("nb201")
    repeats = [table.accuracy("digits", "test", 5, seed) for seed in ("s0", "s1")]
    assert found.ceiling.tau == pytest.approx(metrics.kendall_tau(*repeats))
    assert f"Kendall tau of {found.base.tau.value:.2f} [" in found.findings[0]
    assert f"would reach {found.ceiling.attainable:.2f}" in found.findings[0]
    assert f"agree at {found.ceiling.tau:.2f}" in found.findings[0]
    assert found.ceiling.attainable > found.ceiling.tau
    json.dumps(found.as_json(), allow_nan=False)


def test_architectures_that_a_run_does_not_rank_are_left_out_of_all_runs(many, put, store):
    chosen = many({"path-dropout": [0.1]})
    put(chosen, noisy(10), without=lambda label, seed: [3, 17] if (label, seed) == ("path-dropout=0.1", 1) else [])
    gathered = gather(chosen, store)
    truth = truth_of(chosen.plan()[0][1]).drop(index=[3, 17])
    assert gathered.indices.tolist() == truth["index"].tolist()
    assert {run.scores.shape for _, _, run in gathered.each()} == {(1, 58)}
    found = analyse(gathered, resamples=RESAMPLES)
    assert found.architectures == 58
    assert found.params_tau == pytest.approx(metrics.kendall_tau(truth["params"], truth["true"]))
    assert found.findings[-1].startswith("2 of 60 architectures are left out of all rankings")


def test_a_better_setting_is_clear_and_an_equal_one_is_not(many, put, store):
    chosen = many({"path-dropout": [0.1], "channels": [8], "layers": [2]})
    base = noisy(8)

    def made_up(label, seed, y):
        if label == "channels=8":
            return y + 0.2 * np.random.default_rng(seed).normal(size=len(y))
        if label == "layers=2":
            return -base("base", seed, y)
        return base("base", seed, y)

    put(chosen, made_up)
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    same, better, worse = found.rows[1:]
    assert (same.difference.value, same.difference.p, same.difference.p_corrected) == (0, 1, 1)
    assert better.difference.value == pytest.approx(better.tau.value - found.base.tau.value)
    assert 0 < better.difference.low < better.difference.value < better.difference.high
    assert better.difference.clear
    assert worse.difference.high < 0
    assert worse.difference.clear
    words = " ".join(found.findings)
    assert "2 of 3 changes clearly change tau (p < 0.05 after Dunnett's correction for 3 comparisons" in words
    assert "Down: layers=2 (−" in words
    assert "Up: channels=8 (+" in words
    assert found.undecided == []
    assert f"1 is shown to change tau by less than the study's margin of 0.05: {same.label}." in words
    assert "channels=8 ranks better and" in words


def test_report_and_rule_agree_on_every_seed_that_is_there(many, put, store):
    """The base has more seeds than the others, one setting fewer."""
    chosen = many({"channels": [8], "path-dropout": [0.1, 0.2]}, seeds={"base": 6, "others": 3})
    assert [len(chosen.runs(setting)) for setting in chosen.settings(None)] == [6, 3, 3, 3]
    put(chosen, lambda label, seed, y: noisy(10)(label, seed, y) if (label, seed) != ("channels=8", 2) else None)
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    taus = [list(row.taus.values()) for row in found.rows]
    assert [len(values) for values in taus] == [6, 2, 3, 3]
    expected = seeds.compare(taus[0], taus[1:])
    for row, plain in zip(found.rows[1:], expected.differences, strict=True):
        assert row.difference.value == pytest.approx(plain.value)
        assert row.difference.p >= plain.p  # the choice of architectures comes on top
        assert row.difference.high - row.difference.low >= plain.high - plain.low
    assert found.rows[1].tau.low is None
    assert found.rows[2].tau.low is not None


def test_the_appendix_has_the_seeds_of_every_setting(many, put, store):
    chosen = many({"channels": [8], "path-dropout": [0.1]}, seeds={"base": 3, "others": 2, "channels=8": 4})
    put(chosen, noisy(10))
    gathered = gather(chosen, store)
    a = analyse(gathered, resamples=20)
    said = methods(gathered, a)
    assert "every other setting with 2 (0, 1), except 'channels=8' with 4 (0 to 3); 9 runs" in said.text[0]
    answers = {each.question: each.answer for each in said.checklist}
    assert answers["Are several runs done, and are the seeds given?"] == (
        "Seeds 0 to 2 of the base, 0, 1 of the other settings, except 'channels=8' with 4 (0 to 3)."
    )
    assert "No run sees that before its report." in answers["Are test data kept out of the search?"]
    assert page._seeds_of_others(a) == "2 to 4"
    done = [SimpleNamespace(ledger={"method_queries": 7.0}), SimpleNamespace(ledger={})]
    assert "on up to 7 architectures a run" in appendix._seen(done)


def test_one_seed_gives_intervals_over_architectures_alone(many, put, store):
    chosen = many({"channels": [8]}, seeds=[4])
    put(chosen, noisy(10))
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert found.seeds == found.base_seeds == (4,)
    assert found.base.tau.low < found.base.tau.value < found.base.tau.high
    assert found.base.seed_tau is None
    d = found.rows[1].difference
    assert (d.low, d.p, d.p_corrected, d.clear) == (None, None, None, False)
    assert d.value == pytest.approx(found.rows[1].tau.value - found.base.tau.value)
    words = " ".join(found.findings)
    assert "for these weights alone" in words
    assert "Settings cannot be tested against the base" in words
    assert not any(claim in words for claim in ("two seeds", "clearly", "Down", "Up:"))
    frame = store.read(chosen.plan()[0][1].hash).scores()
    statistic = stats.kendall_statistic(frame["accuracy"], frame["true"])
    draws = stats.bootstrap({"tau": statistic}, len(frame), count=RESAMPLES)["tau"]
    assert (found.base.tau.low, found.base.tau.high) == pytest.approx(stats.interval(draws))


def test_the_last_epoch_counts_and_the_ones_before_show_stability(many, put, store):
    chosen = many({"channels": [8]}, last_epochs=3)

    def made_up(label, seed, y):
        rng = np.random.default_rng(seed)
        return [y[::-1], y + 5 * rng.normal(size=len(y)), y]

    put(chosen, made_up)
    base = analyse(gather(chosen, store), resamples=RESAMPLES).base
    assert base.tau.value == pytest.approx(1)
    by_epoch = [store.read(run.hash).metrics["kendall_tau_by_epoch"] for run in chosen.runs(chosen.settings(None)[0])]
    assert base.epoch_sd == pytest.approx(np.mean([np.std(taus, ddof=1) for taus in by_epoch]))
    first = store.read(chosen.plan()[0][1].hash).scores()
    x = [part["accuracy"] for _, part in first.groupby("epoch")]
    assert base.epoch_tau is not None
    single = analyse_one(chosen, store, seed=0)
    assert single.epoch_tau == pytest.approx(np.mean([metrics.kendall_tau(a, b) for a, b in itertools.pairwise(x)]))


def analyse_one(chosen, store, seed):
    from dataclasses import replace

    return analyse(gather(replace(chosen, seeds=(seed,), base_seeds=(seed,)), store), resamples=20).base


def test_settings_that_are_seeds_of_one_recipe_seldom_differ():
    """Sixteen settings and the base are drawn from one pool of runs: the rule on ranked scores."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=100)
    edges = rng.integers(5, size=(100, 6))
    # The error of a run is structured: it likes some operations too much, as super-nets do.
    pool = [y + (2 * rng.normal(size=5))[edges].mean(axis=1) + rng.normal(size=100) for _ in range(40)]
    draws = stats.bootstrap({str(k): stats.kendall_statistic(x, y) for k, x in enumerate(pool)}, 100, count=200)
    taus = np.array([metrics.kendall_tau(x, y) for x in pool])
    each = np.array([draws[str(k)] for k in range(40)])
    studies, family, alone, covered = 100, [], [], []
    for _ in range(studies):
        runs = [rng.choice(40, count, replace=False) for count in (12, *[3] * 16)]
        first = each[runs[0]].mean(axis=0)
        sampling = [float((each[k].mean(axis=0) - first).var(ddof=1)) for k in runs[1:]]
        found = seeds.compare(taus[runs[0]], [taus[k] for k in runs[1:]], sampling)
        family.append(any(d.clear for d in found.differences))
        alone += [d.p < 0.05 for d in found.differences]
        mean = seeds.mean_of(taus[runs[0]], found.spreads[0])
        covered.append(mean.low <= taus.mean() <= mean.high)
    # The runs share their architectures here, so that the tests may err less than their level but not more. Three
    # standard errors of 100 studies are 0.065.
    assert np.mean(family) < 0.05 + 0.065
    assert np.mean(alone) < 0.06
    assert np.mean(covered) > 0.95 - 0.065
