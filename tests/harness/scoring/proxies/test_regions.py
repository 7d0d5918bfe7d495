"""regions against a set of patterns that recording activations note, and against a network of one layer."""

import copy

import pytest
import torch
from torch import nn

from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.proxy import Look
from supernet.harness.scoring.proxies.regions import distinct, patches, regions
from supernet.harness.supernet.plain.network import PlainNetwork

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


class Recorder(nn.Module):
    def __init__(self, notes):
        super().__init__()
        self.notes = notes

    def forward(self, x):
        self.notes.append(x[:, 0].flatten(1).numpy() > 0)
        return x.clamp(min=0)


def recording(module, notes):
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, Recorder(notes))
        else:
            recording(child, notes)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_counts_the_patterns_of_the_first_channels(probe):
    look = Sight(probe, 0).look(2_000, "kaiming")
    network, notes = copy.deepcopy(look.network), []
    recording(network, notes)
    inputs, seen = patches(look), set()
    with torch.no_grad():
        for batch in range(3):
            notes.clear()
            network(inputs[1000 * batch : 1000 * (batch + 1)])
            for patch in range(1000):
                seen.add(b"".join(note[patch].tobytes() for note in notes))
    assert regions(look) == len(seen)
    assert 1 < len(seen) < 3000


def test_patches_are_of_one_colour_of_one_image():
    look = Sight(PROBES[0], 0).look(2_000, "kaiming")
    inputs = patches(look)
    assert inputs.shape == (3000, 3, 4, 4)
    assert not inputs[:, 1:].any()
    windows = {
        look.images[image, colour, y : y + 4, x : x + 4].contiguous().numpy().tobytes()
        for image in range(6)
        for colour in range(3)
        for y in range(5)
        for x in range(5)
    }
    found = {patch.contiguous().numpy().tobytes() for patch in inputs[:, 0]}
    assert found <= windows
    assert len(found) > len(windows) / 2


def test_a_single_layer_has_as_many_regions_as_signs():
    network = PlainNetwork([nn.ReLU()], nn.Identity(), nn.Linear(3, 2))
    images = torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 3, 4, 4)
    assert regions(Look(network, images, torch.zeros(2), 2, 0)) == 2


def test_different_rows_are_counted_once():
    assert distinct(torch.tensor([[True, False], [False, False], [True, False], [True, True]])) == 3
