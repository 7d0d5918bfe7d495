"""Hooks on modules of one kind are called, may replace outputs, and are gone afterwards, also after an error."""

import pytest
import torch
from torch import nn

from supernet.harness.scoring.proxies.hooks import hooked


def test_only_modules_of_the_kind_are_seen_in_order_and_nothing_is_left():
    network = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Sequential(nn.ReLU()))
    seen = []
    x = torch.tensor([[-1.0, 2.0]])
    with hooked(network, nn.ReLU, lambda module, inputs, output: seen.append((module, output))):
        network(x)
    network(x)
    assert [module for module, _ in seen] == [network[0], network[2][0]]
    assert seen[0][1].tolist() == [[0, 2]]


def test_what_a_hook_returns_replaces_the_output_and_an_error_removes_the_hooks():
    relu = nn.ReLU()
    x = torch.tensor([1.0])

    def doubled(module, inputs, output):
        return 2 * output

    def fails_inside():
        with hooked(relu, nn.ReLU, doubled):
            assert relu(x).tolist() == [2]
            raise KeyError

    with pytest.raises(KeyError):
        fails_inside()
    assert relu(x).tolist() == [1]
