import pytest

from supernet.harness.study.plan import StudyError
from supernet.harness.study.reading import load_study
from supernet.heuristics.catalogue import CATALOGUE


def labels(settings):
    return [setting.label for setting in settings]


def no_results(_):
    return None


# ---- designs ---------------------------------------------------------------------------------------------------------


def test_one_factor_varies_each_value_alone(study):
    settings = study(heuristics={"path-dropout": [0.1, 0.2], "channels": [8]}).settings(no_results)
    assert labels(settings) == ["base", "path-dropout=0.1", "path-dropout=0.2", "channels=8"]
    assert settings[0].heuristic == "base"
    assert settings[3].recipe.network.channels == 8
    assert settings[3].recipe.network.path_dropout == 0.0


def test_values_equal_to_the_base_are_left_out(study):
    factors = {"channels": [4, 8], "path-sampling": ["random-nas"], "schedule": ["cosine", "step"], "nesterov": "all"}
    assert labels(study(heuristics=factors).settings(no_results)) == [
        "base", "channels=8", "schedule=step", "nesterov=true",
    ]  # fmt: skip


@pytest.mark.parametrize("first", ["clip", "reptile"])
def test_a_change_that_another_one_makes_inert_is_refused_in_any_order(study, first):
    factors = {"clip": [0.25], "reptile": ["on"]}
    factors = dict(sorted(factors.items(), reverse=first == "reptile"))
    with pytest.raises(StudyError, match=r"does not follow training\.clip, so that clip has no effect"):
        study(plan="grid", heuristics=factors).settings(no_results)
    assert len(study(heuristics=factors).settings(no_results)) == 3


@pytest.mark.parametrize("first", ["path-sampling", "sandwich"])
def test_a_change_that_another_one_overwrites_is_refused_in_any_order(study, first):
    factors = {"path-sampling": ["random-a"], "sandwich": ["on"]}
    factors = dict(sorted(factors.items(), reverse=first == "sandwich"))
    with pytest.raises(StudyError, match=r"another of these changes sets what (path-sampling=random-a|sandwich=on)"):
        study(plan="grid", heuristics=factors).settings(no_results)
    with pytest.raises(StudyError, match="another of these changes sets what"):
        study(plan="listed", heuristics=[{name: values[0] for name, values in factors.items()}])


def test_two_spellings_of_one_value_are_refused(study):
    with pytest.raises(StudyError, match=r"heuristics\.path-dropout has the value 0\.1 twice"):
        study(heuristics={"path-dropout": [0.1, "0.10"]})


def test_yaml_reads_on_as_true_in_every_plan(study):
    assert labels(study(heuristics={"sandwich": [True]}).settings(no_results)) == ["base", "sandwich=on"]


def test_a_grid_has_every_combination_once(study):
    grid = study(plan="grid", heuristics={"path-dropout": [0.0, 0.2], "channels": [4, 8], "layers": [2]})
    assert labels(grid.settings(no_results)) == [
        "base",
        "layers=2",
        "channels=8, layers=2",
        "path-dropout=0.2, layers=2",
        "path-dropout=0.2, channels=8, layers=2",
    ]
    last = grid.settings(no_results)[-1]
    assert (last.heuristic, last.value) == ("path-dropout + channels + layers", "0.2 + 8 + 2")


def test_runs_go_seed_by_seed(study):
    chosen = study(seeds=[3, 1], heuristics={"channels": [8]})
    assert [(setting.label, run.recipe.seed) for setting, run in chosen.plan()] == [
        ("base", 3), ("channels=8", 3), ("base", 1), ("channels=8", 1),
    ]  # fmt: skip
    assert {run.sample for _, run in chosen.plan()} == {"20"}
    assert {run.last_epochs for _, run in chosen.plan()} == {2}


class Taus:
    """Taus by path dropout and channels, with the same added for one seed as taken from the other."""

    def __init__(self, known, spread=0.3):
        self.known, self.spread = known, spread

    def __call__(self, run):
        network = run.recipe.network
        mean = self.known.get((network.path_dropout, network.channels))
        return None if mean is None else mean + (self.spread if run.recipe.seed else -self.spread)


STAGES = {"path-dropout": [0.1, 0.2], "channels": [8, 16]}


def test_a_staged_plan_grows_and_keeps_the_best(study):
    staged = study(plan="staged", heuristics=STAGES)
    first = ["base", "path-dropout=0.1", "path-dropout=0.2"]
    assert labels(staged.settings(no_results)) == first
    taus = {(0.0, 4): 0.4, (0.1, 4): 0.6, (0.2, 4): 0.5}
    grown = labels(staged.settings(Taus(taus)))
    assert grown == [*first, "path-dropout=0.1, channels=8", "path-dropout=0.1, channels=16"]
    assert len(staged.plan(Taus(taus))) == 2 * len(grown)
    assert labels(staged.settings(Taus(taus | {(0.1, 8): 0.9, (0.1, 16): 0.1}))) == grown


def test_a_staged_plan_goes_on_from_the_base_when_nothing_is_better(study):
    staged = study(plan="staged", heuristics=STAGES)
    for dropout in (0.3, 0.4):
        taus = {(0.0, 4): 0.4, (0.1, 4): dropout, (0.2, 4): 0.1}
        assert labels(staged.settings(Taus(taus)))[3:] == ["channels=8", "channels=16"]


@pytest.mark.parametrize("missing", [(0.0, 4), (0.1, 4), (0.2, 4)])
def test_a_staged_plan_waits_for_every_result_of_a_stage(study, missing):
    taus = {(0.0, 4): 0.4, (0.1, 4): 0.6, (0.2, 4): 0.5}
    del taus[missing]
    assert len(study(plan="staged", heuristics=STAGES).settings(Taus(taus))) == 3


def test_a_staged_plan_waits_for_every_seed(study):
    staged = study(plan="staged", heuristics=STAGES)
    assert len(staged.settings(lambda run: 0.5 if run.recipe.seed == 0 else None)) == 3


def test_all_leaves_out_what_cannot_be_combined(study):
    chosen = study(heuristics="all")
    names = {heuristic.name for heuristic, _ in chosen.factors}
    inert = {"gradient", "paths-see", "training-portion"}  # one path a step, and a given number of digits
    assert set(CATALOGUE) - names == {"dynamic-channels", "ws-bn"} | inert
    assert len(chosen.settings(no_results)) > 40
    assert all(run.recipe.space == "nb201" for _, run in chosen.plan())
    two_paths = dict(study("sampling.paths=2", heuristics="all").factors)
    assert two_paths[CATALOGUE["path-sampling"]] == ("random-nas", "random-a", "classes")
    assert CATALOGUE["sandwich"] not in two_paths


def test_heuristics_may_be_a_list_of_names(study):
    assert labels(study(heuristics=["clip", "with-none"]).settings(no_results)) == [
        "base", "clip=null", "clip=0.25", "with-none=false",
    ]  # fmt: skip


def test_yaml_values_are_read_as_the_catalogue_spells_them(study):
    chosen = study(heuristics={"clip": [None], "with-none": [False], "learning-rate": [1e-3]})
    (_, clip, none, rate) = chosen.settings(no_results)
    assert clip.recipe.training.clip is None
    assert none.recipe.sampling.with_none is False
    assert rate.recipe.training.learning_rate == 1e-3


LISTED = """
space: nb201
truth: {table: nb201-digits, dataset: digits, split: test, seed: mean}
seeds: {base: 3, others: 2}
plan: listed
recipe: {task: {name: digits}, network: {channels: 8, cells: 1}, training: {epochs: 24}}
heuristics:
  - {magic-t: on, epochs: 18}
  - {path-sampling: fair-nas}
  - {epochs: 24}
"""


def test_a_listed_plan_has_the_settings_that_it_lists(tmp_path):
    (tmp_path / "mine.yaml").write_text(LISTED)
    study = load_study(tmp_path / "mine.yaml")
    settings = study.settings(lambda _: None)
    # The last one is what the base has.
    assert [setting.label for setting in settings] == ["base", "magic-t=on, epochs=18", "path-sampling=fair-nas"]
    assert settings[1].recipe == study.base.override(["methods.magic-t=true", "training.epochs=18"])
    assert [len(study.runs(setting)) for setting in settings] == [3, 2, 2]


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("heuristics: {magic-t: all}", "list of settings"),
        ("heuristics: [magic-t]", "list of settings"),
        ("heuristics: []", "list of settings"),
        ("heuristics: [{magik-t: on}]", "magic-t"),
        ("heuristics: [{epochs: 3, magic-t: twice}]", "twice"),
        ("heuristics: [{epochs: [3, 4]}]", "epochs"),
    ],
)
def test_a_listed_plan_that_cannot_be_read_is_refused(tmp_path, written, word):
    (tmp_path / "mine.yaml").write_text(LISTED[: LISTED.index("heuristics:")] + written)
    with pytest.raises(StudyError, match=word):
        load_study(tmp_path / "mine.yaml")
