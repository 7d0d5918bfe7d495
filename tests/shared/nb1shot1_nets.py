"""Super-nets of the 1Shot1 spaces, their architectures and images, and a step of training."""

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb1shot1 import PARENTS
from supernet.harness.supernet.nb1shot1 import NB1Shot1Net
from supernet.harness.supernet.ops import BatchNorm
from supernet.heuristics.recipe import NetworkSection

SPACES = [space(f"nb1shot1-{number}") for number in PARENTS]
DYNAMIC = ("fixed_chunk", "random_chunk", "shuffle", "interpolate")
each_space = pytest.mark.parametrize("within", SPACES, ids=lambda s: s.name)


def network(within, channels=12, cells=1, **options):
    """In double precision: batch norm over the few pixels of these images magnifies rounding."""
    net = NB1Shot1Net(4, within, NetworkSection(channels=channels, cells=cells, **options))
    for norm in norms(net):
        if norm.weight is not None:
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias)
    return net.double()


def norms(module):
    return [m for m in module.modules() if isinstance(m, BatchNorm)]


def images(n=4, size=8):
    return torch.randn(n, 3, size, size, dtype=torch.float64)


def archs(within, count, seed=0, full=None):
    """Random architectures; `full` asks for (or against) as many nodes in the concatenation as there can be."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        arch = within.arch(int(rng.integers(len(within))))
        if full is None or full == (0 not in parents(within, arch)["out"]):
            found.append(arch)
    return found


def parents(within, arch):
    """Node or `out` -> what it reads, from the architecture's spelling."""
    parts = [part.split("~")[1] for part in within.string(arch).strip("|").split("|")]
    return {
        label: tuple(map(int, text.split(",")))
        for label, text in zip([*range(1, within.nodes + 1), "out"], parts, strict=True)
    }


def used(within, arch):
    reads = parents(within, arch)
    live = set(reads["out"])
    for node in range(within.nodes, 0, -1):
        live |= set(reads[node]) if node in live else set()
    return live - {0}


close = functools.partial(torch.testing.assert_close, rtol=1e-7, atol=1e-7)


def step(net, arch, x):
    """One step of gradient descent; the loss before it."""
    net.zero_grad()
    loss = F.cross_entropy(net(x, arch), torch.arange(len(x)) % 4)
    loss.backward()
    with torch.no_grad():
        for p in net.parameters():
            if p.grad is not None:
                p -= 0.05 * p.grad
    return loss.item()
