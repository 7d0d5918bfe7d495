"""K-shot NAS: weights of architectures as mixtures from a dictionary."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import colours, fewer, recipe, weights

from supernet.harness.scoring.supernet import rank
from supernet.harness.training.loop import train
from supernet.harness.training.run import start

ARCH = (3, 2, 1, 4, 3, 0)


@pytest.fixture(scope="module")
def task():
    return colours()


@pytest.fixture(scope="module")
def run(task):
    return train(recipe("methods.k-shot.count=3", "evaluation.batch_size=20"), task=task)


@pytest.mark.parametrize("name", ["nb201", "nb1shot1-1"])
@pytest.mark.parametrize(
    "changes", [[], ["training.unsampled=zero", "sampling.law=fair", "network.bn_track=true"]], ids=str
)
def test_with_one_weight_it_is_the_baseline(name, changes, task):
    task = fewer(task)
    one = train(recipe(f"space={name}", *changes), task=task)
    other = train(recipe(f"space={name}", *changes, "methods.k-shot.count=1"), task=task)
    found = weights(other)
    for key, value in weights(one).items():
        assert torch.equal(value, found[f"networks.0.{key}"])
    assert one.log[-1]["loss"] == other.log[-1]["loss"]
    indices = np.arange(0, 5000, 397)
    first, second = rank(one, indices), rank(other, indices)
    assert first.distinct == second.distinct
    np.testing.assert_allclose(first.loss, second.loss, rtol=0, atol=1e-5)


def mixture(network):
    """The coefficients of an architecture, from the weights of the code as NumPy computes them."""
    state = {name: value.numpy() for name, value in network.code.state_dict().items()}
    code = np.zeros(30)
    code[np.arange(6) * 5 + np.array(ARCH)] = 1
    hidden = np.maximum(state["0.weight"] @ code + state["0.bias"], 0)
    logits = state["2.weight"] @ hidden + state["2.bias"]
    return np.exp(logits) / np.exp(logits).sum()


def test_an_architecture_is_computed_with_its_mixture(run, task):
    network, x = run.network, task.valid.images[:20].float()
    shares = network.coefficients(ARCH).detach()
    np.testing.assert_allclose(shares, mixture(network), rtol=1e-5)
    assert float(shares.sum()) == pytest.approx(1)
    plain = copy.deepcopy(network.network(0))
    named = [dict(network.network(k).named_parameters()) for k in range(3)]
    with torch.no_grad():
        for name, weight in plain.named_parameters():
            weight.copy_(sum(float(share) * weights[name] for share, weights in zip(shares, named, strict=True)))
    torch.testing.assert_close(network(x, ARCH), plain(x, ARCH), rtol=1e-4, atol=1e-4)
    (scored,) = network.logits_of(x, [ARCH])
    torch.testing.assert_close(scored, network(x, ARCH))


def test_gradients_are_those_of_the_mixture(run, task):
    """With theta = sum lambda_k Theta_k, Theta_k gets the gradient lambda_k g, and lambda_k gets <g, Theta_k>."""
    network, x, y = copy.deepcopy(run.network), task.valid.images[:20].float(), task.valid.labels[:20]
    network.zero_grad(set_to_none=True)
    shares = network.coefficients(ARCH).detach().requires_grad_()
    network.coefficients = lambda arch: shares
    mixed = {name: value.detach().requires_grad_() for name, value in network.mixed(ARCH).items()}
    loss = F.cross_entropy(torch.func.functional_call(network.network(0), mixed, (x, ARCH)), y)
    loss.backward()
    F.cross_entropy(network(x, ARCH), y).backward()
    slopes = torch.zeros(3)
    for k in range(3):
        for name, weight in network.network(k).named_parameters():
            if mixed[name].grad is None:
                assert weight.grad is None
                continue
            torch.testing.assert_close(weight.grad, shares[k].detach() * mixed[name].grad, rtol=1e-3, atol=1e-5)
            slopes[k] += (mixed[name].grad * weight.detach()).sum()
    torch.testing.assert_close(shares.grad, slopes, rtol=1e-3, atol=1e-4)


def test_the_dictionary_and_its_code_learn(run, task):
    before = start(run.recipe, task=task).network
    assert not torch.equal(before.code[0].weight, run.network.code[0].weight)
    for k in range(3):
        assert not torch.equal(before.network(k).classifier.weight, run.network.network(k).classifier.weight)
    first, second = (before.network(k).classifier.weight.detach() for k in (0, 1))
    assert float((first - second).std() / first.std()) == pytest.approx(0.1, rel=0.3)


def test_architectures_that_differ_in_what_they_do_not_use_are_scored_apart(run):
    within = run.context.space
    classes = within.classes("computation")
    sizes = np.bincount(classes[within.subset("connected")])
    members = np.flatnonzero(classes == sizes.argmax())[:6]
    scores = rank(run, members)
    assert scores.distinct == 6
    alone = [float(rank(run, [index]).loss[0]) for index in members.tolist()]
    np.testing.assert_allclose(scores.loss, alone, rtol=0, atol=1e-6)
    assert len(np.unique(scores.loss)) > 1


def test_threads_do_not_mix_their_architectures(run):
    indices = np.arange(100, 15000, 401)
    once = rank(run, indices).loss
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        np.testing.assert_allclose(rank(run, indices).loss, once, rtol=0, atol=1e-5)
    finally:
        torch.set_num_threads(threads)
