"""The super-net of a part of NAS-Bench-201's operations computes what the whole one does on the same weights."""

import pytest
import torch

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201 import CONV1X1
from supernet.benchmarks.spaces.nb201_part import OPERATIONS, in_nb201
from supernet.harness.supernet.build import build_network
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.plain.build import plain_network
from supernet.harness.supernet.plain.pool import Pool
from supernet.heuristics.recipe import Recipe, RecipeError
from supernet.heuristics.routes import Gate
from supernet.heuristics.sections import NetworkSection

PART = space("nb201-topology")
ARCHS = [tuple(arch) for arch in PART.archs([0, 17, 300, 511, 728]).tolist()]


def pair(**options):
    """The part and the whole, with the same weights where both have them."""
    chosen = NetworkSection(**({"channels": 4, "cells": 1} | options))
    torch.manual_seed(0)
    part, whole = NB201Net(10, chosen, OPERATIONS).double(), NB201Net(10, chosen).double()
    whole.load_state_dict(part.state_dict(), strict=False)
    return part, whole


def spread(weights):
    """The weights of three options as weights of NAS-Bench-201's five."""
    return torch.zeros(5, dtype=weights.dtype).index_put((torch.tensor(OPERATIONS),), weights)


def whole_arch(arch):
    return tuple(in_nb201(arch)[0].tolist())


@pytest.fixture
def images():
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.double)


@pytest.mark.parametrize("options", [{}, {"cells": 2, "op_on": "node"}, {"partial_channels": 2}], ids=str)
def test_single_paths_are_those_of_the_whole(options, images):
    part, whole = pair(**options)
    alone = [part(images, arch) for arch in ARCHS]
    for arch, logits, prefixed in zip(ARCHS, alone, part.logits_of(images, ARCHS), strict=True):
        torch.testing.assert_close(logits, whole(images, whole_arch(arch)), rtol=0, atol=0)
        torch.testing.assert_close(prefixed, logits)


@pytest.mark.parametrize(
    "options", [{}, {"bn_affine": False}, {"bn_affine": False, "partial_channels": 2}], ids=["affine", "merged", "some"]
)
def test_mixtures_of_three_options_are_those_of_five_with_two_of_no_weight(options, images):
    part, whole = pair(**options)
    mixture = [torch.rand(3, dtype=torch.double).softmax(0) for _ in range(6)]
    wide = tuple(map(spread, mixture))
    torch.testing.assert_close(part(images, tuple(mixture)), whole(images, wide))


def test_gates_pass_one_of_three_options(images):
    part, whole = pair()
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.double)
    for option in range(3):
        narrow, wide = Gate(option, weights), Gate(OPERATIONS[option], spread(weights))
        torch.testing.assert_close(part(images, (narrow,) * 6), whole(images, (wide,) * 6))


def test_it_has_no_weights_that_no_option_uses(images):
    part, whole = pair()
    assert not [name for name in part.state_dict() if ".conv1." in name]
    part(images, PART.extremes()[0]).sum().backward()
    assert all(p.grad is not None for p in part.parameters())
    assert [len(part.operations_of(4, option)) for option in range(3)] == [0, 0, 3]
    assert part.parameters_of(4, 2) != []
    for arch in ARCHS:
        assert sum(p.numel() for p in part.active_parameters(arch)) == PART.params(arch, 4, 1)[0]
    assert CONV1X1 in whole.operations
    assert CONV1X1 not in part.operations


def test_recipes_build_it_and_refuse_kernels_within_kernels():
    recipe = Recipe().override(["space=nb201-topology", "network.channels=4", "network.cells=1"])
    assert build_network(recipe, 10).operations == OPERATIONS
    with pytest.raises(RecipeError, match=r"ofa_kernel=centre is for nb201, .*nb201-topology has convolutions of one"):
        recipe.override(["network.ofa_kernel=centre"])


def test_its_plain_networks_are_those_of_nas_bench_201(images):
    for arch in ARCHS[1:]:
        ours = plain_network("nb201-topology", Pool(0), PART.archs(PART.indices([arch])), 4, 1, 10)
        theirs = plain_network("nb201", Pool(0), in_nb201(arch), 4, 1, 10)
        with torch.no_grad():
            assert torch.equal(ours(images.float()), theirs(images.float()))
