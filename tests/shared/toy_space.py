"""A search space small enough to count everything."""

import numpy as np

from supernet.benchmarks.spaces import Decision, Edge, Graph, SearchSpace


class Toy(SearchSpace):
    """A space small enough to count everything."""

    name = "toy"
    title = "Toy"
    decisions = (Decision("a", ("x", "y")), Decision("b", (1, 2, 3)), Decision("c", ((), (0,), (1,), (0, 1))))

    def string(self, arch):
        return "".join(map(str, arch))

    def parse(self, text):
        return tuple(map(int, text))

    def params(self, archs, channels=None, cells=None, size=32, classes=10):
        return np.atleast_2d(archs).sum(1)

    flops = params

    def path_code(self, archs):
        return np.atleast_2d(archs).astype(np.float32)

    def layout(self, arch):
        return (Graph(("in", "out"), (Edge(0, 1, str(arch)),)),)
