"""The objective of a search by a training-free score."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.harness.scoring.proxies.metered import metered_scores
from supernet.harness.scoring.proxies.probe import Probe
from supernet.harness.search.objective import Answer, Query
from supernet.harness.search.probing import Shape, Site
from supernet.heuristics.meter import Meter


@dataclass(frozen=True)
class FreeScore:
    """The `Objective` that looks at untrained networks."""

    probe: Probe
    """The networks and images."""
    name: str
    """Name of the score."""
    draw: int
    """Number of the draw of images and weights."""
    site: Site
    """Gives the cost of passes."""

    @property
    def space(self) -> SearchSpace:
        return self.probe.within

    @property
    def top(self) -> int:
        return 0

    def ask(self, query: Query) -> Answer:
        """Score an architecture; it is NaN where the score is undefined. Counts of parameters cost a query alone."""
        scores, cost = self.scores(np.array([self.space.index(query.arch)]))
        return Answer(float(scores[0]), {"queries": 1.0, **cost})

    def scores(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Return the scores of architectures, (n,), and the cost of all passes, kind -> amount."""
        began, meter = time.perf_counter(), Meter()
        scores = metered_scores(self.probe, self.name, indices, self.draw, meter)
        assert self.probe.size is not None  # the size of a search's images is fixed
        shape = Shape(self.probe.channels, self.probe.cells, self.probe.size)
        return scores, self.site.costs(meter, self.probe.images, shape, time.perf_counter() - began)
