"""The device on which kernels in Triton are tested: a GPU, else the CPU with Triton's interpreter."""

import pytest
import torch


@pytest.fixture
def interpreted():
    """Name of the device; on a CPU, Triton interprets there."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of which a few are needed for small images, the last one with rows left over."""
    from supernet.harness.supernet.kernels.triton import gather, layout, pool

    monkeypatch.setattr(layout, "TILE", 512)
    monkeypatch.setattr(gather, "BLOCK", 256)
    monkeypatch.setattr(pool, "SHARE", 1)
