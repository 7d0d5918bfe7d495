"""How the stand-alone networks behind a ground-truth table were built and trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supernet.benchmarks.errors import BadTable, NoSuchResult
from supernet.benchmarks.spaces import OFFICIAL
from supernet.benchmarks.truth.table import GroundTruth

CHANNELS, CELLS, TRAIN_IMAGES = "channels", "cells", "train_images"
"""Metadata keys of a table that the project measured."""
_IN_RECIPE = {CHANNELS: ("network", "channels"), CELLS: ("network", "cells"), TRAIN_IMAGES: ("task", "train_images")}
"""Metadata key -> path of the same number in the recipe, for tables that are older than these keys."""


@dataclass(frozen=True)
class Training:
    """Size of the networks and number of training images of a table that the project measured."""

    channels: int
    """Channels of the first stage."""
    cells: int
    """Cells per stage."""
    train_images: int

    def about(self) -> dict[str, int]:
        """The metadata that a table carries."""
        return {CHANNELS: self.channels, CELLS: self.cells, TRAIN_IMAGES: self.train_images}


def training_of(truth: GroundTruth) -> Training | None:
    """Size and training images of a table's networks; None if the table was not measured by the project.

    Raises:
        BadTable: the metadata are incomplete, or not whole numbers of at least 1.
    """
    return Training(*_said(truth, *_IN_RECIPE)) if _measured_here(truth) else None


def train_images_of(truth: GroundTruth, dataset: str) -> int:
    """Number of images on which the networks of a table were trained for a data set.

    Raises:
        BadTable: see `training_of`.
        NoSuchResult: neither the table nor its benchmark states the number.
    """
    if _measured_here(truth):
        return _said(truth, TRAIN_IMAGES)[0]
    official = OFFICIAL.get(truth.space)
    if official is None or dataset not in official.train_images:
        raise NoSuchResult(
            f"{truth.path.name} does not say on how many images of {dataset} its networks were trained, so that its "
            "training times cannot be compared with others."
        )
    return official.train_images[dataset]


def _measured_here(truth: GroundTruth) -> bool:
    return any(key in truth.about for key in ("recipe", *_IN_RECIPE))


def _said(truth: GroundTruth, *keys: str) -> list[int]:
    """The numbers under these keys of the metadata, or in the recipe where the keys are missing."""
    found = {key: _number(truth.about, key) for key in keys}
    wrong = [key for key, value in found.items() if type(value) is not int or value < 1]
    if wrong:
        raise BadTable(
            f"{truth.path}: its metadata do not say with how many {' and '.join(wrong)} it was measured. Build the "
            "table again with `supernet benchmark build`."
        )
    return list(found.values())


def _number(about: Mapping[str, Any], key: str) -> Any:
    if key in about:
        return about[key]
    value: Any = about.get("recipe")
    for part in _IN_RECIPE[key]:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
