"""Published accuracies on NAS-Bench-201, for comparison: test, CIFAR-10 / CIFAR-100 / ImageNet16-120, percent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """Mean and standard deviation of what an algorithm found, data set by data set."""

    cifar10: tuple[float, float | None]
    cifar100: tuple[float, float | None]
    imagenet16: tuple[float, float | None]
    source: str


_NB201 = "Dong and Yang, NAS-Bench-201, ICLR 2020"
_DRNAS = "Chen et al., DrNAS, ICLR 2021, README of the code"
PUBLISHED: dict[str, Published] = {
    "random": Published((93.70, 0.36), (71.04, 1.07), (44.57, 1.25), _NB201),
    "rea": Published((93.92, 0.30), (71.84, 0.99), (45.54, 1.03), _NB201),
    "reinforce": Published((93.85, 0.37), (71.71, 1.09), (45.24, 1.18), _NB201),
    "bohb": Published((93.61, 0.52), (70.85, 1.28), (44.42, 1.49), _NB201),
    "rs-ws": Published((87.66, 1.69), (58.33, 4.34), (31.14, 3.88), _NB201),
    "setn": Published((87.64, 0.0), (59.05, 0.24), (32.52, 0.21), _NB201),
    "gdas": Published((93.61, 0.09), (70.70, 0.30), (41.71, 0.98), _NB201),
    "enas": Published((54.30, 0.0), (10.62, 0.27), (16.32, 0.0), _DRNAS),
    "darts": Published((54.30, 0.0), (38.97, 0.0), (18.41, 0.0), _DRNAS),
    "pc-darts": Published((93.41, 0.30), (67.48, 0.89), (41.31, 0.22), _DRNAS),
    "drnas": Published((94.36, 0.0), (73.51, 0.0), (46.34, 0.0), _DRNAS),
    "gaea-darts-erm": Published((94.10, None), (73.43, None), (46.36, None), "Li et al., GAEA, ICLR 2021"),
}
"""Algorithm -> what was published of it, quoted at second hand.

Those that query see CIFAR-10's validation accuracies after 12 epochs, for 12,000 s.
"""
