"""The analysis of a study: estimates with their intervals, and what is said of runs that are not there."""

import dataclasses
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_scores import RESAMPLES, SEEDS, noisy, only, truth_of

from supernet.benchmarks.errors import UserError
from supernet.harness.report.study import methods as appendix
from supernet.harness.report.study import page
from supernet.harness.report.study.methods import methods
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.study import findings, verdict
from supernet.harness.study.analysis import analyse
from supernet.harness.study.extended import extended
from supernet.harness.study.gathered import gather
from supernet.harness.study.plan import StudyError

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
    assert "Down: layers=2 (-" in words
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
    without = analyse(gather(many({"path-dropout": [0.1, 0.2]}), store), resamples=RESAMPLES)
    assert [row.difference for row in found.tested] == [row.difference for row in without.tested]


def test_a_base_that_mostly_diverged_is_compared_with_nothing(many, put, store):
    chosen = many({"path-dropout": [0.1], "channels": [8]})
    specs = {(setting.label, spec.recipe.seed): spec for setting, spec in chosen.plan()}
    lost = [key for key in specs if key[0] == "base"][1:]
    put(chosen, lambda label, seed, y: None if (label, seed) in lost else noisy(8)(label, seed, y))
    for key in lost:
        put.finish(specs[key], {}, state="diverged", problem="the loss was nan")
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert found.base.tau is None
    assert found.beside_params is None
    assert found.omnibus_p is found.detectable is None
    for row in found.rows[1:]:
        assert row.tau is not None
        assert row.difference is row.regret is row.partial_difference is row.adds_difference is None
    assert "Dunnett" not in " ".join(found.findings)
    why = "No setting can be tested: 2 of 3 runs of the base diverged, so that the others do not stand for it."
    assert verdict.headline(found) == why
    assert [step.why[:25] for step in verdict.steps(found)] == ["Find a base that trains, "]
    assert "too many of its runs diverged" in page._numbers(found)
    with pytest.raises(UserError, match=f"{why} More seeds do not change that"):
        extended("quick", chosen, found, 2)


def test_runs_with_hardly_an_architecture_in_common_are_refused_with_the_reason(many, put, store):
    chosen = many({"channels": [8]})
    put(chosen, noisy(8), without=lambda label, seed: range(20 * seed, 20 * seed + (20 if label == "base" else 15)))
    with pytest.raises(
        UserError, match="have 0 architectures in common, and a report needs 10 or more: each run leaves"
    ):
        gather(chosen, store)


def test_regrets_without_any_spread_are_not_tested(many, put, store):
    """All seeds of a setting may pick the same architecture, which makes their regret no more certain."""
    chosen = many({"channels": [8]})

    def one_pick(label, seed, y):
        scores = noisy(8)(label, seed, y)
        scores[3 if label == "base" else 4] = 1_000
        return scores

    put(chosen, one_pick)
    found = analyse(gather(chosen, store), resamples=20)
    assert found.rows[0].means["regret@1"] != found.rows[1].means["regret@1"]
    assert found.rows[1].difference.p is not None
    assert found.rows[1].regret is None


def test_all_numbers_are_of_the_architectures_that_all_runs_rank(many, put, store):
    chosen, seen = many({"channels": [8]}), {}

    def worst_first(label, seed, y):
        seen[label] = y
        return -y

    put(chosen, worst_first, lambda label, seed: np.argsort(seen[label])[-5:] if label != "base" else ())
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    common = np.sort(seen["base"])[:-5]
    for row in found.rows:
        assert row.means["regret@1"] == pytest.approx(common[-1] - common[0])


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


def test_fewer_than_ten_architectures_are_refused_and_fewer_than_fifty_pointed_out(many, study, put, store):
    with pytest.raises(StudyError, match="sample is '9', but must be `all` or a number of architectures from 10 on"):
        study(heuristics={"channels": [8]}, seeds=SEEDS, sample=9)
    few = dataclasses.replace(study(heuristics={"channels": [8]}, seeds=SEEDS, sample=10), sample="9")
    put(few, noisy(8))
    with pytest.raises(UserError, match="ranks 9 architectures; a report needs 10"):
        analyse(gather(few, store), resamples=20)
    some = study(heuristics={"channels": [8]}, seeds=SEEDS, sample=30)
    put(some, noisy(8))
    assert any("Only 30 architectures" in sentence for sentence in analyse(gather(some, store), resamples=20).findings)


def test_rankings_above_what_is_attainable_are_pointed_out(many, put, store, monkeypatch):
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


def test_a_collapsed_run_has_a_report_as_the_others_do(many, put, store):
    chosen = many({"channels": [8]})
    put(chosen, lambda label, seed, y: [np.full(len(y), 10.0)] * 2 if seed == 1 and label != "base" else [y, y + seed])
    found = analyse(gather(chosen, store), resamples=20)
    assert found.rows[1].taus[1] == 0
    assert found.rows[1].seed_tau == pytest.approx(1 / 3)
    assert found.rows[1].epoch_tau == pytest.approx(2 / 3)


def test_a_stage_is_also_compared_with_what_stayed(many, put, store):
    chosen = many({"path-dropout": [0.1], "channels": [8]}, seeds=[0, 1, 2], plan="staged")
    sizes = {"base": 40, "path-dropout=0.1": 4, "path-dropout=0.1, channels=8": 4}
    better = {0.0: 0.3, 0.1: 0.8}
    whole = SimpleNamespace(plan=lambda: chosen.plan(lambda run: better[run.recipe.network.path_dropout]))
    put(whole, noisy(sizes.__getitem__))
    a = analyse(gather(chosen, store), resamples=RESAMPLES)
    first, last = a.rows[1:]
    assert (first.label, last.label) == ("path-dropout=0.1", "path-dropout=0.1, channels=8")
    assert last.difference.clear
    assert last.difference.value > 0.2
    assert last.step.value == pytest.approx(last.tau.value - first.tau.value)
    assert not last.step.clear
    assert first.step.value == pytest.approx(first.difference.value)
    assert any("staged" in finding for finding in a.findings)
