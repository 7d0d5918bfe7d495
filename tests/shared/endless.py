"""A space with two cells for each architecture, and more architectures than can be listed."""

import numpy as np

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces import Decision, Edge, Graph, SearchSpace

OPS = ("sep3", "sep5", "skip", "pool")
PARENTS = ((0, 1), (0, 2), (1, 2))


class Endless(SearchSpace):
    """Two cells of six nodes; every node has an operation and a pair of parents: 2 x 12^6 of them each."""

    name = "endless"
    title = "A space of pairs of cells"
    own_network = (16, 20)
    decisions = tuple(
        decision
        for cell in ("normal", "reduction")
        for node in range(2, 8)
        for decision in (Decision(f"{cell}-op{node}", OPS), Decision(f"{cell}-parents{node}", PARENTS))
    )

    def string(self, arch):
        return " ".join(f"{OPS[op]}~{parents}" for op, parents in zip(arch[::2], arch[1::2], strict=True))

    def parse(self, text):
        try:
            pairs = [part.split("~") for part in text.split(" ")]
            arch = [number for op, parents in pairs for number in (OPS.index(op), int(parents))]
            self.index(arch)
        except ValueError:
            raise BadArchitecture(f"{text!r} is not an architecture of this space") from None
        return tuple(arch)

    def params(self, archs, channels=None, cells=None, size=32, classes=10):
        return (np.atleast_2d(archs)[:, ::2] < 2).sum(axis=1) * (channels or 16) + classes

    def flops(self, archs, channels=None, cells=None, size=32, classes=10):
        return self.params(archs, channels, cells, size, classes) * size**2

    def path_code(self, archs):
        return np.atleast_2d(archs).astype(np.float32)

    def layout(self, arch):
        return tuple(self._cell(arch[start : start + 12]) for start in (0, 12))

    def _cell(self, choices):
        edges = [
            Edge(parent, node, OPS[op])
            for node, (op, pair) in enumerate(zip(choices[::2], choices[1::2], strict=True), 2)
            for parent in PARENTS[pair]
            if parent < node
        ]
        return Graph(("in", "in", *map(str, range(1, 6)), "out"), tuple(edges), inputs=2)
