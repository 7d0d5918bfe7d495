"""synflow against paths through a tiny network, and against the effect of scaling all weights."""

import pytest
import torch
from torch import nn
from untrained import PROBES, doubled, tiny

from supernet.harness.scoring.proxies.probe import Sight
from supernet.harness.scoring.proxies.synflow import synflow


def test_a_tiny_network_by_its_paths():
    look = tiny()
    first = look.network.blocks[0][0].weight.detach().abs().flatten(1).numpy()
    last = look.network.classifier.weight.detach().abs().numpy()
    paths = sum(
        last[k, j] * first[j, i] for k in range(3) for j in range(2) for i in range(3)
    )  # each path counts for both of its weights
    assert synflow(look) == pytest.approx(2 * paths, rel=1e-12)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_how_fast_the_output_grows_when_all_weights_are_scaled(probe):
    """The sum of w dR/dw is the derivative of R(t w) at t = 1, and no term is negative."""
    look = Sight(probe, 0).look(90, "kaiming")
    found = synflow(look)
    network = doubled(look).network
    weights = [part.weight for part in network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.register_forward_hook(lambda _, inputs, __: inputs[0])
    for parameter in network.parameters():
        parameter.data.abs_()
    plain = [weight.detach().clone() for weight in weights]

    def output(factor):
        for weight, was in zip(weights, plain, strict=True):
            weight.data = was * factor
        with torch.no_grad():  # an image twice, since batch norm refuses single values, although its output is not used
            return float(network(torch.ones(2, 3, 8, 8, dtype=torch.float64))[0].sum())

    assert found == pytest.approx((output(1 + 1e-5) - output(1 - 1e-5)) / 2e-5, rel=1e-6)


def test_the_smallest_images_have_a_score():
    """A single image has one pixel in the last stage, which batch norm would refuse."""
    look = Sight(type(PROBES[0])("nb201", task="digits", images=2, channels=4, size=4), 0).look(90, "kaiming")
    assert synflow(look) > 0
