"""Published accuracies on NAS-Bench-201, for comparison: test, CIFAR-10 / CIFAR-100 / ImageNet16-120, percent."""

from __future__ import annotations

from dataclasses import dataclass

FOUND_ON = ("nb201", "cifar10")  # the numbers below are of this benchmark only
"""Space and data set of the only comparisons beside which a report may show these numbers."""
CIFAR10 = "searched on CIFAR-10"
EACH = "searched on each data set"
UNKNOWN = "whether searched once or on each data set is not known to us"


@dataclass(frozen=True)
class Published:
    """Mean and standard deviation of the test accuracies of the architectures that an algorithm found, in percent."""

    cifar10: tuple[float, float | None]
    cifar100: tuple[float, float | None]
    imagenet16: tuple[float, float | None]
    source: str
    searched: str
    """Where the cells were found: on CIFAR-10 for all three accuracies, or on each data set."""


_NB201 = "Dong and Yang, NAS-Bench-201, ICLR 2020"
_DRNAS = "Chen et al., DrNAS, ICLR 2021, README of the code"
_GAEA = "Li et al., GAEA, ICLR 2021"
_TENAS = "Chen et al., TE-NAS, ICLR 2021"
PUBLISHED: dict[str, Published] = {
    "random": Published((93.70, 0.36), (71.04, 1.07), (44.57, 1.25), _NB201, CIFAR10),
    "rea": Published((93.92, 0.30), (71.84, 0.99), (45.54, 1.03), _NB201, CIFAR10),
    "reinforce": Published((93.85, 0.37), (71.71, 1.09), (45.24, 1.18), _NB201, CIFAR10),
    "bohb": Published((93.61, 0.52), (70.85, 1.28), (44.42, 1.49), _NB201, CIFAR10),
    "rs-ws": Published((87.66, 1.69), (58.33, 4.34), (31.14, 3.88), _NB201, CIFAR10),
    "setn": Published((87.64, 0.0), (59.05, 0.24), (32.52, 0.21), _NB201, CIFAR10),
    "gdas": Published((93.61, 0.09), (70.70, 0.30), (41.71, 0.98), _NB201, CIFAR10),
    # One cell, which the table has: 54.30 / 15.61 / 16.32.
    "darts": Published((54.30, 0.0), (15.61, 0.0), (16.32, 0.0), _NB201, CIFAR10),
    "darts-2": Published((54.30, 0.0), (15.61, 0.0), (16.32, 0.0), _NB201, CIFAR10),
    # No cell has 54.30 on CIFAR-10 and about 10.62 on CIFAR-100.
    "enas": Published((54.30, 0.0), (10.62, 0.27), (16.32, 0.0), _DRNAS, EACH),
    "snas": Published((92.77, 0.83), (69.34, 1.98), (43.16, 2.64), _DRNAS, EACH),
    "pc-darts": Published((93.41, 0.30), (67.48, 0.89), (41.31, 0.22), _DRNAS, EACH),
    # One cell has all three, the best of CIFAR-100.
    "drnas": Published((94.36, 0.0), (73.51, 0.0), (46.34, 0.0), _DRNAS, EACH),
    "te-nas": Published((93.90, 0.47), (71.24, 0.56), (42.38, 0.46), _TENAS, UNKNOWN),
    "gaea-darts-erm": Published((94.10, None), (73.43, None), (46.36, None), _GAEA, UNKNOWN),
}
"""Algorithm -> its published accuracies, taken from secondary sources.

The algorithms that query a benchmark observe CIFAR-10's validation accuracies after 12 epochs, for 12,000 s.
"""
