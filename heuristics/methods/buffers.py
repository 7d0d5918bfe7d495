"""Passes that only compare or score: they leave no trace in the running statistics of batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def buffers_kept(network: nn.Module) -> Iterator[None]:
    """Restore the buffers of a network, which hold running statistics, at the end of the block."""
    before = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)


@contextmanager
def scoring(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode, in which nothing is dropped; restore its mode and buffers at the end.

    Batch norm of super-nets uses the statistics of the batch in both modes.
    """
    training = network.training
    network.eval()
    try:
        with buffers_kept(network):
            yield
    finally:
        network.train(training)
