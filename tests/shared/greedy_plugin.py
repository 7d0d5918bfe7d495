"""A plug-in with a search algorithm of one's own."""

from supernet.heuristics.plugins import Plugin

GREEDY = """
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.registry import register


class Greedy:
    def __init__(self, moves, top, rng):
        self.moves, self.top, self.rng, self.best = moves, top, rng, None

    def ask(self):
        if self.best is None:
            return Query(self.moves.random(self.rng), self.top)
        return Query(self.moves.mutated(self.best[1], self.rng), self.top)

    def tell(self, query, value):
        if self.best is None or value > self.best[0]:
            self.best = (value, query.arch)


register("greedy", Greedy, title="Greedy <b>[red]$x_", source="here & now")
"""


def plugin(path, text=GREEDY):
    path.write_text(text, encoding="utf-8")
    return Plugin.read(path)
