"""The training-free ranking that every report sets a super-net beside: the rule `free-1` where its scores ship.

The scores were measured by this project with `supernet score`: parameters on live edges are counted anew, and jacob_cov
is kept as the order of the distinct networks of a space in each of several draws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from supernet.benchmarks.files import whole
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.spaces.live import live_quantity
from supernet.harness.scoring.proxies.whole import Scored
from supernet.harness.scoring.rules import RULES, Rule
from supernet.harness.statistics.added import FreeScore

FOLDER = Path(__file__).parent / "shipped"
RULE, WITH_SUPERNET = "free-1", "free-1+supernet"
"""The rule of reports, and that which adds a super-net to it."""
SIZE, JACOB_COV = "live-params", "jacob-cov"
ABOUT = b"free_scores"
"""Key of the file's metadata."""


def free_score(within: SearchSpace, indices: NDArray[np.int64]) -> FreeScore:
    """The training-free ranking of these architectures, (n,): by `free-1` if jacob_cov ships, else by their size."""
    live = live_quantity(within, SIZE, within.archs(indices))
    found = _shipped(within.name)
    if found is None:
        rule, trained = RULES[SIZE], RULES[f"{SIZE}+supernet"].trained
        about = f"Parameters on operations between input and output. {rule.card}"
        scores = {SIZE: live}
    else:
        rule, trained = RULES[RULE], RULES[WITH_SUPERNET].trained
        about, scores = _told(rule, found[2]), {SIZE: live, JACOB_COV: _draws(within, indices, *found[:2])}
    assert trained is not None
    return FreeScore(rule.name, about, scores, dict(rule.free), rule.how, trained)


def _draws(
    within: SearchSpace, indices: NDArray[np.int64], known: NDArray[np.int64], places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """jacob_cov as places in each draw, NaN where it has no value: (draws, n).

    Args:
        known, places: architectures whose place is known, ascending, (m,), and their places: (draws, m).
    """
    first = within.same_computation(indices)
    rows = np.searchsorted(known, first).clip(max=len(known) - 1)
    return np.where((known[rows] == first) & (places[:, rows] >= 0), places[:, rows], np.nan)


def _told(rule: Rule, about: Mapping[str, Any]) -> str:
    probe = about["probe"]
    cells = f"{probe['cells']} cell{'s' if probe['cells'] != 1 else ''}"
    return (
        f"Parameters on live edges and jacob_cov, fused by the logarithms of their ranks; jacob_cov as mean rank over "
        f"{about['draws']} draws of {probe['images']} training images of {probe['task']} at {probe['size']} pixels and "
        f"of the weights of one random super-net with {probe['channels']} channels and {cells} a stage. "
        f"{rule.card}"
    )


@cache
def _shipped(name: str) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, Any]] | None:
    """Architectures (n,), their places by jacob_cov in each draw (draws, n), -1 where it has no value, and the rest."""
    path = FOLDER / f"{name}.parquet"
    if not path.exists():
        return None
    table = pq.read_table(path)
    indices, *draws = (column.to_numpy().astype(np.int64) for column in table.columns)
    return indices, np.stack(draws), json.loads(table.schema.metadata[ABOUT])


def pack(scored: Scored, path: Path, about: Mapping[str, Any]) -> None:
    """Write the order of the distinct networks by jacob_cov, so that a report can read it.

    Args:
        scored: the scores of all architectures of a space, or of one for each distinct network.
        about: what else the file says of itself, such as versions.
    """
    within = space(scored.probe.space)
    first = within.same_computation(scored.indices)
    distinct, rows = np.unique(first, return_index=True)
    values = scored.values[JACOB_COV][:, rows]
    columns: dict[str, NDArray[Any]] = {"index": distinct.astype(np.int32)}
    for number, draw in enumerate(values):
        known = ~np.isnan(draw)
        places = np.full(len(draw), -1, dtype=np.int32)
        places[known] = np.unique(draw[known], return_inverse=True)[1]
        columns[f"{JACOB_COV}.{number}"] = places
    table = pa.Table.from_pandas(pd.DataFrame(columns), preserve_index=False)
    told = {"space": within.name, "draws": len(values), "probe": scored.probe.as_dict(), **about}
    table = table.replace_schema_metadata({ABOUT: json.dumps(told).encode()})
    with whole(path) as partial:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)
