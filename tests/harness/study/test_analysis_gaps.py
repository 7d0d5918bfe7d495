"""What the analysis of a study says of runs that are not there, and of what cannot be compared."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_scores import RESAMPLES, SEEDS, noisy, only

from supernet.benchmarks.errors import UserError
from supernet.harness.report.study import page
from supernet.harness.study import findings, verdict
from supernet.harness.study.analysis import analyse
from supernet.harness.study.extended import extended
from supernet.harness.study.gathered import gather
from supernet.harness.study.plan import StudyError


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
    assert any("1 of 15 runs collapsed" in s and "channels=8, seed 1 (−1.00)" in s for s in found.findings)


def test_super_nets_at_chance_are_named(many, put, store):
    chosen = many({"channels": [8]})

    def made_up(label, seed, y):
        rng = np.random.default_rng(seed)
        guessed = 100 * rng.binomial(chosen.base.evaluation.images, 0.1, size=len(y)) / chosen.base.evaluation.images
        return guessed if label != "base" and seed < 2 else y

    put(chosen, made_up)
    found = analyse(gather(chosen, store), resamples=20)
    assert [row.at_chance for row in found.rows] == [(), (0, 1)]
    assert "Super-nets that classify no better than chance: channels=8 (2 of 3 runs)." in found.findings


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
