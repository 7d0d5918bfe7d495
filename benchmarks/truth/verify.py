"""Check a ground-truth table against everything that can be recomputed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from supernet.benchmarks.errors import BadArchitecture, BadTable, NoSuchResult
from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb101 import UNIQUE_CELLS, Cells
from supernet.benchmarks.spaces.nb201 import DATASETS, NB201
from supernet.benchmarks.truth.about import CONTENT_KEY
from supernet.benchmarks.truth.table import GroundTruth
from supernet.benchmarks.wording import listed

BEST_KNOWN = {
    ("nb201", "cifar10.test.e200.mean"): 94.37,
    ("nb201", "cifar100.test.e200.mean"): 73.51,
    ("nb201", "imagenet16-120.test.e200.mean"): 47.31,
    ("nb201", "cifar10-valid.valid.e200.mean"): 91.61,
    ("nb101", "cifar10.test.e108.mean"): 94.32,
}
"""(space, column) -> published accuracy of the best architecture, rounded to 0.01 (Dong and Yang, 2020, table 5;
Ying et al., 2019)."""
OFFICIAL = ("NAS-Bench", "NATS-Bench")
"""How the families of official records are named; other tables have optima of their own."""
HASHES_CHECKED = 2000


def verify(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    """Check after check: (what, whether it holds, detail)."""
    try:
        for name in table.columns:
            table.stored(name)
    except BadTable as error:
        yield "readable", False, str(error)
        return
    yield "readable", True, f"{len(table.columns)} columns, {len(table):,} rows"
    if CONTENT_KEY in table.about:
        try:
            table.check_contents()
        except BadTable as error:
            yield "contents", False, f"{error} The other checks were left out."
            return
        yield "contents", True, "SHA-256 recorded when it was written"
    expected = {"nb201": len(NB201()), "nb101": UNIQUE_CELLS}.get(table.space, len(table))
    sampled = "sample" in table.about
    if len(table) != expected and not sampled:
        yield "official order", False, f"{len(table):,} rows, the benchmark has {expected:,}"
        return
    try:
        if sampled:
            yield from _sample(table)
        else:
            yield from _order(table)
            yield from _costs(table)
    except (NoSuchResult, BadTable, BadArchitecture) as error:
        yield "costs", False, str(error)
        return
    except (KeyError, TypeError, ValueError) as error:  # metadata or cells of another shape
        yield "costs", False, f"they cannot be compared with the networks' own ({type(error).__name__}: {error!s:.200})"
        return
    try:
        yield from _accuracies(table)
    except BadTable as error:
        yield "accuracies", False, str(error)


def _accuracies(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    outside = [m.column for m in table.measures if not _percent(table.readings(m.dataset, m.split, m.epochs, m.seed))]
    yield (
        "accuracies",
        not outside,
        f"outside 0 … 100 % in {listed(outside)}" if outside else "within 0 … 100 %",
    )
    for m in table.measures:
        best = BEST_KNOWN.get((table.space, m.column))
        if best is not None and table.family.startswith(OFFICIAL):
            readings = table.readings(m.dataset, m.split, m.epochs, m.seed)
            found = float(np.nanmax(readings)) if not np.isnan(readings).all() else float("nan")
            yield f"best {m}", abs(found - best) < 0.006, f"{found:.4f}, published {best}"


def _percent(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 100) | np.isnan(values)).all())


def _order(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    if table.space == "nb201":
        within = space("nb201")
        right = table.keys() == [within.string(arch) for arch in within.archs().tolist()]
        yield "official order", right, "arch column equals the benchmark's list of 15,625"
    if table.space == "nb101":
        keys = table.keys()
        yield (
            "official order",
            len(keys) == UNIQUE_CELLS and sorted(set(keys)) == keys,
            "423,624 ascending hashes",
        )


def _sample(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    """Of tables that hold some architectures of a space, measured with a recipe of theirs."""
    keys, within = table.keys(), space(table.space)
    yield "distinct", len(set(keys)) == len(keys), f"{len(keys):,} architectures: {table.about['sample']}"
    if isinstance(within, NB201):
        network, dataset = table.about["recipe"]["network"], table.about["recipe"]["task"]["name"]
        counted = within.params(
            np.array([within.parse(key) for key in keys]), "cifar10", network["channels"], network["cells"]
        )
        yield f"{dataset}.params", bool((counted == table.params(dataset)).all()), "equal to the network's own count"


def _costs(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    if table.space == "nb201":
        within = NB201()
        for name in table.columns:
            dataset, _, what = name.rpartition(".")
            if what in ("params", "flops") and dataset in DATASETS:
                given = table.read(name).to_numpy(zero_copy_only=False)
                there = ~np.isnan(given.astype(float))
                right = bool((getattr(within, what)(within.archs(), dataset) == given)[there].all())
                yield name, right, "equal to the network's own count"
    if table.space == "nb101":
        cells = Cells.from_bits(
            table.read("vertices").to_numpy(),
            table.read("adjacency_bits").to_numpy(),
            table.read("ops").to_pylist(),
        )
        right = bool((cells.params() == table.params("cifar10")).all())
        yield "cifar10.params", right, "equal to the network's own count"
        rows = np.linspace(0, len(table) - 1, HASHES_CHECKED).astype(np.int64)
        right = cells[rows].hashes() == table.keys(rows)
        yield "graph hashes", right, f"recomputed for {HASHES_CHECKED:,} cells spread over the table"
