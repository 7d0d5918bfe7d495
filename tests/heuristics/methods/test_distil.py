"""Distillation: what the losses are, which network the teacher is, and who pays for it."""

import copy
import json

import numpy as np
import pytest
import torch
from learned import TINY, context, weights_of

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.training import folder, loop, teachers
from supernet.harness.training.loop import taught, train
from supernet.harness.training.run import start
from supernet.harness.training.trial import epoch_cost
from supernet.heuristics.methods.distil import Distillation, selectivity, softened
from supernet.heuristics.routes import Path
from supernet.heuristics.teacher import Teacher

LARGEST, OTHER = (3,) * 6, (3, 2, 1, 3, 0, 2)
BASE = TINY.override(["training.epochs=1"])


def plain_divergence(student, teacher, temperature):
    def softmax(z):
        return np.exp(z) / np.exp(z).sum(1, keepdims=True)

    p, q = softmax(teacher / temperature), softmax(student / temperature)
    return temperature**2 * (p * np.log(p / q)).sum(1).mean()


def plain_discrepancy(student, teacher):
    """The three means of kernels, pair by pair of channels."""
    found = []
    for own, other in zip(student, teacher, strict=True):
        own, other = ([c.ravel() / np.linalg.norm(c) for c in each] for each in (own, other))
        kernels = [np.mean([(a @ b) ** 2 for a in x for b in y]) for x, y in ((own, own), (other, other), (own, other))]
        found.append(kernels[0] + kernels[1] - 2 * kernels[2])
    return np.mean(found)


@pytest.fixture
def taught_context(digits):
    """A context whose teacher is another untrained network."""
    _run, ctx = context(TINY, digits)
    other = start(TINY.override(["seed=1"]), task=digits).network.eval()
    ctx.teach = lambda arch, epochs: Teacher(other, arch, 1000.0 * epochs, 9.0)
    return ctx, other


def test_losses_are_those_of_the_papers():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 5, 10)) * 3
    found = softened(*(torch.from_numpy(each).float() for each in logits), 2.0)
    assert float(found) == pytest.approx(plain_divergence(*logits, 2.0), rel=1e-5)
    own, other = rng.normal(size=(4, 6, 3, 3)), rng.normal(size=(4, 5, 3, 3))
    found = selectivity(torch.from_numpy(own), torch.from_numpy(other))
    assert float(found) == pytest.approx(plain_discrepancy(own, other), rel=1e-5)
    assert float(selectivity(torch.from_numpy(own), torch.from_numpy(own))) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("loss", ["logits", "selectivity"])
def test_a_path_learns_from_the_teacher_alone(taught_context, loss):
    ctx, network = taught_context
    method = Distillation(loss=loss, weight=0.5)
    method.start_epoch(ctx)
    before = copy.deepcopy(network.state_dict())
    out = ctx.forward(Path(OTHER), capture=True)
    spent = ctx.meter.forward
    term = method.path_loss(ctx, out)
    assert ctx.meter.forward - spent == len(ctx.images), "the teacher's pass is metered"
    again = method.path_loss(ctx, ctx.forward(Path(LARGEST), capture=True))
    assert ctx.meter.forward - spent == 2 * len(ctx.images), "the teacher sees the same images once"
    assert float(again.detach()) != float(term.detach())
    features = []
    with torch.no_grad():
        logits = network(ctx.images, LARGEST, features).double().numpy()
    wanted = (
        plain_divergence(out.logits.detach().double().numpy(), logits, 4.0)
        if loss == "logits"
        else plain_discrepancy(out.features[-1].detach().double().numpy(), features[-1].double().numpy())
    )
    assert float(term.detach()) == pytest.approx(0.5 * wanted, rel=1e-3)
    term.backward()
    assert all(p.grad is None for p in network.parameters())
    assert any(p.grad.any() for p in ctx.network.parameters() if p.grad is not None)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_teacher_is_trained_by_the_recipe_alone_and_charged_once(digits, tmp_path, interrupted):
    recipe = TINY.override(["methods.distil.epochs=3", "methods.distil.teacher=" + space("nb201").string(OTHER)])
    run = train(recipe, task=digits)
    teacher = train(teachers.recipe_of(recipe, OTHER, 3), task=digits)
    assert teacher.recipe.sampling.law == "fixed"
    method = run.methods["distil"]
    assert torch.equal(weights_of(teacher), torch.cat([p.flatten() for p in method._teacher.network.parameters()]))
    plain = train(TINY, task=digits)
    extra = [a["passes"] - b["passes"] for a, b in zip(run.log, plain.log, strict=True)]
    steps = run.steps_per_epoch
    assert extra == pytest.approx([3 * steps + steps / 3, steps / 3])
    assert run.log[0]["seconds"] > sum(entry["seconds"] for entry in teacher.log) / 4, "its time counts"
    # A run that is interrupted goes on with the same teacher, and keeps nothing of it once it is done.
    interrupted(recipe, tmp_path / "run", task=digits)
    assert (tmp_path / "run" / teachers.FOLDER).exists()
    kept = next((tmp_path / "run" / teachers.FOLDER).iterdir()) / folder.LOG
    kept_log = [json.loads(line) for line in kept.read_text().splitlines()]
    resumed = train(recipe, tmp_path / "run", task=digits, resume=True)
    assert [e["passes"] for e in resumed.log] == pytest.approx([e["passes"] for e in run.log])
    assert len(kept_log) == 3
    assert torch.equal(weights_of(resumed), weights_of(run))
    assert not (tmp_path / "run" / teachers.FOLDER).exists()


@pytest.mark.parametrize("loss", ["logits", "selectivity"])
def test_networks_of_other_spaces_teach(loss, digits):
    changes = ["space=nb1shot1-1", "methods.distil.epochs=1", f"methods.distil.loss={loss}", "training.epochs=1"]
    assert train(TINY.override(changes), task=digits).log[0]["loss"] > 0


def test_a_kept_teacher_is_not_trained_again(digits, tmp_path, monkeypatch):
    first = taught(BASE, tmp_path, digits, torch.device("cpu"), None, OTHER, 1)
    monkeypatch.setattr(loop, "_epoch", None)
    again = taught(BASE, tmp_path, digits, torch.device("cpu"), None, OTHER, 1)
    assert again.images == first.images > 0
    assert all(torch.equal(a, b) for a, b in zip(first.network.parameters(), again.network.parameters(), strict=True))


def test_the_progress_says_that_it_is_the_teacher_s(digits, monkeypatch):
    monkeypatch.setattr("supernet.harness.training.meter.EpochMeter.INTERVAL", -1)
    told = []
    train(BASE.override(["methods.distil.epochs=2"]), task=digits, progress=told.append)
    assert [p.of(1) for p in told] == ["teacher, epoch 1"] * 3 + ["teacher, epoch 2"] * 3 + ["epoch 1/1"] * 3
    assert [(p.epoch, p.step) for p in told] == [(0, 0)] * 6 + [(0, 1), (0, 2), (0, 3)]


def test_a_kept_teacher_costs_what_its_training_took(digits):
    """Whenever it was trained, the first epoch has its seconds; its speed is that of the steps."""
    network = start(TINY, task=digits).network
    run = train(
        TINY.override(["methods.distil=true"]),
        task=digits,
        teach=lambda arch, epochs: Teacher(network, arch, 0, 5000.0),
    )
    first, second = run.log
    assert first["seconds"] > 5000 > second["seconds"]
    assert first["images_per_second"] > 1


def test_the_teacher_does_not_change_and_sees_statistics_of_batches(digits):
    tracked = TINY.override(["network.bn_track=true"])
    teacher = taught(tracked, None, digits, torch.device("cpu"), None, LARGEST, 1).network
    before = copy.deepcopy(teacher.state_dict())
    _run, ctx = context(tracked, digits)
    with torch.no_grad():
        whole, half = teacher(ctx.images, LARGEST), teacher(ctx.images[:16], LARGEST)
    assert not torch.allclose(whole[:16], half, atol=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())


def test_a_warm_up_takes_the_same_share_of_the_teacher_s_training():
    recipe = TINY.override(["training.epochs=4", "training.warmup_epochs=2"])
    assert teachers.recipe_of(recipe, OTHER, 1).training.warmup_epochs == 0.5


def test_no_weight_is_the_base_to_the_bit(digits):
    alone = train(BASE.override(["methods.distil.weight=0"]), task=digits)
    assert torch.equal(weights_of(alone), weights_of(train(BASE, task=digits)))


def test_a_cost_is_told_without_training_a_teacher(digits):
    recipe = BASE.override(["methods.distil.epochs=5000"])
    cost = epoch_cost(recipe, task=digits, steps=1).of(1).passes
    run = start(recipe, task=digits)
    assert cost == pytest.approx(run.steps_per_epoch * 4 / 3)
    assert run.methods["distil"].foreseen(run.context).once == 5000 * run.steps_per_epoch


def test_what_cannot_be_used_is_refused(digits):
    with pytest.raises(UserError, match="weight lies in"):
        TINY.override(["methods.distil.weight=-1"])
    with pytest.raises(UserError, match=r"distil\.teacher: 'nonsense' is not"):
        train(BASE.override(["methods.distil.teacher=nonsense"]), task=digits)
    with pytest.raises(UserError, match=r"teacher .* cannot be trained"):
        train(BASE.override(["methods.distil.epochs=1", "training.learning_rate=1e30"]), task=digits)
