"""Channel modes of the super-net of the 1Shot1 spaces: which part of the weights a pass takes."""

import numpy as np
import pytest
import torch
from nb1shot1_nets import DYNAMIC, SPACES, archs, close, each_space, images, network, norms, step, used

from supernet.benchmarks.spaces.nb101 import SHORT_OPS
from supernet.heuristics.recipe import RecipeError


@each_space
@pytest.mark.parametrize("mode", ["fixed", *DYNAMIC])
@pytest.mark.parametrize(
    "options", [{}, {"ofa_kernel": "transform", "ws_bn": True, "bn_track": True}, {"bn_affine": False}]
)
def test_a_step_of_training_works_in_every_mode(within, mode, options):
    net, x = network(within, 7, channel_mode=mode, **options).float(), images().float()
    for arch in archs(within, 2, full=True) + archs(within, 2, full=False):
        assert np.isfinite(step(net, arch, x))
    assert all(p.isfinite().all() for p in net.parameters())


@each_space
@pytest.mark.parametrize("mode", DYNAMIC)
def test_only_random_parts_differ_between_passes_and_only_in_training(within, mode):
    net, x = network(within, channel_mode=mode), images()
    (arch,) = archs(within, 1, full=True)
    random = mode in ("random_chunk", "shuffle")
    assert any(not torch.equal(net(x, arch), net(x, arch)) for _ in range(3)) == random
    net.eval()
    assert torch.equal(net(x, arch), net(x, arch))


@pytest.mark.parametrize("mode", ["random_chunk", "shuffle"])
def test_all_nodes_of_a_cell_take_the_same_random_part(mode):
    within = SPACES[0]
    net, x = network(within, channel_mode=mode), images()
    for norm in norms(net):
        torch.nn.init.ones_(norm.bias)  # so that no channel is dead
    arch = within.parse("|conv3x3~0|conv1x1~0,1|conv1x1~1,2|maxpool3x3~0,3|out~2,4|")
    net(x, arch).square().sum().backward()
    for cell in net.cells:
        parts = []
        for node in sorted(used(within, arch)):
            module = cell.nodes[node - 1]
            touched = [module.projection.conv.weight.grad]
            conv = {"conv3x3": module.conv3, "conv1x1": module.conv1}.get(SHORT_OPS[arch[node - 1]])
            if conv is not None:
                touched += [conv.weight.grad, conv.weight.grad.transpose(0, 1)]
            parts += [torch.flatten(t, 1).abs().sum(1).nonzero()[:, 0].tolist() for t in touched if t is not None]
        (part,) = {tuple(p) for p in parts}
        assert len(part) == cell.width // 2
        if mode == "random_chunk":
            assert part == tuple(range(part[0], part[0] + len(part)))


@each_space
@pytest.mark.parametrize("mode", DYNAMIC)
def test_running_statistics_belong_to_the_channels_they_are_of(within, mode):
    """Normalised by the statistics of one whole pass, the same pass gives the same output."""
    net, x = network(within, channel_mode=mode, bn_track=True).eval(), images(32)
    for arch in archs(within, 1, full=True) + archs(within, 1, full=False):
        for norm in norms(net):
            norm.reset()
            norm.momentum = None
        tracked = net(x, arch)
        for norm in norms(net):
            norm.use_running = True
        # Running variances are unbiased, those of a batch are not.
        close(net(x, arch), tracked, rtol=0.05, atol=0.05)
        for norm in norms(net):
            norm.use_running = False


def test_a_shuffled_part_moves_the_statistics_of_its_channels_only():
    within = SPACES[0]
    net, x = network(within, channel_mode="shuffle", bn_track=True), images()
    (arch,) = archs(within, 1, full=True)
    net(x, arch)
    for cell in net.cells:
        norm = cell.nodes[0].projection.norm
        assert (norm.mean != 0).sum() in (0, cell.width // 2)


def test_too_few_channels_are_refused():
    with pytest.raises(RecipeError, match="at least 3"):
        network(SPACES[1], 2)
