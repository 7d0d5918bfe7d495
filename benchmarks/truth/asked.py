"""Questions to ground-truth tables: official spellings are understood, and errors suggest what to ask instead."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from supernet.benchmarks.wording import SHOWN, listed, nearest, quoted

SPLITS = {
    "x-valid": "valid", "val": "valid", "validation": "valid", "dev": "valid",
    "x-test": "test", "testing": "test", "ori-test": "heldout", "held-out": "heldout", "training": "train",
}  # fmt: skip
"""Other name of a split -> the splits that may have been meant."""


class Column(Protocol):
    """One accuracy column of a table, such as a `table.Measure`."""

    @property
    def dataset(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def epochs(self) -> str: ...
    @property
    def seed(self) -> str: ...


@dataclass(frozen=True)
class Asked:
    """A question for one accuracy; without `epochs`, for the largest budget."""

    dataset: str
    split: str
    epochs: str | None
    seed: str

    def __str__(self) -> str:
        budget = "" if self.epochs is None else f", {_shown(self.epochs)} epoch{'' if self.epochs == '1' else 's'}"
        return f"{_shown(self.dataset)} {_shown(self.split)}{budget}, {_shown(self.seed)}"

    def spelled_as(self, there: Sequence[Column]) -> Asked:
        """The same question in the spelling of the columns, if the two differ only in case and punctuation.

        Examples are the benchmark's own ImageNet16-120 and CIFAR10.
        """
        return Asked(
            _spelled(self.dataset, (c.dataset for c in there)),
            _spelled(self.split, (c.split for c in there)),
            self.epochs,
            _spelled(self.seed, (c.seed for c in there)),
        )

    def instead(self, there: Sequence[Column]) -> str:
        """A sentence about the part of the question that no column has, with suggestions and the known values."""
        left = list(there)
        for number, field in enumerate(("dataset", "split", "epochs", "seed")):
            value = getattr(self, field)
            known = list(dict.fromkeys(getattr(c, field) for c in left))
            if value is None or value in known:
                left = [c for c in left if value in (None, getattr(c, field))]
                continue
            near = self._meant(field, value, known, there)
            what = (
                f"there is no data set {quoted(value)}",
                f"{_shown(self.dataset)} has no split {quoted(value)}",
                f"{_shown(self.dataset)} {_shown(self.split)} has no results of {quoted(value)} epochs",
                f"{_shown(self.dataset)} {_shown(self.split)} has no seed {quoted(value)} there",
            )[number]
            names = ("Data sets", "Its splits", "Numbers of epochs", "Seeds")[number]
            return f"{what}{f'; did you mean {near}?' if near else '.'} {names}: {listed(known)}."
        return "no single table has all of it."

    def _meant(self, field: str, value: str, known: Sequence[str], there: Sequence[Column]) -> str | None:
        if field == "split":
            split = SPLITS.get(value.lower(), value)
            elsewhere = dict.fromkeys(c.dataset for c in there if c.split == split)
            if split not in known and elsewhere:
                variants = [name for name in elsewhere if name.startswith(f"{self.dataset}-")]  # as cifar10-valid
                near = variants[0] if variants else nearest(self.dataset, elsewhere)
                return f"{near} {split}" if near else None
            return split if split in known else nearest(value, known)
        if field == "epochs":
            return _nearest_budget(value, known)
        if field == "seed":
            same = [name for name in known if _digits(value) and _digits(name) == _digits(value)]
            return same[0] if same else nearest(value, known)
        return nearest(value, known)


def _shown(text: str) -> str:
    """The name itself if it is short and printable, else its quoted form."""
    return text if len(text) <= SHOWN and text.isprintable() else quoted(text)


def _spelled(name: str, known: Iterable[str]) -> str:
    names = set(known) if len(name) <= SHOWN else set()
    same = [other for other in names if _folded(other) == _folded(name)]
    return same[0] if name not in names and len(same) == 1 else name


def _folded(name: str) -> str:
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _digits(text: str) -> str:
    return "".join(re.findall(r"[0-9]", text)).lstrip("0") or ("0" if "0" in text else "")


def _nearest_budget(value: str, known: Sequence[str]) -> str | None:
    """The number of epochs whose ratio to the requested one is nearest to 1."""
    wanted = _digits(value)[:9]
    numbers = [name for name in known if re.fullmatch(r"[0-9]{1,9}", name) and int(name)]
    if not wanted or not int(wanted) or not numbers:
        return None
    return min(numbers, key=lambda name: abs(math.log(int(name) / int(wanted))))
