"""What designs of a study find and take."""

import numpy as np
import pytest
from made_up_scores import noisy

from supernet.benchmarks.errors import UserError
from supernet.harness.statistics.power import detectable, upper_sd
from supernet.harness.study import planning
from supernet.harness.study.gathered import gather

HEURISTICS = {"channels": [8], "path-dropout": [0.1, 0.2]}


@pytest.fixture
def timed(monkeypatch):
    """Runs that are missing take seven seconds."""
    monkeypatch.setattr(planning.Stopwatch, "seconds", lambda self, spec: 7.0)


@pytest.mark.usefixtures("timed")
def test_without_runs_a_spread_is_assumed_and_everything_is_missing(study, store):
    chosen = study(heuristics=HEURISTICS, seeds={"base": 6, "others": 3}, sample="all")
    found = planning.power(chosen, store)
    own, *others = found.options
    assert "a standard deviation of 0.05 between seeds is assumed" in found.noise.source
    assert (own.design.runs, own.missing, own.seconds) == (15, 15, 15 * 7.0)
    assert own.finds == pytest.approx(detectable(0.05, own.design, found.noise.sampling))
    for option in others:
        assert option.finds <= float(option.what.split()[-1])


@pytest.mark.usefixtures("timed")
def test_the_spread_and_the_cost_of_runs_that_are_done_are_used(many, put, store, monkeypatch):
    monkeypatch.setattr(planning, "EFFECTS", (0.3, 0.25))
    chosen = many(HEURISTICS, seeds={"base": 6, "others": 3})
    put(chosen, noisy(10))
    found = planning.power(chosen, store)
    taus = {label: [run.result.metrics["kendall_tau"] for run in runs.values()]
            for label, runs in gather(chosen, store).done.items()}  # fmt: skip
    df = sum(len(values) - 1 for values in taus.values())
    sd = np.sqrt(sum(np.var(values, ddof=1) * (len(values) - 1) for values in taus.values()) / df)
    assert found.noise.sd == pytest.approx(upper_sd(sd, df))
    assert (found.options[0].missing, found.options[0].seconds) == (0, 0)
    larger = next(option for option in found.options if option.what == "to find 0.25")
    assert larger.missing == larger.design.runs - 15
    assert larger.seconds == pytest.approx(1.5 * larger.missing)  # what a made-up run took


@pytest.mark.usefixtures("timed")
def test_settings_with_seeds_of_their_own_count_with_these(study, put, store):
    chosen = study(heuristics=HEURISTICS, seeds={"base": 6, "others": 3, "channels=8": 9}, sample="all")
    own = planning.power(chosen, store).options[0]
    assert own.runs == own.missing == len(list(chosen.plan())) == 21
    assert (own.design.seeds, own.seconds) == (3, 21 * 7.0)


@pytest.mark.usefixtures("timed")
def test_a_given_spread_is_used_as_it_is(study, store):
    chosen = study(heuristics=HEURISTICS, seeds=3, sample="all")
    assert planning.power(chosen, store, sd=0.01).noise.sd == 0.01


def test_plans_without_a_fixed_number_of_comparisons_have_no_power(study, store):
    for plan in ({"plan": "staged", "heuristics": HEURISTICS}, {"heuristics": {}}):
        with pytest.raises(UserError, match="fixed number of comparisons"):
            planning.power(study(seeds=3, **plan), store)


@pytest.mark.usefixtures("timed")
def test_too_few_architectures_make_small_differences_impossible(study, store, monkeypatch):
    chosen = study(heuristics=HEURISTICS, seeds=3, sample="all")
    monkeypatch.setattr(planning, "PER_ARCHITECTURE", 60 * 0.05**2)
    assert planning.power(chosen, store, sd=0.01).impossible == (0.1, 0.05)
