"""Interference and disturbance: the measurements, and that training does not notice them."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from learned import TINY, weights_of

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import Batch
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.hooks import Supernet
from supernet.heuristics.measuring import measuring, pairs_of
from supernet.heuristics.methods.disturbance import Disturbance
from supernet.heuristics.methods.interference import Interference, cosine
from supernet.heuristics.methods.looks import looks
from supernet.heuristics.routes import Path

SPACES = ["nb201", "nb1shot1-1"]


def ready(method, digits, *changes, space_name="nb201"):
    """The context of an untrained run, and the method with its images."""
    run = start(TINY.override([f"space={space_name}", *changes]), task=digits)
    method.source = lambda split, count: _first(run.task, split, count)
    method.start_epoch(run.context)
    return run.context, method


def _first(task, split, count):
    """The first images of a split."""
    rows = torch.arange(count)
    images = {"train": task.train, "valid": task.valid}[split].take(rows)
    return Batch(images.images.float() / 128 - 1, images.labels, rows)


# ---- pairs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space_name", SPACES)
def test_pairs_share_a_live_operation_and_differ_as_they_say(space_name, digits):
    ctx, _ = ready(Interference(), digits, space_name=space_name)
    pairs = pairs_of(ctx, 3)
    assert pairs == pairs_of(ctx, 3), "they are the same each time"
    decisions = len(ctx.space.decisions)
    assert [pair.distance for pair in pairs] == [d for d in range(1, decisions) for _ in range(3)]
    assert [pair.number for pair in pairs] == list(range(len(pairs)))
    for pair in pairs:
        assert ctx.space.distance(pair.first, pair.second) == pair.distance
        assert pair.first[pair.kept] == pair.second[pair.kept]
        parents = [d for d in range(decisions) if d not in ctx.space.operations and pair.first[d] != pair.second[d]]
        assert pair.columns(ctx.space)["parents"] == len(parents)
        assert ctx.network.operations_of(pair.kept, pair.first[pair.kept])
        for arch in (pair.first, pair.second):
            seen = looks(ctx, arch, {pair.kept: arch[pair.kept]}, _first(digits, "train", 8))
            assert set(seen) == {(cell, pair.kept) for cell in range(ctx.network.cell_count)}


def test_pairs_follow_the_seed_and_leave_out_what_is_not_trained(digits):
    ctx, _ = ready(Interference(), digits, "sampling.with_none=false")
    other, _ = ready(Interference(), digits, "sampling.with_none=false", "seed=1")
    assert pairs_of(ctx, 2) != pairs_of(other, 2)
    assert all(0 not in pair.first + pair.second for pair in pairs_of(ctx, 20))


# ---- interference ----------------------------------------------------------------------------------------------------


def test_inputs_and_output_gradients_make_the_gradient_of_a_convolution(digits):
    """In 1Shot1 an operation is a bare convolution, whose gradient follows from the two others."""
    ctx, method = ready(Interference(images=16), digits, space_name="nb1shot1-1")
    arch = tuple(ctx.space.arch(4321))
    shared = {d: arch[d] for d in ctx.space.operations}
    seen = looks(ctx, arch, shared, method.batch("train"))
    assert seen
    for (cell, decision), look in seen.items():
        ((module,),) = [ctx.network.operations_of(decision, arch[decision])[cell]]
        expected = torch.nn.grad.conv2d_weight(
            look.inputs, module.weight.shape, look.output_gradients, padding=module.padding
        )
        torch.testing.assert_close(look.gradient, expected.flatten(), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("space_name", SPACES)
def test_gradients_are_those_of_a_backward_pass(space_name, digits):
    ctx, method = ready(Interference(images=16), digits, "network.bn_affine=true", space_name=space_name)
    batch, arch = method.batch("train"), (3, 3, 3, 2, 3, 2) if space_name == "nb201" else tuple(ctx.space.arch(4321))
    shared = {d: arch[d] for d in ctx.space.operations}
    seen = looks(ctx, arch, shared, batch)
    assert all(p.grad is None for p in ctx.network.parameters()), "none is left behind"
    F.cross_entropy(ctx.network(batch.images, arch), batch.labels).backward()
    for (cell, decision), look in seen.items():
        (module,) = ctx.network.operations_of(decision, arch[decision])[cell]
        expected = torch.cat([p.grad.flatten() for p in module.parameters()])
        torch.testing.assert_close(look.gradient, expected, atol=1e-6, rtol=1e-4)


def test_there_is_a_row_for_each_pair_cell_and_shared_operation(digits):
    ctx, method = ready(Interference(images=16, pairs=2), digits)
    rows = method.measure(ctx)
    pairs = {pair.number: pair for pair in pairs_of(ctx, 2)}
    names = [d.name for d in ctx.space.decisions]
    assert {row["pair"] for row in rows} == set(pairs)
    assert {row["cell"] for row in rows} == {1, 2, 3}
    for row in rows:
        pair, decision = pairs[row["pair"]], names.index(row["decision"])
        assert pair.first[decision] == pair.second[decision]
        assert row["operation"] == ctx.space.decisions[decision].options[pair.first[decision]]
        assert (row["first"], row["second"]) == (ctx.space.string(pair.first), ctx.space.string(pair.second))
        one, other = (
            looks(ctx, arch, {decision: arch[decision]}, method.batch("train"))[row["cell"] - 1, decision]
            for arch in (pair.first, pair.second)
        )
        for column, a, b in (
            ("cosine", one.gradient, other.gradient),
            ("inputs", one.inputs, other.inputs),
            ("output_gradients", one.output_gradients, other.output_gradients),
        ):
            a, b = (x.double().flatten().numpy() for x in (a, b))
            assert row[column] == pytest.approx(a @ b / np.sqrt((a @ a) * (b @ b)), abs=1e-6)


def test_cosines_that_are_not_defined_are_empty():
    assert cosine(torch.tensor([1.0, 0.0]), torch.tensor([2.0, 2.0])) == pytest.approx(0.5**0.5)
    assert cosine(torch.tensor([1.0, 1.0]), torch.tensor([-3.0, -3.0])) == pytest.approx(-1)
    assert cosine(torch.zeros(2), torch.ones(2)) is None
    assert cosine(torch.ones(2), torch.ones(3)) is None


def test_a_network_that_does_not_name_its_operations_is_refused(digits):
    ctx, method = ready(Interference(images=16, pairs=1), digits)

    class Nameless(Supernet):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x, routing, features=None):
            return self.network(x, routing, features)

        def parameters_of(self, decision, option):
            return self.network.parameters_of(decision, option)

    ctx.network = Nameless(ctx.network)
    with pytest.raises(UserError, match=r"methods\.interference finds no operation to compare"):
        method.start_epoch(ctx)


# ---- disturbance -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [["training.clip=null"], ["training.clip=0.01"]], ids=str)
def test_disturbance_is_the_change_by_one_step_of_the_other_architecture(changes, digits):
    ctx, method = ready(Disturbance(images=16, pairs=1, rate=0.5), digits, *changes)
    before = torch.cat([p.detach().flatten() for p in ctx.network.parameters()])
    rows = method.measure(ctx)
    assert torch.equal(before, torch.cat([p.detach().flatten() for p in ctx.network.parameters()])), "steps are undone"
    train_batch, valid = method.batch("train"), method.batch("valid")
    for row, pair in zip(rows, pairs_of(ctx, 1), strict=True):
        network = copy.deepcopy(ctx.network)
        optimiser = torch.optim.SGD(network.parameters(), 0.5)
        optimiser.zero_grad()
        F.cross_entropy(network(train_batch.images, pair.second), train_batch.labels).backward()
        if ctx.recipe.training.clip is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), ctx.recipe.training.clip)
        optimiser.step()
        with torch.no_grad():
            old, new = (F.cross_entropy(n(valid.images, pair.first), valid.labels) for n in (ctx.network, network))
        assert row["loss"] == pytest.approx(float(old), abs=1e-6)
        assert row["change"] == pytest.approx(float(new - old), rel=1e-4, abs=1e-5)
    assert any(row["change"] for row in rows)


def test_the_rate_is_that_of_training_unless_it_is_given(digits):
    ctx, method = ready(Disturbance(images=16, pairs=1), digits)
    ctx.optimiser.param_groups[0]["lr"] = 0.0
    assert {(row["rate"], row["change"]) for row in method.measure(ctx)} == {(0.0, 0.0)}


# ---- training does not notice ----------------------------------------------------------------------------------------

BASE = [
    "training.epochs=3", "network.bn_track=true", "network.bn_affine=true", "network.path_dropout=0.2",
    "network.global_dropout=0.1",
]  # fmt: skip
MEASURES = [
    "methods.interference.pairs=1", "methods.interference.images=16", "methods.interference.every=2",
    "methods.disturbance.pairs=1", "methods.disturbance.images=16", "methods.disturbance.every=3",
]  # fmt: skip


@pytest.fixture(scope="module")
def measured(digits, tmp_path_factory):
    """A training that is measured by methods before the others, and its folder."""
    out = tmp_path_factory.mktemp("measured")
    listed = TINY.override([*BASE, *MEASURES, "methods.magic-t=true"])
    return train(listed, out / "run", task=digits), out / "run"


def test_training_is_the_same_bit_for_bit(measured, digits):
    run, _ = measured
    assert [c.name for c in run.recipe.methods][-1] == "magic-t"
    without = train(TINY.override([*BASE, "methods.magic-t=true"]), task=digits)
    assert torch.equal(weights_of(run), weights_of(without))
    buffers = dict(without.network.named_buffers())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in run.network.named_buffers())
    kept = ("epoch", "loss", "accuracy", "learning_rate", "images", "passes")
    assert [[entry[k] for k in kept] for entry in run.log] == [[entry[k] for k in kept] for entry in without.log]
    assert not any("measure_passes" in entry for entry in without.log)


def test_what_is_measured_is_recorded_and_metered_apart(measured):
    run, out = measured
    frame = pd.read_parquet(out / "measured.parquet")
    assert frame.groupby("method")["epoch"].unique().map(list).to_dict() == {"disturbance": [3], "interference": [2, 3]}
    assert len(frame) == len(run.measured)
    assert frame.loc[frame["method"] == "interference", "cosine"].between(-1 - 1e-9, 1 + 1e-9).all()
    assert frame.loc[frame["method"] == "disturbance", "cosine"].isna().all()
    pairs, size = len(space("nb201").decisions) - 1, run.recipe.training.batch_size
    two_ways = 2 * pairs * 16 / size
    assert [entry.get("measure_passes") for entry in run.log] == [
        None, pytest.approx(two_ways), pytest.approx(two_ways + pairs * 16 * (1 + 2 / 3) / size),
    ]  # fmt: skip
    assert all(entry["measure_seconds"] > 0 for entry in run.log[1:])


def test_the_context_is_restored_even_if_a_measurement_fails(digits):
    ctx, _ = ready(Interference(images=16), digits)
    network, meter, state = ctx.network, ctx.meter, torch.get_rng_state()

    def fails():
        with measuring(ctx):
            torch.rand(3)
            ctx.forward(Path((3,) * 6), _first(digits, "train", 16))
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert (ctx.network, ctx.meter) == (network, meter)
    assert network.training
    assert torch.equal(state, torch.get_rng_state())


def test_more_images_than_there_are_is_refused_before_training(digits):
    with pytest.raises(UserError, match="measures on 5,000 images of the split train, which has only 96"):
        train(TINY.override(["methods.interference.images=5000"]), task=digits)
    with pytest.raises(UserError, match="of the split valid, which has only 20"):
        train(
            TINY.override(["methods.disturbance.images=50"]),
            task=replace(digits, valid=digits.valid.take(slice(0, 20))),
        )
