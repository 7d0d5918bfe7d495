"""Importance sampling of paths and images."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from learned import TINY, context, one_step, weights_of

from supernet.benchmarks.errors import UserError
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.methods.gradient_norms import mixed
from supernet.heuristics.methods.panda import PathsAndData
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.routes import Path

A = (3, 2, 3, 1, 3, 2)


def late(digits, method, *changes):
    """A context in the last of its epochs, for which half of the probability follows the norms."""
    run, ctx = context(TINY.override(["training.epochs=4", *changes]), digits)
    ctx.epoch, ctx.train_images, ctx.numbers = 3, 32, {id(method): 9}
    method.start_epoch(ctx)
    return run, ctx


class Recorded:
    """Draws options, and remembers the probability of each one that it drew."""

    def __init__(self):
        self.rng, self.probabilities = np.random.default_rng(0), []

    def choice(self, count, p):
        drawn = self.rng.choice(count, p=p)
        self.probabilities.append(p[drawn])
        return drawn


@pytest.mark.parametrize("changes", [["strength=0"], ["paths=false", "images=false"]], ids=str)
def test_with_uniform_probabilities_it_is_its_base(changes, digits):
    base = TINY.override(["training.epochs=3"])
    method = base.override([f"methods.pa-da.{change}" for change in changes])
    assert torch.equal(weights_of(train(method, task=digits)), weights_of(train(base, task=digits)))


def test_probabilities_mix_norms_with_uniform():
    norms = torch.tensor([0.0, 1.0, 3.0, 0.0], dtype=torch.float64)
    assert mixed(norms, 1.0).tolist() == [0, 0.25, 0.75, 0]
    assert mixed(norms, 0.5).tolist() == [0.125, 0.25, 0.5, 0.125]
    assert mixed(norms, 0.0).tolist() == [0.25] * 4
    assert mixed(0 * norms, 0.7).tolist() == [0.25] * 4
    assert mixed(norms + 2 - norms, 0.9).tolist() == pytest.approx([0.25] * 4)


def test_paths_follow_the_norms_and_keep_parents_uniform(digits):
    method = PathsAndData()
    _run, ctx = late(digits, method)
    method._operations.means = {"nor_conv_3x3": 3.0, "nor_conv_1x1": 1.0}
    drawn = np.array([method.plan(ctx)[0].routing for _ in range(1000)])
    found = np.bincount(drawn.ravel(), minlength=5) / drawn.size
    np.testing.assert_allclose(found, [0.1, 0.1, 0.225, 0.475, 0.1], atol=0.02)

    _run, ctx = late(digits, method, "space=nb1shot1-1")
    method._operations.means = {"conv3x3": 1.0}
    drawn = np.array([method.plan(ctx)[0].routing for _ in range(1000)])
    np.testing.assert_allclose(np.bincount(drawn[:, :4].ravel()) / 4000, [2 / 3, 1 / 6, 1 / 6], atol=0.03)
    np.testing.assert_allclose(np.bincount(drawn[:, -1]) / 1000, 0.1, atol=0.04)


def test_without_none_it_is_never_drawn(digits):
    method = PathsAndData()
    _run, ctx = late(digits, method, "sampling.with_none=false")
    method._operations.means = {"nor_conv_3x3": 1.0, "none": 100.0}
    drawn = np.array([method.plan(ctx)[0].routing for _ in range(500)])
    np.testing.assert_allclose(
        np.bincount(drawn.ravel(), minlength=5) / drawn.size, [0, *[1 / 8] * 2, 5 / 8, 1 / 8], atol=0.03
    )


def test_the_correction_makes_the_expectation_that_of_uniform_sampling(digits):
    """Weight times probability is the uniform probability, for every path as for every image."""
    method = PathsAndData(correct=True)
    _run, ctx = late(digits, method)
    method._operations.means = {"nor_conv_3x3": 3.0, "nor_conv_1x1": 1.0}
    rng = Recorded()
    ctx.random = lambda asker: rng
    paths = [method.plan(ctx)[0] for _ in range(30)]
    probabilities = np.array(rng.probabilities).reshape(30, 6).prod(axis=1)
    assert len(np.unique(probabilities.round(12))) > 5
    np.testing.assert_allclose([p.weight for p in paths] * probabilities, 0.2**6)

    method._images.means = torch.linspace(0.1, 1.3, 32, dtype=torch.float64)
    law = method.image_weights(ctx)
    assert float(law.sum()) == pytest.approx(1)
    logits = torch.randn(32, 10, generator=torch.Generator().manual_seed(1))
    each = F.cross_entropy(logits, ctx.labels, reduction="none")
    expected = 0.0
    for row in range(32):  # every image alone, weighted by its probability
        rows = torch.tensor([row])
        out = type("Out", (), {"rows": rows, "logits": logits[rows], "labels": ctx.labels[rows]})
        expected += float(law[row]) * float(each[row] + method.path_loss(ctx, out))
    assert expected == pytest.approx(float(each.mean()), rel=1e-5)


def test_norms_do_not_depend_on_the_weight_of_a_path(digits):
    means = []
    for weight in (1.0, 0.1):
        method = PathsAndData(correct=True, images=False)
        run, ctx = late(digits, method, "training.clip=null")
        one_step(Accumulate(), run, ctx, [Path(A, weight=weight)], [method])
        method.end_epoch(ctx)
        means.append(method._operations.means)
    assert means[0].keys() == means[1].keys()
    assert means[1]["nor_conv_3x3"] == pytest.approx(means[0]["nor_conv_3x3"], rel=1e-4)


def test_norms_are_means_over_the_epoch(digits):
    method = PathsAndData()
    run, ctx = late(digits, method, "training.clip=null")
    ctx.rows = torch.arange(32) // 2 * 2  # only even images, each twice
    norms, errors = [], []
    for _ in range(2):
        with torch.no_grad():
            logits = ctx.forward(Path(A)).logits
        errors.append((logits.softmax(1) - F.one_hot(ctx.labels, 10)).norm(dim=1))
        one_step(Accumulate(), run, ctx, [Path(A)], [method])
        params = [p for edge in (0, 2, 4) for p in run.network.parameters_of(edge, 3)]
        norms.append(sum(float(p.grad.norm()) for p in params) / 3)
    method.end_epoch(ctx)
    assert method._operations.means["skip_connect"] == 0
    assert "none" not in method._operations.means
    assert method._operations.means["nor_conv_3x3"] == pytest.approx(np.mean(norms), rel=1e-4)
    assert (method._images.means[1::2] == 1).all(), "images that were not visited keep their norm"
    expected = torch.stack(errors).mean(0).view(16, 2).mean(1).double()
    torch.testing.assert_close(method._images.means[::2], expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("changes", [["network.op_on=edge"], ["network.op_on=node"], ["space=darts"]], ids=str)
def test_weights_that_decisions_share_count_once(changes, digits):
    """Also where both inputs of a node have the same operation, in DARTS cells."""
    method = PathsAndData()
    run, ctx = late(digits, method, "training.clip=null", *changes)
    within = ctx.space
    option = {"nb201": 3, "darts": 4}[within.name]
    arch = tuple(option if number in within.operations else 0 for number in range(len(within.decisions)))
    one_step(Accumulate(), run, ctx, [Path(arch)], [method])
    modules = {m for n in within.operations for cell in run.network.operations_of(n, option) for m in cell}
    gradients = [p.grad for m in modules for p in m.parameters() if p.grad is not None]
    method.end_epoch(ctx)
    (name,) = method._operations.means
    assert method._operations.means[name] * len(within.operations) == pytest.approx(
        sum(float(grad.norm()) for grad in gradients), rel=1e-4
    )


def test_kernels_that_are_parts_of_others_are_refused(digits):
    with pytest.raises(UserError, match=r"leave network\.ofa_kernel at own"):
        start(TINY.override(["methods.pa-da=true", "network.ofa_kernel=centre"]), task=digits)
