"""Super-nets of DARTS cells, their architectures and images, and a plain computation of an architecture."""

import functools
from random import Random

import torch
import torch.nn.functional as F

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.darts import OPS
from supernet.harness.supernet.darts.net import DARTSNet
from supernet.harness.supernet.ops import BatchNorm
from supernet.heuristics.sections import NetworkSection

SPACE = space("darts")
close = functools.partial(torch.testing.assert_close, rtol=1e-7, atol=1e-7)


def network(channels=2, cells=1, only=None, **options):
    """In double precision: batch norm over the few pixels of these images magnifies rounding."""
    torch.manual_seed(0)
    net = DARTSNet(4, SPACE, NetworkSection(channels=channels, cells=cells, **options), only)
    for norm in norms(net):
        if norm.weight is not None:
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias)
    return net.double()


def norms(module):
    return [m for m in module.modules() if isinstance(m, BatchNorm)]


def images(n=4, size=8):
    return torch.randn(n, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def archs(count, seed=0, none=True):
    rng, found = Random(seed), []
    while len(found) < count:
        arch = SPACE.draw(rng)
        if none or all(arch[number] for number in SPACE.operations):
            found.append(arch)
    return found


# ---- a plain computation of one architecture, from the network's weights by name ------------------------------------


def plain(net, arch, x):
    """Logits, by the definitions of quark0/darts; an edge from a node that nothing reaches is left out."""
    w = net.state_dict()
    kinds, per_stage = SPACE.cells(arch), (len(net.cells) - 2) // 3
    x = normed(w, "stem.bn", F.conv2d(x, w["stem.weight"], padding=1))
    before = last = x
    halved = False
    for number in range(len(net.cells)):
        reduction = number in (per_stage, 2 * per_stage + 1)
        out = plain_cell(w, f"cells.{number}", before, last, halved, reduction, kinds[reduction])
        before, last, halved = last, out, reduction
    return F.linear(last.mean((2, 3)), w["classifier.weight"], w["classifier.bias"])


def plain_cell(w, name, before, last, halved, reduction, nodes):
    first = factorised(w, f"{name}.before", before) if halved else projected(w, f"{name}.before", before)
    states = [first, projected(w, f"{name}.last", last)]
    empty = set()
    for node, (low, a, high, b) in enumerate(nodes, 2):
        total = torch.zeros_like(F.avg_pool2d(states[0], 2) if reduction else states[0])
        terms = [(state, OPS[op]) for state, op in ((low, a), (high, b)) if op and state not in empty]
        for state, op in terms:
            stride = 2 if reduction and state < 2 else 1
            total = total + operated(w, f"{name}.edges.{node}<-{state}.{op}", op, states[state], stride)
        empty |= set() if terms else {node}
        states.append(total)
    return torch.cat(states[2:], 1)


def operated(w, name, op, x, stride):
    if op == "skip_connect":
        return x if stride == 1 else factorised(w, name, x)
    if op.endswith("pool_3x3"):
        pool = F.max_pool2d(x, 3, stride, 1) if op[:3] == "max" else F.avg_pool2d(x, 3, stride, 1, False, False)
        return normed(w, f"{name}.bn", pool)
    dilation, rounds = (2, 1) if op[:3] == "dil" else (1, 2)
    for number in range(rounds):
        spread, mix = w[f"{name}.depthwise.{number}.weight"], w[f"{name}.pointwise.{number}.weight"]
        padding = dilation * (spread.shape[-1] // 2)
        x = F.conv2d(F.relu(x), spread, None, 1 if number else stride, padding, dilation, len(spread))
        x = normed(w, f"{name}.norms.{number}", F.conv2d(x, mix))
    return x


def projected(w, name, x):
    return normed(w, f"{name}.bn", F.conv2d(F.relu(x), w[f"{name}.weight"]))


def factorised(w, name, x):
    x = F.relu(x)
    parts = [F.conv2d(x[:, :, s:, s:], w[f"{name}.convs.{s}.weight"], stride=2) for s in (0, 1)]
    return normed(w, f"{name}.bn", torch.cat(parts, 1))


def normed(w, name, y):
    y = (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    if f"{name}.weight" not in w:
        return y
    return y * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]
