"""What the shipped algorithms were seen to find, from the results that ship and from the documentation."""

from __future__ import annotations

from collections.abc import Mapping

UNSEEN = "not run yet"


def _nb201(accuracy: str, seeds: int) -> str:
    """Say what docs/search.md has: searches under the benchmark's protocol."""
    return f"NAS-Bench-201, CIFAR-10, 12,000 s: {accuracy} % test ({seeds} seeds)"


def _digits(accuracy: str) -> str:
    """Say what results/reference/compare has, which `make compare` makes."""
    return f"nb201-topology, digits, 40 s: {accuracy} % test (8 seeds)"


def _real(accuracy: str) -> str:
    """Say what docs/search.md has of short searches with shared weights on real images."""
    return f"NAS-Bench-201, CIFAR-10 at 16 pixels, 25,000 passes: {accuracy} % test (3 seeds)"


def _oneshot(accuracy: str) -> str:
    """Say what docs/search.md has of such searches on NAS-Bench-1Shot1."""
    return f"NAS-Bench-1Shot1, space 1, CIFAR-10 at 16 pixels, 10,000 passes: {accuracy} % test (3 seeds)"


def _long(accuracy: str) -> str:
    """Say what docs/search.md has of such searches at full length."""
    return f"the same, 195,500 passes: {accuracy} % test (3 seeds)"


SEEN: Mapping[str, str] = {
    "random": f"{_nb201('93.78 ± 0.36', 100)}; {_digits('84.63 ± 1.03')}",
    "rea": _nb201("93.95 ± 0.36", 100),
    "local": _nb201("94.16 ± 0.27", 50),
    "reinforce": _nb201("93.80 ± 0.32", 100),
    "tpe": _nb201("93.94 ± 0.25", 50),
    "bananas": _nb201("94.19 ± 0.40", 50),
    "pnas": _nb201("93.75 ± 0.23", 50),
    "halving": _nb201("93.17 ± 0.55", 50),
    "hyperband": _nb201("92.95 ± 0.65", 50),
    "bohb": f"{_nb201('93.91 ± 0.43', 100)}; {_digits('84.55 ± 1.20')}",
    "rank-nosh": _nb201("94.11 ± 0.25", 50),
    "ctnas": _nb201("94.31 ± 0.15", 50),
    "mf-kd": _nb201("94.06 ± 0.48", 50),
    "mf-kd-distil": "nb201-topology, digits, 60 s: 84.44 ± 1.31 % test (8 seeds)",
    "rs-ws": f"{_real('92.15 ± 0.16')}; {_oneshot('93.42 ± 0.16')}",
    "spos": f"{_real('92.16 ± 0.43')}; {_oneshot('93.30 ± 0.03')}; {_digits('81.10 ± 2.94')}",
    "enas": f"{_real('90.15 ± 1.77')}; {_oneshot('92.75 ± 0.94')}",
    "darts": (
        f"{_real('92.27 ± 2.89')}; {_long('89.49 ± 2.63')}; {_oneshot('92.58 ± 0.94')}; {_digits('65.85 ± 34.48')}"
    ),
    "gdas": f"{_real('92.02 ± 0.08')}; {_oneshot('93.30 ± 0.00')}",
    "pc-darts": _real("93.29 ± 0.16"),
    "setn": _real("91.02 ± 1.83"),
    "sdarts-rs": _real("92.65 ± 1.49"),
    "parsec": _real("86.46 ± 0.04"),
    "drnas": _real("93.11 ± 0.88"),
    "gaea-darts": f"{_real('93.96 ± 0.45')}; {_long('73.08 ± 17.20')}; {_oneshot('92.56 ± 0.89')}",
    "gaea-darts-erm": f"{_real('93.26 ± 0.62')}; {_oneshot('92.50 ± 0.80')}; {_digits('86.69 ± 0.00')}",
}
"""Name -> where it was run, and the mean and standard deviation over seeds of what it found."""
