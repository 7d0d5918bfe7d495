import pytest

from supernet.heuristics import recipe as recipes
from supernet.heuristics.recipe import Recipe, RecipeError
from supernet.heuristics.spelling import ALIASES


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("training.lr", "training.learning_rate"),
        ("lr", "training.learning_rate"),
        ("distribution.lr", "distribution.learning_rate"),
        ("LR", "training.learning_rate"),
        ("wd", "training.weight_decay"),
        ("bs", "training.batch_size"),
        ("batch", "training.batch_size"),
        ("evaluation.bs", "evaluation.batch_size"),
        ("momentum", "training.momentum"),
        ("epochs", "training.epochs"),
        ("training.epoch", "training.epochs"),
        ("size", "task.size"),
        ("images", "evaluation.images"),
        ("dataset", "task.name"),
        ("task.dataset", "task.name"),
        ("data", "task.name"),
        ("training.train_images", "task.train_images"),
        ("training.channels", "network.channels"),
        ("path-droput", "network.path_dropout"),
        ("training.path_droput", "network.path_dropout"),
        ("training.learning-rate", "training.learning_rate"),
        ("Training.Epochs", "training.epochs"),
        ("trainin.epochs", "training.epochs"),
        ("sampling.lwa", "sampling.law"),
        ("law", "sampling.law"),
        ("training.seed", "seed"),
        ("sede", "seed"),
        ("layers", "network.cells"),
        ("training.nestrov", "training.nesterov"),
    ],
)
def test_the_key_that_was_meant_is_named(written, meant):
    with pytest.raises(RecipeError, match=f"there is no key '{written}'; did you mean {meant}\\?"):
        Recipe().override([f"{written}=1"])


def test_a_key_like_no_other_gets_the_keys_that_there_are():
    with pytest.raises(RecipeError, match="there is no key 'zzz'; a recipe has space, seed, task, network, training"):
        Recipe().override(["zzz=1"])
    with pytest.raises(RecipeError, match=r"section training has training\.epochs, .*training\.amp"):
        Recipe().override(["training.zzzzzz=1"])
    with pytest.raises(RecipeError, match=r"'training'; it is a section, which has the keys training\.epochs"):
        Recipe().override(["training=1"])


def test_keys_of_files_are_guessed_like_those_of_options():
    with pytest.raises(RecipeError, match=r"'lr'; did you mean training\.learning_rate"):
        recipes.from_dict({"lr": 0.1})
    with pytest.raises(RecipeError, match="'trainin'; did you mean training"):
        recipes.from_dict({"trainin": {"epochs": 3}})
    with pytest.raises(RecipeError, match=r"'training\.train_images'; did you mean task\.train_images"):
        recipes.from_dict({"training": {"train_images": 3}})


def test_every_alias_stands_for_a_key():
    last = {key.rpartition(".")[2] for key in recipes.key_names()}
    assert {meant for meant in ALIASES.values() if meant not in recipes.key_names()} <= last


@pytest.mark.parametrize("name", ["", ".", "..", "training.", "training..epochs", ".epochs", "x" * 90_000, "a.b.c.d"])
def test_whatever_is_written_the_message_is_short(name):
    with pytest.raises(RecipeError) as error:
        Recipe().override([f"{name}=1"])
    assert len(str(error.value)) < 800
