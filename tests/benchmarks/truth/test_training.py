"""What tables say of the networks that they were measured with."""

import pytest

from supernet.benchmarks.errors import BadTable, NoSuchResult
from supernet.benchmarks.truth.shelf import EMBEDDED
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.benchmarks.truth.training import Training, train_images_of, training_of
from supernet.harness.measured.benchmark import load

RECIPE = {"network": {"channels": 8, "cells": 2}, "task": {"train_images": 500}}


@pytest.fixture
def table(tmp_path):
    def table(space="nb201", **about):
        about = {"space": space, "family": "made up", "accuracy_unit": "percent", **about}
        write_table(tmp_path / "t.parquet", {"arch": ["a"], "digits.test.e1.mean": [50.0]}, about)
        return GroundTruth(tmp_path / "t.parquet")

    return table


def test_a_table_says_it_under_keys_of_its_own(table):
    of = Training(channels=4, cells=1, train_images=100)
    assert training_of(table(**of.about())) == of
    assert training_of(table(**of.about(), recipe=RECIPE)) == of  # the keys come first
    assert train_images_of(table(**of.about()), "digits") == 100


def test_a_table_from_before_the_keys_says_it_in_its_recipe(table):
    assert training_of(table(recipe=RECIPE)) == Training(8, 2, 500)
    assert train_images_of(table(recipe=RECIPE), "digits") == 500


@pytest.mark.parametrize("path", sorted(EMBEDDED.glob("*.parquet")), ids=lambda path: path.stem)
def test_every_table_that_ships_says_it(path):
    recipe = load(path.stem).recipe
    wanted = Training(recipe.network.channels, recipe.network.cells, recipe.task.train_images)
    assert training_of(GroundTruth(path)) == wanted


def test_a_table_of_official_records_leaves_it_to_the_benchmark(table):
    assert training_of(table()) is None
    assert train_images_of(table(), "cifar10-valid") == 25_000
    assert train_images_of(table(), "imagenet16-120") == 151_700
    assert train_images_of(table("nb101"), "cifar10") == 40_000


@pytest.mark.parametrize(("space", "dataset"), [("nb201", "digits"), ("nb101", "cifar100"), ("toy", "cifar10")])
def test_a_number_that_nobody_knows_is_not_made_up(table, space, dataset):
    with pytest.raises(NoSuchResult, match=f"t.parquet does not say on how many images of {dataset}"):
        train_images_of(table(space), dataset)


@pytest.mark.parametrize(
    "about",
    [
        {"channels": 4, "cells": 1},
        {"channels": 4, "cells": 1, "train_images": "many"},
        {"channels": 4, "cells": 1, "train_images": True},
        {"channels": 4, "cells": 1, "train_images": 0},
        {"recipe": {"network": [], "task": {"train_images": None}}},
        {"recipe": "16 channels"},
    ],
)
def test_metadata_that_say_something_else_are_refused(table, about):
    for ask in (training_of, lambda truth: train_images_of(truth, "digits")):
        with pytest.raises(BadTable, match=r"do not say with how many .*train_images it was measured"):
            ask(table(**about))
