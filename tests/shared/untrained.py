"""Small untrained networks to look at."""

from __future__ import annotations

import torch
from torch import nn

from supernet.harness.scoring.proxies.probe import Probe
from supernet.harness.scoring.proxies.proxy import Look
from supernet.harness.supernet.plain.network import PlainNetwork, conv_bn_relu

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


def doubled(look: Look) -> Look:
    """The same look with images and weights in float64, for finite differences."""
    return Look(look.network.double(), look.images.double(), look.labels, look.classes, look.seed)


def tiny() -> Look:
    """Five images of 4x4 pixels, and 12 weights: a 1x1 convolution to 2 channels, and a classifier of 3 classes."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        network = PlainNetwork([conv_bn_relu(3, 2, 1)], nn.Identity(), nn.Linear(2, 3)).double().train()
        return Look(network, torch.randn(5, 3, 4, 4, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1]), 3, 0)
