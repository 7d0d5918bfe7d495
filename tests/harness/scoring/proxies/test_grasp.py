"""GraSP against differences of gradients."""

import pytest
import torch
from torch.nn import functional as F
from untrained import PROBES, doubled

from supernet.harness.scoring.proxies.grasp import grasp
from supernet.harness.scoring.proxies.probe import Sight


def gradient_at(look, weights, places):
    """The loss gradient by the weights, after they were moved to other places."""
    for weight, place in zip(weights, places, strict=True):
        weight.data.copy_(place)
        weight.grad = None
    F.cross_entropy(look.network(look.images), look.labels).backward()
    return [weight.grad.clone() for weight in weights]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_the_product_with_the_hessian_is_a_difference_of_gradients(probe):
    look = doubled(Sight(probe, 0).look(90, "kaiming"))
    found = grasp(look)
    weights = [parameter for parameter in look.network.parameters() if parameter.dim() > 1]
    plain = [weight.detach().clone() for weight in weights]
    gradient = gradient_at(look, weights, plain)
    above = gradient_at(look, weights, [w + 1e-6 * g for w, g in zip(plain, gradient, strict=True)])
    below = gradient_at(look, weights, [w - 1e-6 * g for w, g in zip(plain, gradient, strict=True)])
    products = [float((w * (a - b)).sum()) / 2e-6 for w, a, b in zip(plain, above, below, strict=True)]
    assert found == pytest.approx(-sum(products), rel=1e-4)


def test_layers_before_batch_norm_add_the_square_of_their_gradient():
    look = doubled(Sight(PROBES[1], 0).look(90, "kaiming"))  # batch norm follows all convolutions of this space
    found = grasp(look)
    F.cross_entropy(look.network(look.images), look.labels).backward()
    squares = sum(float(p.grad.square().sum()) for p in look.network.parameters() if p.dim() == 4)
    classifier = look.network.classifier.weight

    def flow(factor):
        was = classifier.detach().clone()
        classifier.data.mul_(factor)
        value = F.cross_entropy(look.network(look.images), look.labels)
        weights = [p for p in look.network.parameters() if p.dim() > 1]
        total = sum(float(g.square().sum()) for g in torch.autograd.grad(value, weights))
        classifier.data.copy_(was)
        return total / 2

    slope = (flow(1 + 1e-5) - flow(1 - 1e-5)) / 2e-5
    assert found == pytest.approx(squares - slope, rel=1e-3)
