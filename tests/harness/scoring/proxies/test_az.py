"""The parts of AZ-NAS against NumPy on the graph of the whole network, and against blocks with known answers."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from supernet.harness.scoring.proxies.az import (
    blocks,
    entropy,
    expressivity,
    kept,
    progressivity,
    trainability,
)
from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.proxy import Look
from supernet.harness.supernet.plain.network import PlainNetwork

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8, cells=2),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8, cells=2),
]


def chain(look):
    """The features of the whole network in one graph, without those of max-pooling between stages."""
    features = look.network.features(look.noise(*look.images.shape))
    return [f for f, block in zip(features, look.network.blocks, strict=True) if not isinstance(block, nn.MaxPool2d)]


def slow_entropy(features):
    rows = np.moveaxis(features.detach().numpy(), 1, -1).reshape(-1, features.shape[1])
    v = np.linalg.eigvalsh(np.cov(rows.astype(np.float64), rowvar=False, bias=True)).clip(min=0)
    return -sum(p * math.log(p + 1e-8) for p in v / v.sum())


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_expressivity_and_progressivity_are_the_published_formulas(probe):
    look = Sight(probe, 0).look(2_000, "kaiming")
    found = [slow_entropy(features) for features in chain(look)]
    assert expressivity(look) == pytest.approx(sum(found), rel=1e-5)
    assert progressivity(look) == pytest.approx(min(np.diff(found)), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_trainability_is_the_published_formula(probe):
    look = Sight(probe, 0).look(2_000, "kaiming")
    features, generator, scores = chain(look), look.generator(), []
    for before, after in itertools.pairwise(features):
        signs = torch.randint(2, after.shape, generator=generator) * 2.0 - 1
        (back,) = torch.autograd.grad(after, before, signs, retain_graph=True)
        n, outputs, height, width = after.shape
        stride = before.shape[2] // height
        matrix = np.zeros((before.shape[1] * stride**2, outputs))
        for image in range(n):
            for y in range(height):
                for x in range(width):
                    window = back[image, :, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]
                    matrix += np.outer(window.flatten().numpy(), signs[image, :, y, x].numpy())
        largest = np.linalg.svd(matrix / (n * height * width), compute_uv=False)[0]
        scores.append(-largest - 1 / (largest + 1e-6) + 2)
    assert trainability(look) == pytest.approx(np.mean(scores), rel=1e-4)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_there_is_a_stem_and_a_block_for_each_cell_and_reduction_with_weights(probe):
    network = Sight(probe, 0).look(2_000, "kaiming").network
    assert len(blocks(network)) == {"nb201": 1 + 3 * 2 + 2, "nb1shot1-1": 1 + 3 * 2}[probe.space]
    assert [number for numbers in blocks(network) for number in numbers] == list(range(len(network.blocks)))
    assert all(
        isinstance(network.blocks[number], nn.MaxPool2d) for numbers in blocks(network) for number in numbers[:-1]
    )


# ---- known answers --------------------------------------------------------------------------------------------------


def test_entropy_is_that_of_the_shares_of_the_variance():
    generator = torch.Generator().manual_seed(0)
    white = torch.linalg.qr(torch.randn(64, 4, generator=generator, dtype=torch.float64))[0]
    white = torch.linalg.qr(white - white.mean(0))[0]  # four directions of equal variance around a mean of 0
    as_features = white.reshape(4, 4, 4, 4).permute(0, 3, 1, 2)
    assert float(entropy(as_features)) == pytest.approx(math.log(4), rel=1e-6)
    scales = torch.tensor([3.0, 1.0, 0.0, 0.0])[:, None, None]
    assert float(entropy(7 + as_features * scales)) == pytest.approx(
        -(0.9 * math.log(0.9) + 0.1 * math.log(0.1)), rel=1e-6
    )
    assert math.isnan(float(entropy(torch.ones(2, 3, 2, 2))))


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 0.0), (2.0, -0.5), (0.5, -0.5)])
def test_blocks_that_turn_gradients_keep_their_size_and_others_do_not(scale, expected):
    generator = torch.Generator().manual_seed(0)
    turn = scale * torch.linalg.qr(torch.randn(3, 3, generator=generator))[0]
    block = nn.Conv2d(3, 3, 1, bias=False)
    block.weight.data.copy_(turn[:, :, None, None])
    look = _look([nn.Identity(), block])
    assert trainability(look) == pytest.approx(expected, abs=0.1)


def test_a_block_that_hands_gradients_on_unchanged_scores_least_and_a_constant_one_not_at_all():
    assert trainability(_look([nn.Identity(), nn.Identity()])) == -math.inf

    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros_like(x)

    assert math.isnan(trainability(_look([nn.Identity(), Constant()])))
    assert math.isnan(expressivity(_look([nn.Identity(), Constant()])))


def test_a_stride_makes_channels_of_pixels():
    signs = torch.randint(2, (64, 2, 4, 4), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    back = torch.zeros(64, 2, 8, 8)
    back[:, :, 1::2, ::2] = signs  # each output reacts to one of four pixels
    assert kept(back, signs) == pytest.approx(0, abs=0.02)
    whole = signs.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert kept(whole, signs) == pytest.approx(2 - 2 - 0.5, abs=0.05)  # four equal rows: a singular value of 2


def _look(chain_of_blocks):
    network = PlainNetwork(chain_of_blocks, nn.Identity(), nn.Linear(3, 2))
    return Look(network, torch.zeros(64, 3, 8, 8), torch.zeros(64), 2, 0)
