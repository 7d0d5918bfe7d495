"""SNIP against single weights that are scaled, and against gradients of a mask."""

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F
from untrained import PROBES, tiny

from supernet.harness.scoring.proxies.probe import Sight
from supernet.harness.scoring.proxies.snip import snip


def test_a_tiny_network_one_weight_after_the_other():
    look, total = tiny(), 0.0
    for weight in (look.network.blocks[0][0].weight, look.network.classifier.weight):
        for entry in weight.data.view(-1):
            was, losses = float(entry), []
            for factor in (1 + 1e-6, 1 - 1e-6):
                entry.fill_(was * factor)
                losses.append(float(F.cross_entropy(look.network(look.images), look.labels).detach()))
            entry.fill_(was)
            total += abs(losses[0] - losses[1]) / 2e-6
    assert snip(look) == pytest.approx(total, rel=1e-6)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_gradient_of_a_mask_of_ones(probe):
    look = Sight(probe, 0).look(90, "kaiming")
    plain = {name: parameter.detach() for name, parameter in look.network.named_parameters()}
    masks = {name: torch.ones_like(p, requires_grad=True) for name, p in plain.items() if p.dim() > 1}
    masked = {name: p * masks[name] if name in masks else p for name, p in plain.items()}
    F.cross_entropy(functional_call(look.network, masked, (look.images,)), look.labels).backward()
    assert snip(look) == pytest.approx(sum(float(mask.grad.abs().sum()) for mask in masks.values()), rel=1e-4)
