import types
import typing

import pytest
import torch

from supernet.harness.supernet.build import build_network
from supernet.heuristics import recipe as recipes
from supernet.heuristics.ranges import MOST_EPOCHS, MOST_SEED, RANGES, network_parameters
from supernet.heuristics.recipe import Recipe, RecipeError, TaskSection, TrainingSection

KINDS = {name: kind for name, kind, _ in recipes._fields(Recipe()) if name in recipes.key_names()}


def has(kind, *types_):
    return kind in types_ or (isinstance(kind, types.UnionType) and any(t in typing.get_args(kind) for t in types_))


FLOATS = [name for name, kind in KINDS.items() if has(kind, float)]
INTS = [name for name, kind in KINDS.items() if has(kind, int)]


def problem(*changes):
    with pytest.raises(RecipeError) as error:
        Recipe().override(changes)
    assert len(str(error.value)) < 1000
    return str(error.value)


def test_every_number_has_a_range_that_its_default_lies_in():
    assert set(FLOATS) | set(INTS) == set(RANGES)
    assert len(FLOATS) > 15
    assert len(INTS) > 15


@pytest.mark.parametrize("value", ["nan", ".nan", "inf", "-inf", ".inf", "1e400", "true", "[1]", "{a: 1}", "fast"])
@pytest.mark.parametrize("name", FLOATS)
def test_what_is_not_a_finite_number_is_refused_for_every_key(name, value):
    assert f"{name} is " in problem(f"{name}={value}")


@pytest.mark.parametrize("value", ["1.5", "true", "many", "[1]", "-1", ".nan", "1" + "0" * 400, "2001-01-01"])
@pytest.mark.parametrize("name", INTS)
def test_what_is_not_a_whole_number_in_range_is_refused_for_every_key(name, value):
    said = problem(f"{name}={value}")
    assert f"{name} is " in said
    assert "0" * 100 not in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seed=20000000000000", "seed is 20000000000000, but must be at most 18,446,688,733,"),
        ("task.seed=-1", "task.seed is -1, but must be at least 0"),
        ("task.size=0", "task.size is 0, but must be at least 4"),
        ("task.size=1", "task.size is 1, but must be at least 4"),
        ("task.train_images=100000000000", "task.train_images is 100000000000, but must be at most 1,000,000"),
        ("task.valid_images=0", "task.valid_images is 0, but must be at least 1"),
        ("network.channels=1000000000", "network.channels is 1000000000, but must be at most 10,000"),
        ("network.channels=5000", "weights; at most 536,870,912 are supported"),
        ("sampling.paths=1000000000", "sampling.paths is 1000000000, but must be at most"),
        ("distribution.temperature=0", "distribution.temperature is 0.0, but must be above 0"),
        ("training.learning_rate=inf", "training.learning_rate is inf, but must be at most 1e+30"),
        ("training.clip=nan", "training.clip is nan, but must be a number"),
    ],
)
def test_what_no_machine_can_do_is_refused_with_the_bound(change, message):
    assert message in problem(change)


def test_the_largest_seed_is_one_that_training_can_use():
    recipe = Recipe().override([f"seed={MOST_SEED}", f"training.epochs={MOST_EPOCHS}"])
    last = recipe.seed * 1_000_003 + recipe.training.epochs - 1
    torch.Generator().manual_seed(last)
    with pytest.raises((ValueError, RuntimeError, OverflowError)):
        torch.Generator().manual_seed(last + 3 * 1_000_003)
    torch.Generator().manual_seed(int(RANGES["task.seed"].high))


@pytest.mark.parametrize("space", ["nb201", "nb1shot1-1", "nb1shot1-3", "darts"])
def test_the_estimate_of_a_networks_size_is_near_the_truth(space):
    for channels, cells in ((32, 1), (64, 3)):
        recipe = Recipe(space=space).override([f"network.channels={channels}", f"network.cells={cells}"])
        with torch.device("meta"):
            weights = sum(p.numel() for p in build_network(recipe, 10).parameters())
        assert 0.7 < network_parameters(space, channels, cells, wide_nodes=False) / weights < 1.4


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "digits"}, "task is 'digits', but must be a TaskSection"),
        ({"training": {"epochs": 3}}, "training is {'epochs': 3}, but must be a TrainingSection"),
        ({"seed": "3"}, "seed is '3', but must be int"),
        ({"seed": True}, "seed is True, but must be int"),
        ({"task": TaskSection(name=None)}, "task.name is None, but must be str"),
        ({"training": TrainingSection(epochs=3.0)}, "training.epochs is 3.0, but must be int"),
        ({"training": TrainingSection(schedule="cosin")}, "did you mean cosine?"),
        ({"space": ["nb201"]}, "space is ['nb201'], but must be str"),
    ],
)
def test_a_recipe_made_in_python_is_checked_like_one_from_a_file(given, message):
    with pytest.raises(RecipeError) as error:
        Recipe(**given)
    assert message in str(error.value)


def test_whole_numbers_are_numbers_in_python_too():
    assert Recipe(training=TrainingSection(learning_rate=1, clip=None)).training.learning_rate == 1


def test_many_problems_make_one_readable_message():
    said = problem(*(f"{name}=-1" for name in RANGES if name != "distribution.entropy"))
    assert "more problems" in said
    assert said.count(";") == 8
