"""From the runs of a screen in a store to its analysis."""

import dataclasses
import json

import numpy as np
import pytest
from made_up_results import publish_scores

from supernet.harness.study import verdict
from supernet.harness.study.analysis import analyse
from supernet.harness.study.gathered import gather
from supernet.harness.study.on_average import on_average

FIVE = {"path-dropout": [0.2], "channels": [8], "layers": [2], "schedule": ["constant"], "nesterov": [True]}
NAMES = list(FIVE)


def test_a_screen_with_open_effects_has_a_next_step(screen, store):
    fill(screen, store)
    a = analyse(gather(screen, store), resamples=50)
    open_ = sum(effect.p is not None and not effect.clear for effect in a.factors.main)
    assert open_ > 1
    assert f"{open_} effects are undecided. To see smaller" in " ".join(step.why for step in verdict.steps(a))
    untested = dataclasses.replace(a, factors=None)
    assert "To test the effects, raise `seeds`" in " ".join(step.why for step in verdict.steps(untested))


@pytest.fixture
def screen(study):
    return study(plan="screen", heuristics=FIVE, sample="all", seeds={"base": 4, "others": 1}, last_epochs=1)


def fill(study, store, diverged=()):
    """Runs of which those with wider networks rank worse; `diverged` numbers settings."""
    for setting, spec in study.plan():
        noise = 12 if "channels" in dict(setting.changes) else 3
        rng = np.random.default_rng(spec.recipe.seed)
        lost = setting.row in diverged
        publish_scores(store, spec, lambda y: None if lost else y + noise * rng.normal(size=len(y)))  # noqa: B023


def test_effects_are_those_of_the_taus_in_the_store(screen, store):
    fill(screen, store)
    found = analyse(gather(screen, store), resamples=50)
    f = found.factors
    x = np.array([[1.0, *(2.0 * (f"{name}=" in row.label) - 1 for name in NAMES)] for row in found.rows])
    means = [np.mean(list(row.taus.values())) for row in found.rows]
    assert [len(row.taus) for row in found.rows] == [4] + [1] * 15
    expected = 2 * np.linalg.lstsq(x, means, rcond=None)[0][1:]
    assert [effect.value for effect in f.main] == pytest.approx(expected)
    assert [effect.heuristics for effect in f.main] == [(name,) for name in NAMES]
    channels = f.main[1]
    assert channels.clear
    assert channels.high < 0
    sentence = f"On average over the other heuristics, channels=8 lowers tau by {-channels.value:.2f} ["
    assert any(text.startswith(sentence) for text in found.findings)
    assert on_average(f) in found.findings
    again = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert again["factors"]["main"][1]["value"] == channels.value


def test_no_setting_of_a_screen_is_compared_with_the_base(study, store):
    three = {name: FIVE[name] for name in NAMES[:3]}
    screen = study(plan="screen", heuristics=three, sample="all", seeds=3, last_epochs=1)
    fill(screen, store)
    found = analyse(gather(screen, store), resamples=50)
    assert all(row.difference is None for row in found.rows)
    assert all(row.tau.low is not None for row in found.rows)
    assert (found.tested, found.detectable, found.omnibus_p) == ([], None, None)
    words = " ".join(found.findings)
    assert "Dunnett" not in words
    assert "changes tau (" not in words
    assert (found.factors.error, found.factors.df) == ("seeds", 16)
    assert found.seed_sd > 0


def test_one_seed_of_everything_is_enough_for_effects(study, store):
    three = {name: FIVE[name] for name in NAMES[:3]}
    screen = study(plan="screen", heuristics=three, sample="all", seeds=1, last_epochs=1)
    fill(screen, store)
    found = analyse(gather(screen, store), resamples=50)
    assert [list(row.taus) for row in found.rows] == [[1000 * k] for k in range(8)]
    f = found.factors
    assert (f.error, f.df, f.lack_of_fit_p, found.seed_sd) == ("residual", 4, None, None)
    assert all(effect.p is not None for effect in f.main)
    assert found.factors.main[1].value < 0
    assert "Settings cannot be tested" not in " ".join(found.findings)


def test_diverged_runs_have_no_tau_and_are_counted(screen, store):
    fill(screen, store, diverged=(5, 9))
    found = analyse(gather(screen, store), resamples=50)
    f = found.factors
    assert (f.settings, f.planned, f.diverged) == (14, 16, 2)
    words = " ".join(found.findings)
    assert "2 of the 16 settings of the design have no tau (2 runs diverged)" in words
    assert "Training diverged: " in words


def test_a_screen_whose_base_alone_is_done_says_so(screen, store):
    for setting, spec in screen.plan():
        if not setting.changes:
            publish_scores(store, spec, lambda y: y + np.arange(len(y)))
    found = analyse(gather(screen, store), resamples=50)
    assert found.factors is None
    assert "15 of 19 runs are not among the results" in found.findings[-1]


def test_a_grid_keeps_its_comparisons_and_has_effects_on_average_too(study, store):
    grid = study(plan="grid", heuristics={"path-dropout": [0.0, 0.2], "channels": [4, 8]}, sample="all", seeds=3)
    fill(grid, store)
    found = analyse(gather(grid, store), resamples=50)
    assert len(found.tested) == 3
    assert [effect.label for effect in found.factors.main] == ["path-dropout=0.2", "channels=8"]
    assert [effect.label for effect in found.factors.interactions] == ["path-dropout=0.2 × channels=8"]
    cells = {row.label: row.tau.value for row in found.rows}
    expected = (cells["channels=8"] + cells["path-dropout=0.2, channels=8"]) / 2
    expected -= (cells["base"] + cells["path-dropout=0.2"]) / 2
    assert found.factors.main[1].value == pytest.approx(expected)
    assert any("Dunnett" in text for text in found.findings)
