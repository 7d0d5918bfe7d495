"""A small comparison of searches, and its runs."""

from dataclasses import replace

from supernet.benchmarks.spaces import space
from supernet.harness.runs.executors import InProcess
from supernet.harness.runs.store import Store
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.ledger import Budget

WITHIN = space("nb201")


def comparison(table, **changes):
    made = Comparison("nb201", "cifar10", ("random", "rea", "bohb"), Budget("seconds", 3000), 6, str(table))
    return replace(made, **changes)


def made(chosen, folder):
    store = Store(folder / "runs")
    store.prepare()
    missing = [spec for spec in chosen.specs() if not store.whole(spec.hash)]
    ended = []
    InProcess().make(missing, store.root, lambda run, state: ended.append(state), lambda: None)
    return store, ended
