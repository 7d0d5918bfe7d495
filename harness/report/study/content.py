"""What the page of a study shows beside its analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scores:
    """The scores of one run."""

    label: str
    """Of the setting."""
    seed: int
    tau: float
    hash: str
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


@dataclass(frozen=True)
class Changed:
    """One setting."""

    label: str
    changes: list[str]
    """Of the base recipe, as `section.key: before -> after`."""


@dataclass(frozen=True)
class Answer:
    """One point of the checklist."""

    question: str
    answer: str


@dataclass(frozen=True)
class Methods:
    """The methods appendix."""

    text: list[str]
    """Paragraphs."""
    recipe: dict[str, Any]
    """The base recipe as nested plain values, without its seed."""
    settings: list[Changed]
    environment: dict[str, Any]
    """Of the runs."""
    checklist: list[Answer]
    """Of Lindauer and Hutter (JMLR 2020)."""
