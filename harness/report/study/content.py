"""What the page of a study shows beside its analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Changed:
    """One setting."""

    label: str
    changes: list[str]
    """Changes of the base recipe, as `section.key: before -> after`."""


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
    """Hardware and software of the runs."""
    checklist: list[Answer]
    """Answers to the checklist of Lindauer and Hutter (JMLR 2020)."""
