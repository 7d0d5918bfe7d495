import itertools
import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import UserError
from benchmarks.files import write_json
from benchmarks.spaces import space
from harness import metrics, stats
from harness.correlation import params_of
from harness.study import analysis, findings
from harness.study import store as files
from harness.study.analysis import _Sampled, analyse, over_ranked
from harness.study.run import measures

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
    found = analyse(chosen, store, resamples=RESAMPLES)
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
    assert f"agree at {found.ceiling.tau:.2f}" in found.findings[0]
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
    found = analyse(chosen, store, resamples=RESAMPLES)
    same, better, worse = found.rows[1:]
    assert (same.difference.value, same.difference.low, same.difference.high, same.difference.p) == (0, 0, 0, 1)
    assert same.p_holm == 1
    assert better.difference.value == pytest.approx(better.tau.value - found.base.tau.value)
    assert 0 < better.difference.low < better.difference.value < better.difference.high
    assert better.p_holm < 0.05
    assert worse.difference.high < 0
    assert worse.p_holm < 0.05
    p = [row.difference.p for row in (same, better, worse)]
    assert [row.p_holm for row in (same, better, worse)] == stats.holm(p)
    assert found.smallest_p == pytest.approx(2 / (RESAMPLES + 1)) == min(p)
    words = " ".join(found.findings)
    assert "Of 3 changes, 2 alter tau at the 5 % level after Holm's correction." in words
    assert "Up: channels=8 (+" in words
    assert "Down: layers=2 (-" in words
    assert "The largest gain is channels=8 (+" in words
    assert "the largest loss is layers=2 (-" in words


def test_differences_are_paired_by_seed_and_architecture(many, put, store):
    chosen = many({"channels": [8]})

    def made_up(label, seed, y):
        rng = np.random.default_rng(seed)
        noise, quiet = rng.normal(size=len(y)), rng.normal(size=len(y))
        return y + (3 + 8 * seed) * noise + (0.5 * quiet if label != "base" else 0)

    put(chosen, made_up)
    found = analyse(chosen, store, resamples=RESAMPLES)
    width = only(found.rows, "channels=8").difference.high - only(found.rows, "channels=8").difference.low
    assert width < (found.base.tau.high - found.base.tau.low) / 4
    expected = np.mean([found.rows[1].taus[seed] - found.base.taus[seed] for seed in SEEDS])
    assert found.rows[1].difference.value == pytest.approx(expected)


def test_one_seed_gives_intervals_over_architectures_alone(many, put, store):
    chosen = many({"channels": [8]}, seeds=[4])
    put(chosen, noisy(10))
    found = analyse(chosen, store, resamples=RESAMPLES)
    assert found.seeds == (4,)
    assert found.base.tau.low < found.base.tau.value < found.base.tau.high
    assert found.base.seed_tau is None
    assert found.rows[1].difference.low < found.rows[1].difference.high
    assert not any("two seeds" in sentence for sentence in found.findings)
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
    base = analyse(chosen, store, resamples=RESAMPLES).base
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

    return analyse(replace(chosen, seeds=(seed,)), store, resamples=20).base


# ---- what is not there -----------------------------------------------------------------------------------------------


def test_missing_diverged_failed_and_damaged_runs_are_named_and_not_counted(many, put, store, monkeypatch):
    chosen = many({"path-dropout": [0.1, 0.2], "channels": [8]})
    lost = {("path-dropout=0.1", 1), ("path-dropout=0.2", 2), ("channels=8", 0)}
    put(chosen, lambda label, seed, y: None if (label, seed) in lost else noisy(8)(label, seed, y))
    specs = {(setting.label, spec.recipe.seed): spec for setting, spec in chosen.plan()}
    put.finish(specs["path-dropout=0.1", 1], {}, state="diverged", problem="the loss was nan")
    store.fail(specs["channels=8", 0].hash, "out of memory")
    (store.root / specs["channels=8", 2].hash / "scores.parquet").write_bytes(b"")
    found = analyse(chosen, store, resamples=RESAMPLES)
    first, second, channels = found.rows[1:]
    assert first.states == {0: "done", 1: "diverged", 2: "done"}
    assert second.states == {0: "done", 1: "done", 2: "missing"}
    assert channels.states == {0: "failed", 1: "done", 2: "damaged"}
    assert first.taus.keys() == {0, 2}
    assert channels.taus.keys() == {1}
    expected = np.mean([first.taus[seed] - found.base.taus[seed] for seed in (0, 2)])
    assert first.difference.value == pytest.approx(expected)
    assert channels.difference is None, "one seed of three, and nothing tells how far seeds differ"
    assert found.findings[-1] == (
        "Not among the results: path-dropout=0.1 (seed 1: diverged), path-dropout=0.2 (seed 2: missing), "
        "channels=8 (seed 0: failed), channels=8 (seed 2: damaged)."
    )
    monkeypatch.setattr(findings, "MOST_NAMED", 3)
    assert analyse(chosen, store, resamples=RESAMPLES).findings[-1] == (
        "4 of 12 runs are not among the results: 1 damaged, 1 diverged, 1 failed, 1 missing. `supernet study status` "
        "names them."
    )


def test_a_setting_without_results_stays_in_the_table(many, put, store):
    chosen = many({"channels": [8, 16]})
    put(chosen, lambda label, seed, y: None if label == "channels=8" else noisy(8)(label, seed, y))
    found = analyse(chosen, store, resamples=RESAMPLES)
    empty = only(found.rows, "channels=8")
    assert (empty.tau, empty.difference, empty.p_holm, empty.taus) == (None, None, None, {})
    assert only(found.rows, "channels=16").p_holm == only(found.rows, "channels=16").difference.p
    assert "Of 1 changes," in found.findings[1]


def test_settings_that_share_no_seed_with_the_base_are_not_compared(many, put, store):
    chosen = many({"channels": [8]}, seeds=[0, 1])
    put(chosen, lambda label, seed, y: noisy(8)(label, seed, y) if (label == "base") == (seed == 0) else None)
    found = analyse(chosen, store, resamples=RESAMPLES)
    assert found.rows[1].tau is not None
    assert found.rows[1].difference is None


def test_without_the_base_there_is_nothing_to_compare_with(many, put, store):
    chosen = many({"channels": [8]})
    for made_up in (lambda *_: None, lambda label, seed, y: None if label == "base" else noisy(8)(label, seed, y)):
        put(chosen, made_up)
        with pytest.raises(UserError, match="No run of the base is done"):
            analyse(chosen, store, resamples=RESAMPLES)


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
    assert over_ranked(within, indices, true, predicted) == pytest.approx(
        {NONE: 0.0, SKIP: 6 / 9 * 200 / 3, CONV3: -6 / 9 * 200 / 3}
    )


def test_ties_share_their_place():
    within = space("nb201")
    indices = np.array([within.index((op,) * 6) for op in (1, 2, 3)])
    found = over_ranked(within, indices, np.array([1.0, 2.0, 2.0]), np.array([0.0, 0.5, 1.0]))
    assert found == pytest.approx({SKIP: 0.0, CONV1: -25.0, CONV3: 25.0})


def test_a_perfect_ranking_over_ranks_nothing(many, put, store):
    chosen = many({"channels": [8]})
    put(chosen, lambda label, seed, y: y**2)
    found = analyse(chosen, store, resamples=RESAMPLES)
    assert found.base.over_ranked == pytest.approx(dict.fromkeys((NONE, SKIP, CONV1, CONV3, POOL), 0.0))
    assert found.base.tau.value == found.base.seed_tau == 1.0


def test_an_operation_that_scores_too_well_is_named(many, put, store):
    chosen = many({"channels": [8]})
    uses = (space("nb201").archs(truth_of(chosen.plan()[0][1])["index"].to_numpy()) == 4).sum(axis=1)
    put(chosen, lambda label, seed, y: y + 40 * uses)
    found = analyse(chosen, store, resamples=RESAMPLES)
    assert max(found.base.over_ranked, key=found.base.over_ranked.get) == POOL
    assert any(sentence.startswith(f"The base over-ranks {POOL} most (+") for sentence in found.findings)


# ---- accuracy as a sign of a good ranking ----------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "verdict"), [(1, "a usable"), (-1, "a misleading")])
def test_whether_accurate_super_nets_rank_better(sign, verdict, many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}, seeds=[0])
    order = {setting.label: k for k, setting in enumerate(chosen.settings(None))}

    def made_up(label, seed, y):
        scores = y + (24 - 4 * order[label]) * np.random.default_rng(0).normal(size=len(y))
        return scores - scores.mean() + 50 + sign * order[label]

    put(chosen, made_up)
    found = analyse(chosen, store, resamples=20)
    taus = [row.tau.value for row in found.rows]
    accuracies = [row.means["supernet_accuracy"] for row in found.rows]
    assert found.proxy["value"] == pytest.approx(metrics.kendall_tau(accuracies, taus))
    assert found.proxy["value"] * sign > 0.5
    assert found.proxy["settings"] == 8
    assert any(f"{verdict} sign of a good ranking" in sentence for sentence in found.findings)


def test_seven_settings_are_too_few_for_a_proxy(many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, seeds=[0])
    put(chosen, noisy(8))
    assert analyse(chosen, store, resamples=20).proxy is None


def test_a_collapsed_run_has_a_report_as_the_others_do(many, put, store):
    chosen = many({"channels": [8]})
    put(chosen, lambda label, seed, y: [np.full(len(y), 10.0)] * 2 if seed == 1 and label != "base" else [y, y + seed])
    found = analyse(chosen, store, resamples=20)
    assert found.rows[1].taus[1] == 0
    assert found.rows[1].seed_tau == pytest.approx(1 / 3)
    assert found.rows[1].epoch_tau == pytest.approx(2 / 3)


def test_one_seed_of_several_tests_nothing_until_others_tell_the_spread(many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2], "channels": [8]})
    first, others = noisy(10), noisy(10)
    put(chosen, lambda label, seed, y: first(label, seed, y) if seed == 0 else None)
    found = analyse(chosen, store, resamples=RESAMPLES)
    assert [row.difference for row in found.rows] == [None] * 4
    assert found.beside_params is None
    assert found.prior_df == 0
    assert not any("alter tau" in sentence for sentence in found.findings)
    put(chosen, lambda label, seed, y: others(label, seed, y) if seed and label != "channels=8" else None)
    found = analyse(chosen, store, resamples=RESAMPLES)
    assert found.prior_df > 0
    one, three = only(found.rows, "channels=8").difference, only(found.rows, "path-dropout=0.1").difference
    assert one.high - one.low > three.high - three.low


def test_resamples_suffice_for_many_settings(many, put, store, monkeypatch):
    monkeypatch.setattr(analysis, "RESAMPLES", 100)
    chosen = many({"path-dropout": [0.1, 0.2], "channels": [8]})
    put(chosen, noisy(10))
    found = analyse(chosen, store)
    assert found.resamples == 4 * 80
    assert found.smallest_p * 3 < 0.05


# ---- intervals over seeds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("shared", [0.0, 0.02, 0.1])
def test_intervals_over_few_seeds_cover_what_they_promise(count, shared):
    """Taus of seeds are drawn from a normal distribution; resampling architectures moves all of them together."""
    rng, sd, resamples, studies = np.random.default_rng(0), 0.04, 1000, 1000
    sampled = _Sampled({}, np.zeros(2), {}, resamples)
    covered = []
    for _ in range(studies):
        values = shared * rng.normal() + sd * rng.normal(size=count)
        moved = shared * rng.normal(size=resamples)
        sampled.taus = {("base", seed): 0.0 for seed in range(count)}
        sampled.taus |= {("changed", seed): value for seed, value in enumerate(values)}
        sampled.draws = {f"base\0{seed}": np.zeros(resamples) for seed in range(count)}
        sampled.draws |= {f"changed\0{seed}": value + moved for seed, value in enumerate(values)}
        found = sampled.difference("changed", "base", range(count))
        assert found.value == pytest.approx(values.mean())
        assert (found.p < 0.05) == (not found.low <= 0 <= found.high) or abs(found.p - 0.05) < 0.01
        covered.append(found.low <= 0 <= found.high)
    assert np.mean(covered) > 0.93
    assert shared or np.mean(covered) < 0.97  # wider than need be where both kinds of noise matter
