"""Training-free scores that count what they cost: images passed forward and backward through untrained networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from supernet.harness.scoring.proxies import whole
from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES, known
from supernet.heuristics.meter import Meter

Floats = NDArray[np.float64]


@contextmanager
def counted(first: nn.Module, meter: Meter, size: int, paths: float = 1.0) -> Iterator[None]:
    """Count the images that pass a module, and the gradients that come back to its output.

    Put on the first module of a network, it counts passes however the rest of the network is called. A backward pass
    for one image of a batch counts as one of the whole batch, since batch norm couples the images.

    Args:
        first: the module.
        meter: where to count.
        size: pixels per side of an image that counts once; other images count by their share of its pixels.
        paths: number of paths as which a pass counts, for networks that mix several.
    """

    def note(_: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        (x,) = inputs
        images = len(x) * paths * (x.shape[-2] * x.shape[-1]) / size**2
        meter.forward += images
        if output.requires_grad:

            def went_backward(_: Tensor) -> None:
                meter.backward += images

            output.register_hook(went_backward)

    handle = first.register_forward_hook(note)
    try:
        yield
    finally:
        handle.remove()


def metered_scores(probe: Probe, name: str, indices: NDArray[np.int64], draw: int, meter: Meter) -> Floats:
    """One training-free score of architectures, equal to that draw of `whole.score`: (n,), NaN where undefined.

    Counts of parameters and operations look at no network and cost nothing.

    Args:
        probe: the networks and images.
        name: a key of `registry.COUNTS` or `registry.PROXIES`.
        indices: the architectures: (n,).
        draw: number of the draw of images and weights, from 0.
        meter: where passes are counted.

    Raises:
        UserError: there is no such score, or the task is not available.
    """
    known([name])
    if name in COUNTS:
        return whole.score(probe, [name], indices).values[name][0]
    first, sight = probe.first_alike(np.asarray(indices)), Sight(probe, draw)
    distinct = np.unique(first[probe.within.connected(probe.within.archs(indices), probe.cells)])
    found = {index: _measured(sight, index, name, meter) for index in distinct.tolist()}
    return np.array([found.get(index, np.nan) for index in first.tolist()], dtype=np.float64)


def _measured(sight: Sight, index: int, name: str, meter: Meter) -> float:
    own, backward = Meter(), PROXIES[name].backward
    value = whole.measured(sight, index, name, lambda network: counted(network.blocks[0], own, sight.size))
    meter.forward += own.forward
    meter.backward += own.backward if backward is None else backward * own.forward
    return value
