"""A store that also compares the metrics of a run with its scores, for code that draws conclusions from them."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from supernet.harness.runs.integrity import LOG, MEASURES, METRICS, SCORES, SPEC, STATUS, once, read_log, verified
from supernet.harness.runs.job import FORMAT, SEARCH, kind_of
from supernet.harness.runs.store import Result, Store
from supernet.harness.statistics import metrics

TOLERANCE = 1e-9
"""Difference of two taus that counts as rounding; one pair of 15,625 architectures changes tau by 1.6e-8."""


class ComparedStore(Store):
    """The runs in one folder; a run whose metrics do not follow from its scores counts as damaged."""

    def _checked(self, path: Path) -> Result:
        """The finished run in a directory.

        Raises:
            Damaged: its files were altered, are missing, or contradict each other.
        """
        result = super()._checked(path)
        once(_compare, path)
        return result


def _compare(path: Path) -> None:
    """Check that the metrics in a run directory follow from its scores.

    Raises:
        ValueError: they do not, or another version of the project made the run.
    """
    contents = verified(path)
    spec, found = contents[SPEC], contents[METRICS]
    if kind_of(spec) == SEARCH:
        return
    if spec.get("format") != FORMAT:
        raise ValueError(f"it was made by another version, whose runs have the format {spec.get('format')}")
    if contents[STATUS]["state"] != "done":
        return
    epochs, log = spec["recipe"]["training"]["epochs"], read_log(path / LOG)
    if log and len(log) != epochs:
        raise ValueError(f"{LOG} has {len(log)} of {epochs} epochs")
    frame = pd.read_parquet(path / SCORES)
    score = MEASURES[spec["recipe"]["evaluation"]["metric"]]
    taus = [metrics.kendall_tau(part[score], part["true"]) for _, part in frame.groupby("epoch")]
    said = found["kendall_tau_by_epoch"]
    if len(said) != len(taus) or not all(map(_near, said, taus)) or not _near(found["kendall_tau"], taus[-1]):
        raise ValueError(f"{METRICS} does not follow from {SCORES}: Kendall's tau of the scores is {taus[-1]:.4f}")
    last = frame[frame["epoch"] == frame["epoch"].max()]
    if found.get("architectures") != len(last):
        raise ValueError(f"{METRICS} does not follow from {SCORES}, which has {len(last):,} architectures")


def _near(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=0, abs_tol=TOLERANCE)
