"""A made-up table and small recipes for searches that share weights."""

from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import Measure, write_table
from supernet.harness.runs.job import Truth
from supernet.harness.search.algorithms.registry import recipe_for
from supernet.harness.search.ledger import Budget
from supernet.harness.search.spec import SearchSpec
from supernet.heuristics.recipe import Recipe

WITHIN = space("nb201")
MEASURE = Measure("digits", "valid", "5", "s0")
BASE = Recipe().override(
    [
        "task.name=digits", "task.train_images=128", "task.valid_images=96", "network.channels=4", "network.cells=1",
        "network.bn_affine=false", "training.batch_size=32", "training.learning_rate=0.05", "evaluation.images=64",
        "evaluation.batch_size=32", "evaluation.metric=accuracy",
    ]
)  # fmt: skip
FEW = ("task.train_images=64", "task.valid_images=64")
"""Two batches of each split, where it does not matter how many."""


def made_truth(folder):
    """A table whose accuracy is the number of 3x3 convolutions, and whose seconds are its operations."""
    archs = WITHIN.archs()
    accuracy = (archs == 3).sum(1) + 0.5 * (archs == 2).sum(1)
    flops = WITHIN.flops(archs, 16, 1, 16)
    columns = {
        "arch": [WITHIN.string(arch) for arch in archs.tolist()],
        "digits.valid.e5.s0": accuracy.astype(float),
        "digits.test.e5.s0": accuracy.astype(float),
        "digits.params": WITHIN.params(archs, 16, 1),
        "digits.flops": flops,
        "digits.train_seconds.e5": flops / 1e6,
    }
    path = folder / "made.parquet"
    about = {"space": "nb201", "family": "made", "accuracy_unit": "percent", "recipe": {"task": {"train_images": 500}}}
    write_table(path, columns, about)
    return Truth.find("nb201", MEASURE, str(path))


def spec_of(algorithm, truth, budget="200p", seed=0, changes=()):
    recipe = recipe_for(algorithm, BASE.override(list(changes)), WITHIN)
    return SearchSpec("nb201", truth, ("5",), algorithm, Budget.parse(budget), (seed,), recipe)
