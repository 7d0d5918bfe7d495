"""Training: the same bits for the same seed, also after an interruption, and folders of runs."""

import json
import random

import numpy as np
import pytest
import torch
from small import assert_same, recipe, weights

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.training import folder as run_folder
from supernet.harness.training.folder import trained_partly, write_tensorboard
from supernet.harness.training.loop import Diverged, open_run, train
from supernet.harness.training.run import start
from supernet.harness.training.schedule import learning_rate
from supernet.heuristics.recipe import TrainingSection

LAWS = [
    ["sampling.law=uniform"],
    pytest.param(["sampling.law=fair"], marks=pytest.mark.long),
    ["sampling.law=fair", "sampling.batch=split", "sampling.reduce=sum"],
    pytest.param(["sampling.law=sandwich"], marks=pytest.mark.long),
    pytest.param(["sampling.law=classes", "sampling.paths=2"], marks=pytest.mark.long),
    ["sampling.per_cell=true", "network.path_dropout=0.2", "network.global_dropout=0.2"],
]


@pytest.mark.parametrize("changes", LAWS, ids=lambda c: ",".join(c))
def test_the_same_seed_gives_the_same_bits(changes, task):
    runs = [train(recipe(*changes), task=task) for _ in range(2)]
    assert_same(weights(runs[0]), weights(runs[1]))
    other = train(recipe(*changes, "seed=1"), task=task)
    assert not torch.equal(other.network.stem.weight, runs[0].network.stem.weight)


@pytest.mark.parametrize("changes", [LAWS[0], LAWS[5], ["training.unsampled=zero", "network.bn_track=true"]], ids=str)
def test_a_resumed_run_ends_with_the_same_bits(changes, task, tmp_path):
    whole = train(recipe(*changes, "training.epochs=3"), tmp_path / "whole", task=task)

    class Stop(Exception):
        pass

    def interrupt(run, out, save=run_folder.save):
        save(run, out)
        if run.epoch == 2:
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_folder, "save", interrupt)
        with pytest.raises(Stop):
            train(recipe(*changes, "training.epochs=3"), tmp_path / "part", task=task)
    resumed = train(recipe(*changes, "training.epochs=3"), tmp_path / "part", task=task, resume=True)
    assert_same(weights(whole), weights(resumed))
    logs = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("whole", "part")
    ]
    assert logs[0] == logs[1]
    assert len(logs[0]) == 3


def test_training_learns(task):
    run = train(recipe("training.epochs=8", "sampling.law=fair", "training.learning_rate=0.1"), task=task)
    assert run.log[-1]["loss"] < 0.8 * run.log[0]["loss"]
    assert run.log[-1]["accuracy"] > 40


def test_one_architecture_trains_alone_and_nothing_else_moves(task):
    text = space("nb201").string((3, 0, 0, 1, 0, 0))
    alone = recipe("sampling.law=fixed", f"sampling.architecture={text}")
    before, run = weights(start(alone, task=task)), train(alone, task=task)
    after = weights(run)
    for name in before:
        if name.startswith("cells."):
            assert torch.equal(before[name], after[name]), name  # edge 0 leads nowhere, and skip has no weights
    assert not torch.equal(before["stem.weight"], after["stem.weight"])
    assert run.log[-1]["loss"] < run.log[0]["loss"]


def test_unsampled_weights_rest_or_decay_as_asked(task):
    text = space("nb201").string((0, 0, 0, 3, 0, 0))
    for policy, moves in (("keep", False), ("zero", True)):
        r = recipe("sampling.law=fixed", f"sampling.architecture={text}", f"training.unsampled={policy}")
        before, after = weights(start(r, task=task)), weights(train(r, task=task))
        unsampled = "cells.0.conv1.0.weight"
        assert torch.equal(before[unsampled], after[unsampled]) != moves


def test_summed_gradients_are_as_many_times_the_mean_as_there_are_paths(task):
    base = ["sampling.law=fair", "training.momentum=0", "training.weight_decay=0", "training.clip=null"]
    base += ["training.epochs=1", "training.batch_size=200", "training.schedule=constant"]
    moved = {}
    for reduce, rate in (("mean", 0.05), ("sum", 0.01)):
        r = recipe(*base, f"sampling.reduce={reduce}", f"training.learning_rate={rate}")
        moved[reduce] = weights(train(r, task=task))["classifier.weight"]
    torch.testing.assert_close(moved["mean"], moved["sum"])


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ([], r"Lower training\.learning_rate, or clip gradients \(training\.clip\)\.$"),
        (["sampling.law=fair", "methods.reptile=true"], r"Lower training\.learning_rate\.$"),
    ],
    ids=str,
)
def test_the_advice_about_divergence_names_keys_that_have_an_effect(changes, advice, task):
    with pytest.raises(Diverged, match=advice):
        train(recipe("training.learning_rate=1e30", "training.clip=null", *changes), task=task)


def test_a_distribution_that_is_not_finite_has_a_rate_of_its_own(task):
    learned = recipe("sampling.law=distribution", "distribution.model=softmax", "training.epochs=2")
    with pytest.raises(Diverged, match=r"Lower distribution\.learning_rate or training\.learning_rate, or clip"):
        train(learned, task=task, after_epoch=lambda run: run.learner.model.table.data.fill_(float("nan")))


def test_split_paths_see_their_part_of_the_batch(task):
    for batch, images in (("whole", 5 * 200), ("split", 200)):
        run = train(recipe("sampling.law=fair", f"sampling.batch={batch}", "training.epochs=1"), task=task)
        assert run.log[0]["images"] == images


def test_divergence_stops_the_training_is_recorded_and_says_where(task, tmp_path):
    wild = recipe("training.learning_rate=1e30", "training.clip=null", "training.epochs=5")
    with pytest.raises(Diverged, match=r"The loss is (nan|inf) in epoch 1 by step \d+"):
        train(wild, tmp_path / "run", task=task)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert status["state"] == "diverged"
    assert "epoch 1" in status["problem"]
    assert status["epochs_done"] == 0


def test_a_ranking_says_that_its_super_net_was_trained_partly(task, tmp_path, interrupted):
    out = tmp_path / "run"

    interrupted(recipe("training.epochs=3"), out, task=task)
    said = "the super-net has been trained for 1 of 3 epochs"
    assert trained_partly(open_run(out, task=task), out) == said
    status = json.loads((out / "status.json").read_text())
    (out / "status.json").write_text(json.dumps(status | {"state": "diverged"}))
    assert trained_partly(open_run(out, task=task), out) == said + ", after which it diverged"
    assert trained_partly(train(recipe("training.epochs=3"), out, task=task, resume=True), out) is None


def test_one_process_works_in_a_folder(tmp_path):
    out = tmp_path / "run"
    with run_folder.hold(out):
        again = run_folder.hold(out)
        with pytest.raises(UserError, match="Another process is working in"):
            again.__enter__()
    with run_folder.hold(out):
        pass


@pytest.mark.parametrize("device", ["cuda", "cudaa"])
def test_a_device_that_is_not_there_is_named(device, task, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"needs an NVIDIA GPU|no device 'cudaa'"):
        start(recipe(), task=task, device=device)


def test_run_folders_are_not_overwritten_and_belong_to_one_recipe(task, tmp_path):
    out = tmp_path / "run"
    train(recipe(), out, task=task)
    with pytest.raises(UserError, match="holds a run already"):
        train(recipe(), out, task=task)
    with pytest.raises(UserError, match="belongs to another recipe"):
        train(recipe("training.epochs=9"), out, task=task, resume=True)
    assert json.loads((out / "status.json").read_text())["state"] == "trained"
    reopened = open_run(out, task=task)
    assert reopened.epoch == 2
    (out / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"checkpoint .* is damaged"):
        open_run(out, task=task)
    with pytest.raises(UserError, match="is not a run folder"):
        open_run(tmp_path / "none", task=task)


def test_learning_rates_follow_their_schedules():
    t = TrainingSection(epochs=10, learning_rate=1.0, final_learning_rate=0.1, warmup_epochs=1.0)
    assert learning_rate(t, 0, 100, 10) == pytest.approx(1 / 11)
    assert learning_rate(t, 10, 100, 10) == 1.0
    assert learning_rate(t, 55, 100, 10) == pytest.approx(0.55)
    assert learning_rate(t, 99, 100, 10) == pytest.approx(0.1, abs=1e-3)
    step = TrainingSection(schedule="step", learning_rate=1.0)
    assert [learning_rate(step, s, 100, 1) for s in (0, 29, 30, 60, 99)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])
    assert learning_rate(TrainingSection(schedule="constant", learning_rate=0.3), 50, 100, 1) == 0.3


def test_three_lines_of_python_train_and_rank(task):
    from supernet.harness.scoring.supernet import rank

    run = train(recipe(), task=task)
    scores = rank(run, range(20))
    assert scores.accuracy.shape == scores.loss.shape == (20,)


@pytest.mark.filterwarnings("ignore")
def test_the_log_becomes_tensorboard_events(task, tmp_path):
    loading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train(recipe(), tmp_path / "run", task=task)
    write_tensorboard(run, tmp_path / "run")
    events = loading.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "accuracy", "learning_rate", "images_per_second"}
    assert [e.step for e in events.Scalars("loss")] == [1, 2]
    assert [e.value for e in events.Scalars("loss")] == pytest.approx([entry["loss"] for entry in run.log], rel=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_environment_of_a_gpu_has_its_settings(task):
    found = run_folder.environment("cuda")
    assert {"cuda", "cudnn", "cudnn_deterministic", "cudnn_benchmark", "tf32_convolutions", "tf32_matrices"} <= {*found}
    assert "cudnn" not in run_folder.environment("cpu")


def test_a_learned_distribution_resumes_to_the_same_bits(task, tmp_path, interrupted):
    base = ["sampling.law=distribution", "distribution.model=controller", "distribution.step=reinforce"]
    learned = recipe(*base, "distribution.updates=2", "distribution.samples=2", "training.epochs=2")
    whole = train(learned, task=task)

    interrupted(learned, tmp_path / "run", task=task)
    resumed = train(learned, tmp_path / "run", task=task, resume=True)
    assert_same(weights(whole), weights(resumed))
    assert_same(whole.learner.model.state_dict(), resumed.learner.model.state_dict())
    assert whole.learner.updater.baseline == resumed.learner.updater.baseline


# ---- random numbers ------------------------------------------------------------------------------------------------


def drawn():
    """A draw from each of the caller's generators."""
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002


@pytest.mark.parametrize("call", [train, start])
def test_the_random_numbers_of_the_caller_go_on_as_if_nothing_was_trained(call, task):
    def seeded():
        random.seed(7)
        np.random.seed(7)  # noqa: NPY002
        torch.manual_seed(7)

    seeded()
    expected = drawn()
    seeded()
    call(recipe("network.path_dropout=0.2"), task=task)
    assert drawn() == expected
