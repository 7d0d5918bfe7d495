"""The angle of weights against the vectors themselves, put together one architecture at a time."""

import numpy as np
import pytest
import torch

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.scoring.angle import Angle
from supernet.harness.training.run import start

SMALL = {
    "task": {"name": "digits", "train_images": 64, "valid_images": 20},
    "training": {"epochs": 1, "batch_size": 32},
    "network": {"channels": 8, "cells": 1},
    "sampling": {"law": "fair"},
}


@pytest.mark.parametrize("name", ["nb201", "nb1shot1-1"])
def test_it_is_the_angle_between_all_kernels_that_an_architecture_uses(name):
    trained, within = sn.train(space=name, **SMALL), space(name)
    indices = np.array([5, 90, 1_000, 2_222])
    found = Angle(trained).score(indices)["angle"]
    before = start(trained.recipe, task=trained.run.task).network
    archs = within.archs(indices)
    live = within.live(archs) > 0 if name == "nb201" else within.cells(archs).used[:, 1 : within.nodes + 1]
    assert not live.all()
    for angle, arch, kept in zip(found, archs.tolist(), live, strict=True):
        old, new = (
            torch.cat(
                [p.detach().double().flatten() for decision, there in zip(within.operations, kept, strict=True) if there
                 for p in network.parameters_of(decision, arch[decision]) if p.dim() == 4] or [torch.zeros(0)]
            )
            for network in (before, trained.run.network)
        )  # fmt: skip
        expected = torch.arccos((old @ new / (old.norm() * new.norm())).clamp(-1, 1)) if len(old) else 0.0
        assert angle == pytest.approx(float(expected), abs=1e-4)
    assert (found > 0).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["network.ofa_kernel=centre"], "needs network.ofa_kernel=own"),
        (["methods.few-shot.begin=0"], "of this run trained several"),
    ],
)
def test_weights_that_are_not_those_of_one_network_are_refused(changes, message):
    small = ["task.name=digits", "task.train_images=64", "network.channels=4", "network.cells=1"]
    run = start(sn.Recipe().override([*small, *changes]))
    for method in run.methods.values():
        method.start_epoch(run.context)
    with pytest.raises(UserError, match=message):
        Angle(run).score(np.array([5]))


def test_nothing_has_turned_before_training():
    recipe = sn.Recipe().override(["task.name=digits", "task.train_images=64", "network.channels=4", "network.cells=1"])
    run = start(recipe)
    np.testing.assert_allclose(Angle(run).score(np.arange(0, 15_000, 999))["angle"], 0, atol=1e-6)


def test_an_architecture_without_kernels_has_an_angle_of_zero():
    within = space("nb201")
    skips = within.index(within.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"))
    assert Angle(sn.train(**SMALL)).score(np.array([skips]))["angle"].tolist() == [0]
