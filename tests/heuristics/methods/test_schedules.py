"""When methods begin: shares of the epochs become numbers of epochs in one way."""

from types import SimpleNamespace

import pytest

from supernet.heuristics.distribution.learner import Learner
from supernet.heuristics.distribution.models import Softmax
from supernet.heuristics.methods.close import Close
from supernet.heuristics.methods.few_shot import FewShot
from supernet.heuristics.methods.gm_split import GradientMatching
from supernet.heuristics.methods.landmarks import Landmarks
from supernet.heuristics.methods.schedules import first_epoch
from supernet.heuristics.recipe import Recipe


def test_a_share_that_is_a_whole_number_of_epochs_begins_there():
    for epochs in (50, 100, 200):
        for percent in range(101):
            assert first_epoch(percent / 100, epochs) == -(-percent * epochs // 100)
    assert (first_epoch(0.375, 400), first_epoch(0.25, 5), first_epoch(1 / 3, 3)) == (150, 2, 1)


class Begun(Exception):
    """The method did what it begins with."""


def begins(*args, **named):
    raise Begun


@pytest.mark.parametrize(
    ("method", "begin"),
    [
        (FewShot(begin=0.07), "_divide"),
        (GradientMatching(until=0.07, splits=1), "_divide"),
        (Landmarks(begin=0.07), None),
        (Close(every=0.07), None),
        (Learner(Softmax([2, 2]), None, None, None, 0, True), None),
    ],
    ids=lambda part: type(part).__name__,
)
def test_methods_begin_in_the_epoch_that_their_share_names(method, begin):
    """0.07 * 100 is a little above 7."""
    recipe = Recipe().override(["distribution.model=softmax", "distribution.kept_options=1"])
    recipe = recipe.override(["distribution.prune_from=0.07", "training.epochs=100"])
    if begin is not None:
        setattr(method, begin, begins)
    if isinstance(method, Close):
        method._net = SimpleNamespace(active=1, grow=begins)
    if isinstance(method, Learner):
        method.model.prune = begins
    ctx = SimpleNamespace(recipe=recipe, truth=SimpleNamespace(known=[0] * 100, ask=begins))
    ctx.random = lambda asker: SimpleNamespace(choice=begins)
    ctx.epoch = 6
    method.start_epoch(ctx)
    ctx.epoch = 7
    with pytest.raises(Begun):
        method.start_epoch(ctx)
