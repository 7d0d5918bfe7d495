"""Effects on average over the other heuristics, from made-up taus."""

import itertools

import numpy as np
import pytest
from scipy import stats

from supernet.harness.statistics import linear
from supernet.harness.statistics.bootstrap import holm
from supernet.harness.study.factors import factors_of
from supernet.harness.study.on_average import on_average

NINE = {
    "path-dropout": [0.2],
    "channels": [8],
    "layers": [2],
    "schedule": ["constant"],
    "weight-decay": [1e-3],
    "nesterov": [True],
    "learning-rate": [0.1],
    "epochs": [2],
    "batch-size": [25],
}
NAMES = list(NINE)
SAMPLES = 50


def results(study, tau, seeds=1, base_seeds=1, noise=0.0, lost=()):
    """Settings, taus and draws of a study: tau of the heuristics that are changed, with noise."""
    rng = np.random.default_rng(0)
    settings = study.settings(lambda run: None)
    taus = {
        s.label: tau(dict(s.changes)) + noise * rng.normal(size=seeds if s.changes else base_seeds)
        for k, s in enumerate(settings)
        if k not in lost
    }
    draws = {label: values.mean() + np.zeros(SAMPLES) for label, values in taus.items()}
    return settings, taus, draws


def found(study, tau, diverged=None, **about):
    settings, taus, draws = results(study, tau, **about)
    return factors_of(study, settings, taus, draws, {s.label: 0 for s in settings} | (diverged or {}))


def interacting(changes):
    """Main effects and interactions of two, but none of three."""
    on = [2 * (name in changes) - 1 for name in NAMES]
    return 0.05 * on[0] - 0.02 * on[3] + 0.04 * on[1] * on[2] - 0.03 * on[0] * on[5] + 0.3


def test_a_design_that_finds_no_possible_effect_says_so(study):
    """A grid of two by two with one seed has one degree of freedom: what it is sure to find is no possible effect."""
    grid = study(plan="grid", heuristics={"path-dropout": [0.0, 0.2], "channels": [4, 8]})
    tau = {(): 0.3, ("path-dropout",): 0.33, ("channels",): 0.36, ("path-dropout", "channels"): 0.42}
    factors = found(grid, lambda changes: tau[tuple(changes)])
    assert factors.detectable is None
    assert "with so few runs, this design detects no effect reliably, however large" in on_average(factors)


# ---- screens ---------------------------------------------------------------------------------------------------------


def test_a_screen_finds_what_all_combinations_show_on_average(study):
    screen = study(plan="screen", heuristics=NINE)
    effects = found(screen, interacting).main
    everything = {
        on: interacting({name for name, there in zip(NAMES, on, strict=True) if there})
        for on in itertools.product([False, True], repeat=9)
    }
    for k, effect in enumerate(effects):
        with_it, without = ([tau for on, tau in everything.items() if on[k] == there] for there in (True, False))
        assert effect.value == pytest.approx(np.mean(with_it) - np.mean(without))
        assert effect.heuristics == (NAMES[k],)
        assert effect.against == "the base's"
        assert effect.aliased == "clear of interactions of two heuristics"
    assert [effect.value for effect in effects] == pytest.approx([0.1, 0, 0, -0.04, 0, 0, 0, 0, 0])


def test_effects_errors_and_p_values_are_those_of_least_squares_by_hand(study):
    screen = study(plan="screen", heuristics=NINE, seeds={"base": 4, "others": 1})
    settings, taus, draws = results(screen, interacting, base_seeds=4, noise=0.05)
    f = factors_of(screen, settings, taus, draws, {s.label: 0 for s in settings})
    x = np.array([[1.0, *(2.0 * (name in dict(s.changes)) - 1 for name in NAMES)] for s in settings])
    y = np.array([taus[s.label].mean() for s in settings])
    coefficients, squares, _, _ = np.linalg.lstsq(x, y, rcond=None)
    assert [e.value for e in f.main] == pytest.approx(2 * coefficients[1:])
    assert (f.error, f.df, f.settings, f.planned) == ("residual", 14, 24, 24)
    error = 2 * np.sqrt(squares[0] / 14 * np.linalg.inv(x.T @ x)[1, 1])
    assert [e.p for e in f.main] == pytest.approx(2 * stats.t.sf(np.abs(2 * coefficients[1:]) / error, 14))
    assert [e.high - e.low for e in f.main] == pytest.approx([2 * stats.t.ppf(0.975, 14) * error] * 9)
    assert [e.p_corrected for e in f.main] == pytest.approx(holm([e.p for e in f.main]))
    assert f.detectable == pytest.approx((stats.t.ppf(1 - 0.025 / 9, 14) + stats.t.ppf(0.8, 14)) * error)
    fit = linear.Fit.of(x, y)
    assert f.lack_of_fit_p == pytest.approx(linear.lack_of_fit(fit, [taus[s.label] for s in settings]))


def test_the_choice_of_architectures_widens_intervals(study):
    screen = study(plan="screen", heuristics=NINE)
    settings, taus, draws = results(screen, interacting, noise=0.02)
    none = dict.fromkeys(taus, 0)
    rng = np.random.default_rng(1)
    shared = rng.normal(size=SAMPLES)
    moved = {s.label: draws[s.label] + s.row / 100 * shared for s in settings}
    plain, wide = (factors_of(screen, settings, taus, those, none) for those in (draws, moved))
    assert plain.detectable < wide.detectable
    assert [e.value for e in plain.main] == pytest.approx([e.value for e in wide.main])
    assert all(b.high - b.low >= a.high - a.low for a, b in zip(plain.main, wide.main, strict=True))


def test_a_screen_without_some_settings_is_fitted_by_what_is_there_and_says_what_is_mixed_in(study):
    screen = study(plan="screen", heuristics=NINE)
    lost = [3, 8, 17]
    label = screen.settings(None)[3].label
    f = found(screen, interacting, noise=0.01, lost=lost, diverged={label: 1})
    assert (f.settings, f.planned, f.diverged, f.untold) == (21, 24, 1, ())
    settings, taus, _ = results(screen, interacting, noise=0.01, lost=lost)
    there = [s for s in settings if s.label in taus]
    x = np.array([[1.0, *(2.0 * (name in dict(s.changes)) - 1 for name in NAMES)] for s in there])
    expected = np.linalg.lstsq(x, [taus[s.label].mean() for s in there], rcond=None)[0]
    assert [e.value for e in f.main] == pytest.approx(2 * expected[1:])
    assert any("mixed with" in e.aliased and "as settings are missing" in e.aliased for e in f.main)
    words = on_average(f)
    assert "3 of the 24 settings of the design have no tau (one run diverged): the effects are those among" in words


def test_a_screen_with_too_few_settings_says_which_effects_cannot_be_told(study):
    screen = study(plan="screen", heuristics=NINE)
    settings = screen.settings(None)
    lost = [k for k, s in enumerate(settings) if "channels" in dict(s.changes)]
    f = found(screen, interacting, noise=0.01, lost=lost)
    assert f.untold == ("channels=8",)
    assert len(f.main) == 8
    assert "do not tell the effect of channels=8." in on_average(f)
    none = found(screen, interacting, lost=range(2, 24))
    assert (len(none.untold), none.error) == (9, None)
    assert on_average(none).startswith("No effect on average over the other heuristics can be told")


def test_a_screen_names_the_interactions_that_it_does_not_tell_apart(study):
    four = found(study(plan="screen", heuristics=dict(itertools.islice(NINE.items(), 4))), interacting)
    assert [sorted(group) for group in four.aliases] == [
        ["layers × schedule", "path-dropout × channels"],
        ["channels × schedule", "path-dropout × layers"],
        ["channels × layers", "path-dropout × schedule"],
    ]
    assert not four.partial
    nine = found(study(plan="screen", heuristics=NINE), interacting)
    assert (nine.aliases, nine.partial) == ([], True)


# ---- grids -----------------------------------------------------------------------------------------------------------

GRID = {"path-dropout": [0.0, 0.2], "channels": [4, 8], "layers": [1, 2]}


def cube(changes):
    """With an interaction of channels and layers."""
    a, b, c = (name in changes for name in GRID)
    return 0.3 + 0.1 * a - 0.05 * b + 0.2 * b * c


def test_a_replicated_grid_tells_main_effects_and_interactions(study):
    f = found(study(plan="grid", heuristics=GRID), cube, seeds=3, base_seeds=3, noise=0.002)
    assert [e.label for e in f.main] == ["path-dropout=0.2", "channels=8", "layers=2"]
    assert [e.against for e in f.main] == ["0.0", "4", "1"]
    assert [e.value for e in f.main] == pytest.approx([0.1, -0.05 + 0.1, 0.1], abs=0.01)
    assert [e.label for e in f.interactions if e.clear] == ["channels=8 × layers=2"]
    assert next(e.value for e in f.interactions if e.clear) == pytest.approx(0.2, abs=0.02)
    assert (f.error, f.df) == ("seeds", 16)
    words = on_average(f)
    assert "channels=8 raises tau by 0.05" in words
    assert "3 of 3 effects are clear (p < 0.05 after Holm's correction)" in words
    assert "1 of 3 interactions is clear: channels=8 × layers=2 (+0.2" in words
    assert "can differ from the effect at the base" in words


def test_marginal_means_of_a_grid_are_its_effects_whatever_interacts(study):
    three = {"path-dropout": [0.1, 0.0, 0.2], "channels": [4, 8]}
    grid = study(plan="grid", heuristics=three)
    settings, taus, draws = results(grid, lambda changes: 0.0, seeds=2, base_seeds=2, noise=1.0)
    f = factors_of(grid, settings, taus, draws, dict.fromkeys(taus, 0))
    cell = {(dict(s.changes).get("path-dropout", "0.0"), dict(s.changes).get("channels", "4")): taus[s.label].mean()
            for s in settings}  # fmt: skip
    assert len(cell) == 6
    means = {v: (cell[v, "4"] + cell[v, "8"]) / 2 for v in ("0.0", "0.1", "0.2")}
    wide = [np.mean([cell[v, c] for v in means]) for c in ("4", "8")]
    assert {e.label: e.value for e in f.main} == pytest.approx(
        {
            "path-dropout=0.1": means["0.1"] - means["0.0"],
            "path-dropout=0.2": means["0.2"] - means["0.0"],
            "channels=8": wide[1] - wide[0],
        }
    )
    assert {e.label: e.value for e in f.interactions} == pytest.approx(
        {
            f"path-dropout={v} × channels=8": cell[v, "8"] - cell["0.0", "8"] - cell[v, "4"] + cell["0.0", "4"]
            for v in ("0.1", "0.2")
        }
    )
    pooled = np.mean([v.var(ddof=1) for v in taus.values()])
    half = stats.t.ppf(0.975, 6) * np.sqrt(pooled / 2 * 4 / 6)
    assert f.main[2].high - f.main[2].value == pytest.approx(half)


def test_a_grid_without_the_bases_values_leaves_the_base_out(study):
    grid = study(plan="grid", heuristics={"path-dropout": [0.1, 0.2], "channels": [8, 16], "layers": [2]})

    def tau(changes):
        return {"0.1": 0.3, "0.2": 0.4}.get(changes.get("path-dropout"), 9.0)

    f = found(grid, tau, seeds=2, base_seeds=2, noise=1e-3)
    assert (f.planned, f.settings) == (4, 4)
    assert f.untold == ("layers",)
    assert [(e.label, e.against) for e in f.main] == [("path-dropout=0.2", "0.1"), ("channels=16", "8")]
    assert [e.value for e in f.main] == pytest.approx([0.1, 0], abs=0.01)


def test_a_grid_of_one_seed_is_tested_by_the_small_contrasts(study):
    f = found(study(plan="grid", heuristics=GRID), cube, noise=1e-3)
    assert (f.error, f.df) == ("lenth", pytest.approx(7 / 3))
    assert all(e.p is not None for e in f.main)
    two = found(study(plan="grid", heuristics=dict(itertools.islice(GRID.items(), 2))), cube, lost=[3])
    assert two.error is None
    assert two.main == []
    assert two.untold == ("path-dropout=0.2", "channels=8")


@pytest.mark.parametrize("plan", ["one-factor", "staged"])
def test_other_plans_have_no_effects_on_average(study, plan):
    assert found(study(plan=plan, heuristics=GRID), cube) is None


def test_a_grid_of_one_heuristic_has_none(study):
    assert found(study(plan="grid", heuristics={"channels": [4, 8, 16]}), cube) is None


# ---- words -----------------------------------------------------------------------------------------------------------


def test_the_words_name_what_is_clear_the_largest_first(study):
    f = found(study(plan="screen", heuristics=NINE), interacting, base_seeds=6, noise=0.004)
    words = on_average(f)
    assert words.startswith("On average over the other heuristics, path-dropout=0.2 raises tau by 0.1")
    clear = sum(effect.clear for effect in f.main)
    assert f"{clear} of 9 effects" in words
    assert (
        f"{9 - clear} are undecided, not shown to be 0: this design detects effects of {f.detectable:.2f} or more"
        in words
    )
    assert "Heuristics interact: settings differ from the sum of the effects by more than seeds do (F test" in words
    assert "as their table says" not in words


def test_nothing_clear_is_said_to_be_undecided(study):
    f = found(study(plan="screen", heuristics=NINE), lambda changes: 0.3, base_seeds=6, noise=0.1)
    words = on_average(f)
    assert "no heuristic clearly changes tau; 0 of 9 effects are clear" in words
    assert "9 are undecided, not shown to be 0" in words
    assert "Interactions are not shown" in words
