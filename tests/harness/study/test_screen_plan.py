"""Study files with `plan: screen`."""

import numpy as np
import pytest

from supernet.harness.study.plan import StudyError
from supernet.harness.study.screen import two_level_design
from supernet.heuristics.catalogue import CATALOGUE, Heuristic

FIVE = {"path-dropout": [0.2], "channels": [8], "layers": [2], "schedule": ["constant"], "nesterov": [True]}


def test_every_row_of_the_design_is_a_setting_named_by_its_changes(study):
    settings = study(plan="screen", heuristics=FIVE).settings(lambda run: None)
    on = np.array([[2 * (name in dict(s.changes)) - 1 for name in FIVE] for s in settings])
    assert on.tolist() == two_level_design(5).tolist()
    assert settings[0].label == "base"
    for setting in settings:
        recipe = setting.recipe
        assert setting.label == ", ".join(f"{name}={value}" for name, value in setting.changes) or "base"
        assert recipe.network.channels == (8 if "channels=8" in setting.label else 4)
        assert recipe.training.schedule == ("constant" if "schedule=constant" in setting.label else "cosine")


def test_every_row_has_seeds_of_its_own(study):
    screen = study(plan="screen", heuristics=FIVE, seeds={"base": 6, "others": [0, 7]})
    base, *others = screen.settings(lambda run: None)
    assert [run.recipe.seed for run in screen.runs(base)] == [0, 1, 2, 3, 4, 5]
    assert [run.recipe.seed for run in screen.runs(others[0])] == [1000, 1007]
    seeds = [run.recipe.seed for _, run in screen.plan()]
    assert len(set(seeds)) == len(seeds) == 6 + 2 * 15


def test_more_seeds_of_the_base_keep_the_runs_that_there_are(study):
    few, more = (
        {run.hash for _, run in study(plan="screen", heuristics=FIVE, seeds={"base": n, "others": 1}).plan()}
        for n in (2, 3)
    )
    assert few < more
    assert len(more) == len(few) + 1


MISTAKES = [
    (
        {"heuristics": dict(FIVE, channels=[8, 16])},
        "plan: screen compares one value of each heuristic with the base, but heuristics.channels has 2; list one",
    ),
    ({"heuristics": {"channels": [8], "layers": [2]}}, "3 to 32 heuristics at once, but 2 are listed; plan: grid"),
    ({"heuristics": dict(FIVE, channels=[4])}, "channels=4 is what the base has; a screen needs a value that differs"),
    ({"heuristics": "all"}, "but heuristics.batch-norm has 5; list one"),
    (
        {"heuristics": {"channels": [8], "path-sampling": ["classes"], "layers": [2], "per-cell": [True]}},
        "per-cell=true cannot be had with path-sampling=classes: The recipe cannot be used: sampling.per_cell draws",
    ),
    ({"plan": "scren"}, "must be one of one-factor, listed, grid, staged, screen"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=lambda value: str(value)[:60])
def test_what_cannot_be_screened_is_said_when_the_file_is_read(study, change, message):
    with pytest.raises(StudyError) as error:
        study(**{"plan": "screen", **change})
    assert message in str(error.value)
    assert "tiny.yaml" in str(error.value)
    assert len(str(error.value)) < 700


def test_the_message_on_a_pair_says_what_to_do(study):
    heuristics = {"channels": [8], "path-sampling": ["classes"], "layers": [2], "per-cell": [True]}
    with pytest.raises(StudyError, match="leave one of these two out, or use plan: one-factor"):
        study(plan="screen", heuristics=heuristics)


@pytest.mark.parametrize(
    "edit", [("network.channels=8", "network.cells=2"), ("network.channels=16", "network.cells=2")]
)
def test_heuristics_that_set_the_same_key_are_no_two_factors(study, edit):
    CATALOGUE["wide"] = Heuristic("wide", "unsaid", "Channels and cells.", {"yes": edit}, "made up")
    heuristics = {"path-dropout": [0.2], "channels": [8], "wide": ["yes"]}
    with pytest.raises(
        StudyError, match=r"channels=8 and wide=yes set the same part of the recipe\. A screen combines"
    ):
        study(plan="screen", heuristics=heuristics)
    assert study(heuristics=heuristics)
