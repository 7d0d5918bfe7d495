"""A run that several machines have trained names all of them."""

import pytest
import torch
from small import recipe

from supernet.benchmarks.errors import UserError
from supernet.harness.runs.environments import joined
from supernet.harness.training import folder as run_folder
from supernet.harness.training.loop import train


class Stop(Exception):
    pass


def trained_on(device, out, task, monkeypatch, until=None):
    """Train on a machine whose device has this name, until it is stopped before its last epochs."""

    def save(run, out, save=run_folder.save):
        save(run, out)
        if run.epoch == until:
            raise Stop

    with monkeypatch.context() as patch:
        found = run_folder.environment("cpu")
        patch.setattr(run_folder, "environment", lambda _="cpu": {**found, "device": device})
        patch.setattr(run_folder, "save", save)
        train(recipe("training.epochs=3"), out, task=task, resume=True)


def recorded(out):
    return run_folder.read_status(out)["environment"]["device"]


def test_a_run_that_goes_on_elsewhere_records_every_machine(task, tmp_path, monkeypatch):
    for device, until in (("GPU A", 1), ("GPU B", 2), ("GPU B", None)):
        try:
            trained_on(device, tmp_path, task, monkeypatch, until)
        except Stop:
            assert run_folder.read_status(tmp_path)["state"] == "training"
    assert recorded(tmp_path) == "GPU A + GPU B"
    assert run_folder.read_status(tmp_path)["environment"]["torch"] == torch.__version__
    trained_on("GPU C", tmp_path, task, monkeypatch)  # nothing is left to do
    assert recorded(tmp_path) == "GPU A + GPU B"


def test_a_checkpoint_without_environments_is_read(task, tmp_path, monkeypatch):
    saved = run_folder.checkpoint.encode

    def encode(state):
        return saved({key: value for key, value in state.items() if key != "environments"})

    with monkeypatch.context() as patch:
        patch.setattr(run_folder.checkpoint, "encode", encode)
        with pytest.raises(Stop):
            trained_on("GPU A", tmp_path, task, monkeypatch, 2)
    trained_on("GPU B", tmp_path, task, monkeypatch)
    assert recorded(tmp_path) == "not recorded + GPU B"


def test_environments_of_another_form_are_damage(task, tmp_path, monkeypatch):
    saved = run_folder.checkpoint.encode
    with monkeypatch.context() as patch:
        patch.setattr(run_folder.checkpoint, "encode", lambda state: saved({**state, "environments": [[1]]}))
        with pytest.raises(Stop):
            trained_on("GPU A", tmp_path, task, monkeypatch, 2)
    with pytest.raises(UserError, match="its environments are not those of a run"):
        trained_on("GPU B", tmp_path, task, monkeypatch)


def test_values_in_which_environments_differ_are_listed():
    one, other = {"device": "cpu", "threads": 1}, {"device": "NVIDIA H200", "threads": 1, "cuda": "12.8"}
    assert joined([one, other, one]) == {"device": "cpu + NVIDIA H200", "threads": 1, "cuda": "12.8"}
