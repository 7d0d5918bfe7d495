"""Updates that do not disturb earlier architectures: projectors, protected inputs and protected logits."""

import pytest
import torch
from learned import TINY, context, one_step, weights_of

from supernet.benchmarks.errors import UserError
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.methods.di_ws import DisturbanceImmune
from supernet.heuristics.methods.ogd import OrthogonalGradient
from supernet.heuristics.methods.projectors import absorbed, inputs_of, mean_patches, orthonormal
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.routes import Path

A, B = (3, 2, 3, 1, 3, 2), (2, 3, 3, 3, 4, 3)
PLAIN = ["training.momentum=0", "training.weight_decay=0", "training.clip=null"]
HEAVY = ["training.momentum=0.9", "training.weight_decay=0.01", "training.clip=1", "training.unsampled=zero"]


def rows(count, size, seed=0):
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("alpha", [1.0, 1e-3])
def test_the_recursion_is_the_closed_form(alpha):
    r, one = rows(5, 20), torch.eye(20, dtype=torch.float64)
    closed = torch.linalg.inv(one + r.T @ r / alpha)
    singly = one
    for row in r:
        k = singly @ row
        singly = singly - torch.outer(k, k) / (alpha + row @ k)
        assert torch.allclose(absorbed(one, r, alpha), closed, atol=1e-9)
    assert torch.allclose(singly, closed, atol=1e-9)
    assert torch.allclose(absorbed(absorbed(one, r[:2], alpha), r[2:], alpha), closed, atol=1e-9)
    assert (closed @ r.T).norm() < alpha * r.norm()


def test_mean_patches_are_means_over_images_and_positions():
    layer = torch.nn.Conv2d(2, 3, 3, stride=2, padding=1)
    x = torch.randn(6, 2, 8, 8)
    patches = torch.nn.functional.unfold(x.double(), 3, padding=1, stride=2)
    assert torch.allclose(mean_patches(layer, x, 1), patches.mean((0, 2))[None])
    assert torch.allclose(mean_patches(layer, x, 2)[1], patches[3:].mean((0, 2)))
    # The mean response of a layer is its response to the mean patch.
    assert torch.allclose(
        layer.weight.flatten(1).double() @ mean_patches(layer, x, 1)[0] + layer.bias,
        layer(x).double().mean((0, 2, 3)), atol=1e-5,
    )  # fmt: skip


def test_groups_of_channels_have_patches_and_projectors_of_their_own():
    layer = torch.nn.Conv2d(4, 4, 3, stride=2, padding=2, dilation=2, groups=2).double()
    x = torch.randn(6, 4, 8, 8, dtype=torch.float64)
    found = mean_patches(layer, x, 2)
    start = torch.eye(18, dtype=torch.float64)
    together = absorbed(start.expand(2, 18, 18), found, 0.1)
    for group in range(2):
        single = torch.nn.Conv2d(2, 2, 3, stride=2, padding=2, dilation=2).double()
        own = mean_patches(single, x[:, 2 * group : 2 * group + 2], 2)
        assert torch.allclose(found[group], own)
        assert torch.allclose(together[group], absorbed(start, own, 0.1))
    with torch.no_grad(), inputs_of(torch.nn.Sequential(layer), 2) as seen:
        layer(x)
        layer(x)
    assert seen["0.weight"].shape == (2, 4, 18)


def trained(digits, changes, method, paths):
    """Weights after each of several steps, by name."""
    run, ctx = context(TINY.override(changes), digits)
    after = []
    for path in paths:
        one_step(Accumulate(), run, ctx, [Path(path)], [method] if method else [])
        after.append({name: w.detach().clone() for name, w in run.network.named_parameters()})
    return after


def drift(method, before, after):
    """Relative change of what layers answer to the first protected architecture's inputs."""
    change = sum(((after[n] - before[n]).flatten(1).double() @ r.T).norm() ** 2 for n, r in method._kept[0].items())
    size = sum((before[n].flatten(1).double() @ r.T).norm() ** 2 for n, r in method._kept[0].items())
    return float((change / size) ** 0.5)


@pytest.mark.parametrize("changes", [PLAIN, HEAVY], ids=["plain", "momentum and decay"])
def test_layers_answer_protected_inputs_as_before(changes, digits):
    method = DisturbanceImmune(alpha=1e-6)
    after = trained(digits, changes, method, [A, B, B, B])
    assert method._kept[0].keys() >= {"stem.weight", "classifier.weight"}
    assert drift(method, after[0], after[-1]) < 1e-4
    free = trained(digits, changes, None, [A, B, B, B])
    assert drift(method, free[0], free[-1]) > 1e-2
    assert any(not torch.equal(after[0][n], after[-1][n]) for n in method._kept[0]), "other directions are learnt"


@pytest.mark.parametrize("changes", [PLAIN, HEAVY], ids=["plain", "momentum and decay"])
def test_updates_are_orthogonal_to_protected_gradients(changes, digits):
    method = OrthogonalGradient(memory=4)
    after = trained(digits, changes, method, [A, B, B])
    free = trained(digits, changes, None, [A, B, B])
    (gradient,) = method._gradients

    def cosine(run):
        move = torch.cat([(run[-1][n] - run[0][n]).flatten() for n in run[0]])
        return abs(float(torch.cosine_similarity(move, gradient, 0)))

    assert cosine(after) < 1e-4
    assert cosine(free) > 1e-2


def test_protected_gradients_are_those_of_the_true_logit(digits):
    """To first order the protected architecture's mean logit changes only without protection."""
    run, ctx = context(TINY, digits)
    method = OrthogonalGradient()
    method.protect(ctx, A)

    def score():
        return float(ctx.forward(Path(A)).logits.detach().gather(1, ctx.labels[:, None]).double().mean())

    before, step = score(), 1e-2
    with torch.no_grad():
        direction = method._gradients[0] / method._gradients[0].norm()
        parts = direction.split([w.numel() for w in run.network.parameters()])
        for w, part in zip(run.network.parameters(), parts, strict=True):
            w.add_(part.view(w.shape), alpha=step)
    assert (score() - before) / step == pytest.approx(float(method._gradients[0].norm()), rel=0.05)


def test_a_basis_leaves_out_what_is_not_new():
    a, b = rows(2, 30, seed=3).float()
    basis = torch.stack(orthonormal([a, b, a + b, 2 * a, torch.zeros(30)]))
    assert basis.shape == (2, 30)
    torch.testing.assert_close(basis @ basis.T, torch.eye(2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", [DisturbanceImmune, OrthogonalGradient])
def test_one_architecture_alone_trains_as_without_protection(method, digits):
    assert all(
        torch.equal(one[name], other[name])
        for one, other in zip(
            trained(digits, HEAVY, method(), [A] * 3), trained(digits, HEAVY, None, [A] * 3), strict=True
        )
        for name in one
    )


def test_the_window_forgets_and_an_epoch_resets(digits):
    _run, ctx = context(TINY, digits)
    windowed, last = DisturbanceImmune(window=2), DisturbanceImmune(window=0)
    for arch in (A, B, (3,) * 6):
        windowed.protect(ctx, arch)
    last.protect(ctx, B)
    last.protect(ctx, (3,) * 6)
    assert len(windowed._kept) == 2
    assert not last._kept
    assert windowed._projectors.keys() == last._projectors.keys()
    for name, projector in windowed._projectors.items():
        torch.testing.assert_close(projector, last._projectors[name], atol=1e-9, rtol=1e-9)
    windowed.start_epoch(ctx)
    assert not windowed._projectors
    ctx.epoch = 1
    patient = DisturbanceImmune(reset=2)
    patient.protect(ctx, A)
    patient.start_epoch(ctx)
    assert patient._projectors


def test_every_layer_of_an_architecture_is_seen_in_every_space(digits):
    for changes in ([], ["space=nb1shot1-1"], ["network.op_on=node"]):
        run, ctx = context(TINY.override(changes), digits)
        arch = ctx.space.arch(len(ctx.space) - 1)
        with torch.no_grad(), inputs_of(run.network, 3) as found:
            run.network(ctx.images, arch)
        shapes = {name: w.flatten(1).shape[1] for name, w in run.network.named_parameters() if w.dim() > 1}
        active = {id(p) for p in run.network.active_parameters(arch)}
        named = {n for n, p in run.network.named_parameters() if p.dim() > 1 and id(p) in active}
        assert found.keys() <= named
        assert len(found) >= 3
        assert all(value.shape[1] == shapes[name] and len(value) % 3 == 0 for name, value in found.items())


def test_what_cannot_be_protected_is_refused(digits):
    with pytest.raises(UserError, match=r"network\.ofa_kernel=own"):
        start(TINY.override(["methods.di-ws=true", "network.ofa_kernel=centre"]), task=digits)
    mixed = ["sampling.law=distribution", "distribution.model=softmax", "methods.ogd=true"]
    with pytest.raises(UserError, match="trains a mixture"):
        train(TINY.override(mixed), task=digits)
    assert weights_of(start(TINY, task=digits)).isfinite().all()
