"""The data of a page's scatter of scores against the truth, as JSON inside the page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from supernet.harness.report.html.markup import Html, el

DIGITS = 7
"""Significant digits of the scores in the page: as many as single precision has."""
SCATTER_SCRIPTS = ("markup", "cells", "ranks", "plot", "scatter")
"""Scripts that draw the scatter, in the order in which they need each other."""


@dataclass(frozen=True)
class Scores:
    """The scores of one ranking."""

    label: str
    """What is ranked by: a setting of a study, or a column of scores."""
    seed: int | None
    """Seed of the run; None where scores have no seed."""
    tau: float
    hash: str
    """A name that no other ranking of the page has."""
    scores: list[float]
    """Higher is better, in the order of `Scatter.archs`."""


@dataclass(frozen=True)
class Scatter:
    """What it takes to plot the scores of any run against the truth."""

    archs: list[str]
    """Official strings: n of them."""
    cells: list[list[list[Any]]]
    """The cells of each architecture as graphs (`Graph.as_json`), in the order of `archs`."""
    true: list[float]
    """Accuracies in percent: (n,); empty where no run is done."""
    runs: list[Scores]
    note: str = ""
    """On which architectures these are."""


def points(scatter: Scatter, order: Sequence[str] = ()) -> Html:
    """The element that the script `scatter` reads; no text can end it.

    Args:
        order: labels whose rankings come first, in this order; those of one label are sorted by seed.

    Raises:
        ValueError: scores or accuracies do not match the architectures.
    """
    count = len(scatter.archs)
    places = {label: place for place, label in enumerate(order)}
    runs = sorted(scatter.runs, key=lambda run: (places.get(run.label, len(places)), run.seed or 0))
    columns: list[tuple[str, Sequence[object]]] = [("cells", scatter.cells), ("true", scatter.true)]
    for what, values in columns + [(run.label, run.scores) for run in runs]:
        if runs and len(values) != count:
            raise ValueError(f"{what}: {len(values)} values for {count} architectures.")
    content = {
        "archs": scatter.archs,
        "cells": scatter.cells,
        "true": [_short(value) for value in scatter.true],
        "runs": [
            {
                "label": run.label,
                "seed": run.seed,
                "tau": _short(run.tau),
                "hash": run.hash,
                "scores": [_short(value) for value in run.scores],
            }
            for run in runs
        ],
    }
    text = json.dumps(content, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return el("script", Html(text.replace("<", "\\u003c")), type="application/json", id="data")


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{DIGITS}g}")
