"""Check a ground-truth table against everything that can be recomputed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from supernet.benchmarks.errors import BadArchitecture, BadTable, NoSuchResult
from supernet.benchmarks.spaces import OFFICIAL, SPACE_NAMES, Complete, space
from supernet.benchmarks.truth.about import CONTENT_KEY
from supernet.benchmarks.truth.table import GroundTruth
from supernet.benchmarks.truth.training import training_of
from supernet.benchmarks.wording import listed

OFFICIAL_FAMILIES = ("NAS-Bench", "NATS-Bench")
"""First words of the families of official records; other tables have other optima."""
HASHES_CHECKED = 2000
"""Cells whose graph hash is recomputed, spread evenly over a table: our choice, a compromise of coverage and time."""


def verify(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    """All checks in turn: (name, whether it holds, detail)."""
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
    official, sampled = _complete(table.space), "sample" in table.about
    if official is not None and not sampled and len(table) != official.rows:
        yield "official order", False, f"{len(table):,} rows, the benchmark has {official.rows:,}"
        return
    try:
        if sampled:
            yield from _sample(table)
        elif official is not None:
            yield "official order", official.in_order(table.keys()), official.order
            yield from _costs(table, official)
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


def _complete(space_name: str) -> Complete | None:
    """What tables of all architectures of a space look like, if its benchmark has such tables."""
    official = OFFICIAL.get(space_name)
    return official.complete if official is not None else None


def _accuracies(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    outside = [m.column for m in table.measures if not _percent(table.readings(m.dataset, m.split, m.epochs, m.seed))]
    yield (
        "accuracies",
        not outside,
        f"outside 0 … 100 % in {listed(outside)}" if outside else "within 0 … 100 %",
    )
    official = OFFICIAL.get(table.space)
    if official is None or not table.family.startswith(OFFICIAL_FAMILIES):
        return
    for m in table.measures:
        best = official.best.get(m.column)
        if best is not None:
            readings = table.readings(m.dataset, m.split, m.epochs, m.seed)
            found = float(np.nanmax(readings)) if not np.isnan(readings).all() else float("nan")
            yield f"best {m}", abs(found - best) < 0.006, f"{found:.4f}, published {best}"


def _percent(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 100) | np.isnan(values)).all())


def _sample(table: GroundTruth) -> Iterator[tuple[str, bool, str]]:
    """Checks of tables with a sample of a space, measured by the project."""
    keys = table.keys()
    yield "distinct", len(set(keys)) == len(keys), f"{len(keys):,} architectures: {table.about['sample']}"
    training = training_of(table)
    if table.space not in SPACE_NAMES or training is None:
        return
    within = space(table.space)
    first, *others = within.table_columns(within.archs([0]))
    spelled = [within.parse(text) for text in (table.read(others[0]).to_pylist() if others else keys)]
    named = within.table_keys(np.array(spelled), first) == keys
    yield f"{first} names the architecture", named, "equal to that of its official string"
    params, _ = within.costs(np.array(spelled), training.channels, training.cells)
    for name in table.columns:
        dataset, _, what = name.rpartition(".")
        if what == "params":
            yield name, bool((params == table.params(dataset)).all()), "equal to the network's own count"


def _costs(table: GroundTruth, official: Complete) -> Iterator[tuple[str, bool, str]]:
    """Checks of complete official tables: costs and keys that can be computed from the architectures."""
    for name in official.counted_columns(table.columns):
        given = table.read(name).to_numpy(zero_copy_only=False).astype(float)
        there = ~np.isnan(given)
        right = bool((official.count(name, table.read) == given)[there].all())
        yield name, right, "equal to the network's own count"
    rows = np.linspace(0, len(table) - 1, HASHES_CHECKED).astype(np.int64)
    keys = official.keys(table.read, rows)
    if keys is not None:
        yield "graph hashes", keys == table.keys(rows), f"recomputed for {HASHES_CHECKED:,} cells spread over the table"
