"""Changes of a recipe that train the same weights are no settings of a study."""

import pytest
import torch
from small import assert_same, recipe, weights

from supernet.benchmarks.tasks.task import load_task
from supernet.harness.study.plan import StudyError
from supernet.harness.training.loop import train
from supernet.heuristics.inert import why_inert


def labels(settings):
    return [setting.label for setting in settings]


@pytest.mark.parametrize("change", ["sampling.reduce=sum", "sampling.batch=split"])
def test_what_is_about_several_paths_makes_no_difference_to_one(change, task):
    key = change.partition("=")[0]
    assert_same(weights(train(recipe(), task=task)), weights(train(recipe(change), task=task)))
    assert "several paths" in why_inert(recipe(change), {key})
    for several in (["sampling.law=fair"], ["sampling.paths=2"], ["methods.magic-t=true"]):
        assert why_inert(recipe(*several), {key}) is None
    assert why_inert(recipe(), {key, "training.clip"}) is None


def test_a_given_number_of_digits_leaves_nothing_to_the_portion():
    tasks = [load_task("digits", train_images=60, valid_images=60, train_portion=share) for share in (0.25, 0.9)]
    assert all(torch.equal(*(getattr(task, part).images for task in tasks)) for part in ("train", "valid", "test"))
    given = recipe("task.name=digits", "task.train_images=60")
    assert "decides how many images train" in why_inert(given, {"task.train_portion"})
    assert "the files of cifar10-valid" in why_inert(recipe("task.name=cifar10-valid"), {"task.train_portion"})
    for free in (["task.name=digits"], ["task.name=cifar10", "task.train_images=60"]):
        assert why_inert(recipe(*free), {"task.train_portion"}) is None


@pytest.mark.parametrize("heuristics", [{"gradient": ["sum"]}, {"paths-see": "all"}, {"training-portion": [0.25]}])
@pytest.mark.parametrize("plan", ["one-factor", "listed"])
def test_a_setting_that_trains_the_weights_of_another_is_refused(plan, heuristics, study):
    name, value = next((name, {"paths-see": "split"}.get(name) or values[0]) for name, values in heuristics.items())
    chosen = [{name: value}] if plan == "listed" else heuristics
    with pytest.raises(StudyError, match=f"{name}={value} would train the same weights without {name}"):
        study(plan=plan, heuristics=chosen).settings(lambda _: None)


def test_plans_that_combine_changes_keep_what_matters_in_some_of_their_settings(study):
    factors = {"path-sampling": ["random-nas", "fair-nas"], "gradient": ["mean", "sum"]}
    assert "path-sampling=fair-nas, gradient=sum" in labels(
        study(plan="grid", heuristics=factors).settings(lambda _: 0)
    )
    several = [{"path-sampling": "fair-nas", "gradient": "sum"}]
    assert labels(study(plan="listed", heuristics=several).settings(lambda _: 0))[1:] == [
        "path-sampling=fair-nas, gradient=sum"
    ]
    # The stages go on from the first value with the highest tau, which is that of the base here.
    assert labels(study(plan="staged", heuristics=factors).settings(lambda _: 0.5)) == [
        "base", "path-sampling=fair-nas",
    ]  # fmt: skip


def test_all_heuristics_are_those_that_make_a_difference(study):
    varied = {setting.heuristic for setting in study(heuristics="all").settings(lambda _: None)}
    assert {"clip", "path-sampling"} <= varied
    assert not varied & {"gradient", "paths-see", "training-portion"}


@pytest.mark.parametrize("plan", ["grid", "screen"])
def test_a_change_that_makes_no_difference_in_any_combination_is_refused(plan, study):
    factors = {"clip": ["null"], "learning-rate": [0.1], "schedule": ["constant"], "gradient": ["sum"]}
    with pytest.raises(StudyError, match=r"gradient=sum makes no difference in any setting: sampling\.reduce is about"):
        study(plan=plan, heuristics=factors).settings(lambda _: None)
