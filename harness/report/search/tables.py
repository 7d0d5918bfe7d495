"""The tables of a comparison of searches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from supernet.harness.search.analysis import Outcome
from supernet.harness.search.contrasts import Contrast
from supernet.harness.search.findings import short


def tables(outcome: Outcome) -> dict[str, pd.DataFrame]:
    """The tables final, reached, versus, pairs, picks and curves, by name."""
    final, reached, picks = [], [], []
    within = outcome.comparison.within
    for entry in outcome.best_first:
        line: dict[str, Any] = {"algorithm": entry.name, "seeds": len(entry.picks)}
        for measure in outcome.measures:
            mean, deviation = entry.summary(measure)
            line |= {f"{short(measure)}": mean, f"{short(measure)} sd": deviation}
        rank = entry.rank or (None, None, None)
        final.append(line | dict(zip(("rank", "rank_low", "rank_high"), rank, strict=True)))
        for distance, (spent, share) in entry.reached.items():
            reached.append(
                {
                    "algorithm": entry.name,
                    "within": distance,
                    f"median {outcome.unit}": spent if math.isfinite(spent) else None,
                    "share of seeds": share,
                }
            )
        for position, (seed, index) in enumerate(sorted(entry.picks.items())):
            arch = within.string(within.archs(np.array([index]))[0].tolist())
            values = {short(m): float(entry.final[str(m)][position]) for m in outcome.measures}
            picks.append({"algorithm": entry.name, "seed": seed, "index": index, "arch": arch, **values})
    return {
        "final": pd.DataFrame(final),
        "reached": pd.DataFrame(reached),
        "versus": _contrasts(outcome.versus, "p_holm"),
        "pairs": _contrasts(outcome.pairs, "q"),
        "picks": pd.DataFrame(picks),
        "curves": _curves(outcome),
    }


def _contrasts(contrasts: Sequence[Contrast], adjusted: str) -> pd.DataFrame:
    """A table with a row per contrast.

    Args:
        adjusted: name of the column of corrected p-values.
    """
    rows = [{**vars(contrast), "clear": contrast.clear} for contrast in contrasts]
    return pd.DataFrame(rows).rename(columns={"adjusted": adjusted})


def _curves(outcome: Outcome) -> pd.DataFrame:
    """Test regret against what was spent; "random, expected" is what random search reaches in expectation."""
    frames = []
    for entry in outcome.entries:
        if c := entry.curve:
            quartiles = dict(zip(("q1", "median", "q3"), c.quartiles, strict=True))
            values = {"spent": c.spent, "mean": c.mean, "low": c.low, "high": c.high, **quartiles}
            frames.append(pd.DataFrame({"algorithm": entry.name, **values}))
    if outcome.random is not None:
        frames.append(
            pd.DataFrame({"algorithm": "random, expected", **dict(zip(("spent", "mean"), outcome.random, strict=True))})
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
