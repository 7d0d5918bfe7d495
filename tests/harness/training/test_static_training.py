"""Trainings whose steps are static, as they are on a GPU, from start to checkpoint and ranking."""

import pytest
import torch
from small import assert_same, recipe, weights

from supernet.harness.scoring.supernet import rank
from supernet.harness.training import checkpoint, folder, loop
from supernet.harness.training.loop import open_run, train


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setattr(loop, "_rule", lambda run: loop.static_rule(run.recipe, run.device))


class Stop(Exception):
    pass


FAIR = ("sampling.law=fair", "sampling.with_none=false")
"""A recipe whose steps are static on every device."""


def test_a_static_training_resumes_with_the_same_bits(task, tmp_path, static):
    def stop(run):
        if run.epoch == 2:
            raise Stop

    whole = train(recipe(*FAIR), tmp_path / "whole", task=task)
    with pytest.raises(Stop):
        train(recipe(*FAIR), tmp_path / "part", task=task, after_epoch=stop)
    resumed = train(recipe(*FAIR), tmp_path / "part", task=task, resume=True)
    assert_same(weights(whole), weights(resumed))
    again = open_run(tmp_path / "part", task=task)
    assert_same(weights(whole), weights(again))
    assert (rank(again, range(9)).loss == rank(whole, range(9)).loss).all()


def test_static_training_ends_where_that_of_one_path_after_the_other_does(task, tmp_path, monkeypatch):
    one = train(recipe("training.epochs=1", *FAIR), tmp_path / "one", task=task)
    monkeypatch.setattr(loop, "_rule", lambda run: loop.static_rule(run.recipe, run.device))
    other = train(recipe("training.epochs=1", *FAIR), tmp_path / "other", task=task)
    for name, value in weights(one).items():
        torch.testing.assert_close(weights(other)[name], value, atol=1e-3, rtol=1e-3)
    states = [checkpoint.decode((tmp_path / name / folder.CHECKPOINT).read_bytes()) for name in ("one", "other")]
    shapes = [{key: value.shape for key, value in state["network"].items()} for state in states]
    assert shapes[0] == shapes[1]
    assert states[0]["optimiser"].keys() == states[1]["optimiser"].keys()
    assert states[0]["log"][0]["passes"] == states[1]["log"][0]["passes"]
