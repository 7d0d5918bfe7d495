import itertools
import json

import numpy as np
import pandas as pd
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.spaces import space
from supernet.harness.correlation.report import params_of
from supernet.harness.runs import store as files
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.study import findings
from supernet.harness.study.analysis import analyse
from supernet.harness.study.gathered import gather
from supernet.harness.study.make import measures
from supernet.harness.study.operations import over_ranked

SEEDS = [0, 1, 2]
RESAMPLES = 400
COSTS = {"train_seconds": 1.0, "score_seconds": 0.5, "train_images": 10, "score_images": 5.0, "truth_queries": 60.0}


@pytest.fixture
def many(study):
    """Load a study of all sixty architectures and three seeds, with these heuristics."""
    return lambda heuristics, seeds=SEEDS, **changes: study(heuristics=heuristics, seeds=seeds, sample="all", **changes)


@pytest.fixture
def put(store):
    """Give every run of a study made-up scores: (label, seed, truth) -> those of one or more epochs, or None."""

    def put(chosen, made_up):
        for setting, spec in chosen.plan():
            table = spec.truth.open("nb201")
            known = truth_of(spec)
            scores = made_up(setting.label, spec.recipe.seed, known["true"].to_numpy())
            if isinstance(scores, np.ndarray):
                scores = [scores]
            if scores is not None:
                parts = [known.assign(epoch=k, accuracy=x, negative_loss=x / 100 - 1) for k, x in enumerate(scores, 1)]
                finish(spec, measures(spec, table, pd.concat(parts)), pd.concat(parts))

    def finish(spec, found, frame=None, state="done", problem=None):
        with store.hold(spec) as work:
            work.mkdir()
            if frame is not None:
                frame.to_parquet(work / files.SCORES)
            write_json(work / files.SPEC, spec.as_dict())
            write_json(work / files.METRICS, found)
            write_json(work / files.LEDGER, COSTS)
            write_json(work / files.ENVIRONMENT, {})
            (work / files.LOG).write_text("")
            write_json(work / files.STATUS, {"state": state, "problem": problem, "run": spec.hash})
            store.publish(spec.hash)

    put.finish = finish
    return put


def truth_of(spec):
    table, m = spec.truth.open("nb201"), spec.truth.measure
    indices = spec.architectures(table)
    within = space("nb201")
    rows = table.rows([within.string(arch) for arch in within.archs(indices).tolist()])
    return pd.DataFrame(
        {
            "index": indices,
            "true": table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows),
            "params": params_of(table, m.dataset, rows),
        }
    )


def noisy(sd):
    """Scores that follow the truth with noise of this size, drawn anew for each setting and seed."""

    def made_up(label, seed, y):
        rng = np.random.default_rng([seed, *label.encode()])
        return y + (sd(label) if callable(sd) else sd) * rng.normal(size=len(y))

    return made_up


def only(rows, label):
    (row,) = (row for row in rows if row.label == label)
    return row


# ---- estimates -------------------------------------------------------------------------------------------------------


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
    assert "Down: layers=2 (-" in words
    assert "Up: channels=8 (+" in words
    assert (
        f"1 is undecided, not shown to have no effect: this design finds differences from {found.detectable:.2f}"
        in words
    )
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


# ---- what is not there -----------------------------------------------------------------------------------------------


def test_missing_diverged_failed_and_damaged_runs_are_named_and_not_counted(many, put, store, monkeypatch):
    chosen = many({"path-dropout": [0.1, 0.2], "channels": [8]})
    lost = {("path-dropout=0.1", 1), ("path-dropout=0.2", 2), ("channels=8", 0)}
    put(chosen, lambda label, seed, y: None if (label, seed) in lost else noisy(8)(label, seed, y))
    specs = {(setting.label, spec.recipe.seed): spec for setting, spec in chosen.plan()}
    put.finish(specs["path-dropout=0.1", 1], {}, state="diverged", problem="the loss was nan")
    store.fail(specs["channels=8", 0].hash, "out of memory")
    (store.root / specs["channels=8", 2].hash / "scores.parquet").write_bytes(b"")
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    first, second, channels = found.rows[1:]
    assert first.states == {0: "done", 1: "diverged", 2: "done"}
    assert second.states == {0: "done", 1: "done", 2: "missing"}
    assert channels.states == {0: "failed", 1: "done", 2: "damaged"}
    assert first.taus.keys() == {0, 2}
    assert channels.taus.keys() == {1}
    expected = np.mean([first.taus[seed] for seed in (0, 2)]) - np.mean(list(found.base.taus.values()))
    assert first.difference.value == pytest.approx(expected)
    assert first.diverged == (1,)
    assert channels.difference.p is None, "one seed of three is not tested"
    assert "Training diverged: path-dropout=0.1 (1 of 3 runs)." in found.findings
    assert found.findings[-1] == (
        "Not among the results: path-dropout=0.2 (seed 2: missing), channels=8 (seed 0: failed), channels=8 (seed 2: "
        "damaged)."
    )
    monkeypatch.setattr(findings, "MOST_NAMED", 2)
    assert analyse(gather(chosen, store), resamples=RESAMPLES).findings[-1] == (
        "3 of 12 runs are not among the results: 1 damaged, 1 failed, 1 missing. `supernet study status` names them."
    )


def test_a_setting_that_mostly_diverged_has_no_mean_and_is_counted(many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2], "channels": [8]})
    lost = {("channels=8", 1), ("channels=8", 2)}
    put(chosen, lambda label, seed, y: None if (label, seed) in lost else noisy(8)(label, seed, y))
    specs = {(setting.label, spec.recipe.seed): spec for setting, spec in chosen.plan()}
    for key in lost:
        put.finish(specs[key], {}, state="diverged", problem="the loss was nan")
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    row = only(found.rows, "channels=8")
    assert (row.tau, row.difference) == (None, None)
    assert row.taus.keys() == {0}
    assert "Training diverged: channels=8 (2 of 3 runs; it has no mean)." in found.findings
    assert len(found.tested) == 2


def test_a_run_far_below_its_siblings_is_named_and_counts(many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2, 0.3], "channels": [8]})
    put(chosen, lambda label, seed, y: -y if (label, seed) == ("channels=8", 1) else noisy(8)(label, seed, y))
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    row = only(found.rows, "channels=8")
    assert row.collapsed == (1,)
    assert row.tau.value == pytest.approx(np.mean(list(row.taus.values())))
    assert any("1 of 15 runs collapsed" in s and "channels=8, seed 1 (-1.00)" in s for s in found.findings)


def test_super_nets_at_chance_are_named(many, put, store):
    chosen = many({"channels": [8]})

    def made_up(label, seed, y):
        rng = np.random.default_rng(seed)
        guessed = 100 * rng.binomial(chosen.base.evaluation.images, 0.1, size=len(y)) / chosen.base.evaluation.images
        return guessed if label != "base" and seed < 2 else y

    put(chosen, made_up)
    found = analyse(gather(chosen, store), resamples=20)
    assert [row.at_chance for row in found.rows] == [(), (0, 1)]
    assert "Super-nets at chance, whose rankings mean nothing: channels=8 (2 of 3 runs)." in found.findings


def test_fewer_than_ten_architectures_are_refused_and_fewer_than_fifty_said(many, study, put, store):
    few = study(heuristics={"channels": [8]}, seeds=SEEDS, sample=9)
    put(few, noisy(8))
    with pytest.raises(UserError, match="ranks 9 architectures; a report needs 10"):
        analyse(gather(few, store), resamples=20)
    some = study(heuristics={"channels": [8]}, seeds=SEEDS, sample=30)
    put(some, noisy(8))
    assert any("Only 30 architectures" in sentence for sentence in analyse(gather(some, store), resamples=20).findings)


def test_rankings_above_what_is_attainable_are_remarked(many, put, store, monkeypatch):
    import dataclasses

    from supernet.harness.study import analysis

    chosen = many({"channels": [8]})
    put(chosen, lambda label, seed, y: y**2)
    real = analysis.ceiling_of
    monkeypatch.setattr(analysis, "ceiling_of", lambda *a: dataclasses.replace(real(*a), attainable=0.5))
    words = " ".join(analyse(gather(chosen, store), resamples=20).findings)
    assert "Above what a perfect ranker reaches (0.50)" in words
    assert "base (1.00)" in words


def test_a_setting_without_results_stays_in_the_table(many, put, store):
    chosen = many({"channels": [8, 16]})
    put(chosen, lambda label, seed, y: None if label == "channels=8" else noisy(8)(label, seed, y))
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    empty = only(found.rows, "channels=8")
    assert (empty.tau, empty.difference, empty.taus) == (None, None, {})
    other = only(found.rows, "channels=16").difference
    assert other.p_corrected == pytest.approx(other.p)
    assert found.findings[1].startswith("channels=16 ")


def test_settings_that_share_no_seed_with_the_base_are_compared(many, put, store):
    chosen = many({"channels": [8]}, seeds=[0, 1, 2, 3])
    put(chosen, lambda label, seed, y: noisy(8)(label, seed, y) if (label == "base") == (seed < 2) else None)
    d = analyse(gather(chosen, store), resamples=RESAMPLES).rows[1].difference
    assert d.p is not None


def test_without_the_base_there_is_nothing_to_compare_with(many, put, store):
    chosen = many({"channels": [8]})
    for made_up in (lambda *_: None, lambda label, seed, y: None if label == "base" else noisy(8)(label, seed, y)):
        put(chosen, made_up)
        with pytest.raises(UserError, match="No run of the base is done"):
            analyse(gather(chosen, store), resamples=RESAMPLES)


# ---- what is over-ranked ---------------------------------------------------------------------------------------------

NONE, SKIP, CONV1, CONV3, POOL = "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"


def test_over_ranking_by_hand():
    within = space("nb201")
    archs = [(0,) * 6, (1,) * 6, (3,) * 6, (3, 3, 3, 1, 1, 1)]
    indices = np.array([within.index(arch) for arch in archs])
    true = np.array([10.0, 20.0, 40.0, 30.0])
    predicted = np.array([0.0, 1.0, 1 / 3, 2 / 3])
    # True percentiles 0, 33.3, 100, 66.7: skip_connect is over-ranked by 66.7 in six of nine uses, the 3x3
    # convolution under-ranked by 66.7 in six of nine.
    found = over_ranked(within, indices, true, predicted)
    raw = {name: pair[0] for name, pair in found.items()}
    assert raw == pytest.approx({NONE: 0.0, SKIP: 6 / 9 * 200 / 3, CONV3: -6 / 9 * 200 / 3})
    # Spearman's rho is 0.2: regression to the mean alone displaces by -0.8 (true percentile - 50).
    expected = {
        NONE: 0.0 - 40.0,
        SKIP: 6 / 9 * 200 / 3 - np.mean([-0.8 * (v - 50) for v in [100 / 3] * 6 + [200 / 3] * 3]),
        CONV3: -6 / 9 * 200 / 3 - np.mean([-0.8 * (v - 50) for v in [100.0] * 6 + [200 / 3] * 3]),
    }
    assert {name: pair[1] for name, pair in found.items()} == pytest.approx(expected)


def test_ties_share_their_place():
    within = space("nb201")
    indices = np.array([within.index((op,) * 6) for op in (1, 2, 3)])
    found = over_ranked(within, indices, np.array([1.0, 2.0, 2.0]), np.array([0.0, 0.5, 1.0]))
    assert {name: pair[0] for name, pair in found.items()} == pytest.approx({SKIP: 0.0, CONV1: -25.0, CONV3: 25.0})


def test_noise_and_constant_scores_favour_no_operation():
    within = space("nb201")
    rng = np.random.default_rng(0)
    indices = within.sample(rng, 2000)
    y = (within.archs(indices) == 3).sum(axis=1) + 0.3 * rng.normal(size=2000)
    constant = over_ranked(within, indices, y, np.full(2000, 0.5))
    assert max(abs(pair[0]) for pair in constant.values()) > 5
    assert max(abs(pair[1]) for pair in constant.values()) < 1e-9
    noisy_ranks = (y + 2 * rng.normal(size=2000)).argsort().argsort() / 1999
    found = over_ranked(within, indices, y, noisy_ranks)
    assert abs(found[CONV3][0]) > 5
    assert max(abs(pair[1]) for pair in found.values()) < 2.5


def test_a_perfect_ranking_over_ranks_nothing(many, put, store):
    chosen = many({"channels": [8]})
    put(chosen, lambda label, seed, y: y**2)
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert found.base.over_ranked == pytest.approx(dict.fromkeys((NONE, SKIP, CONV1, CONV3, POOL), 0.0))
    assert found.base.tau.value == found.base.seed_tau == 1.0


def test_an_operation_that_scores_too_well_is_named(many, put, store):
    chosen = many({"channels": [8]})
    uses = (space("nb201").archs(truth_of(chosen.plan()[0][1])["index"].to_numpy()) == 4).sum(axis=1)
    put(chosen, lambda label, seed, y: y + 40 * uses)
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert max(found.base.excess, key=lambda name: found.base.excess[name].value) == POOL
    (sentence,) = (s for s in found.findings if s.startswith("Beyond regression to the mean"))
    assert f"use of an operation: {POOL} +" in sentence


# ---- accuracy as a sign of a good ranking ----------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_accuracy_of_super_nets_over_settings_and_over_seeds(sign, many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}, seeds=[0, 1, 2])
    order = {setting.label: k for k, setting in enumerate(chosen.settings(None))}

    def made_up(label, seed, y):
        rng = np.random.default_rng([seed, order[label]])
        scores = y + (24 - 3 * order[label]) * rng.normal(size=len(y))
        return scores - scores.mean() + 50 + sign * order[label] + 0.1 * rng.normal()

    put(chosen, made_up)
    found = analyse(gather(chosen, store), resamples=20)
    taus = [row.tau.value for row in found.rows]
    accuracies = [row.means["supernet_accuracy"] for row in found.rows]
    assert found.proxy.over_settings == pytest.approx(metrics.kendall_tau(accuracies, taus))
    assert found.proxy.over_settings * sign > 0.5
    assert (found.proxy.settings, found.proxy.runs) == (8, 24)
    assert found.proxy.within_low < 0 < found.proxy.within_high
    (sentence,) = (s for s in found.findings if s.startswith("Over 8 settings"))
    assert "hardly tells which trained super-net ranks better" in sentence


def test_seven_settings_are_too_few_for_a_proxy(many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, seeds=[0])
    put(chosen, noisy(8))
    assert analyse(gather(chosen, store), resamples=20).proxy is None


def test_a_collapsed_run_has_a_report_as_the_others_do(many, put, store):
    chosen = many({"channels": [8]})
    put(chosen, lambda label, seed, y: [np.full(len(y), 10.0)] * 2 if seed == 1 and label != "base" else [y, y + seed])
    found = analyse(gather(chosen, store), resamples=20)
    assert found.rows[1].taus[1] == 0
    assert found.rows[1].seed_tau == pytest.approx(1 / 3)
    assert found.rows[1].epoch_tau == pytest.approx(2 / 3)


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
