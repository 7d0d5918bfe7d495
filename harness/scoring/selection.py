"""Which architectures a ranking scores, and which of these have ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.truth.join import measured_in, truth_rows
from supernet.benchmarks.wording import quoted
from supernet.harness.correlation.architectures import written_architectures
from supernet.harness.correlation.truth import Known
from supernet.harness.scoring.supernet import chosen

Wanted = str | int | Path | Sequence[int] | Sequence[str] | NDArray[np.int64]
"""`all`, a number to sample, a file that lists architectures, or the architectures by index or official string."""


def selected(within: SearchSpace, archs: Wanted, sample_seed: int = 0, truth: Known | None = None) -> NDArray[np.int64]:
    """Indices of the architectures to score: (n,).

    Args:
        archs: `all`, for all distinct ones; a number, to sample that many with ground truth (from the whole space
            if `truth` is None); a file; or a sequence of indices or official strings. The number may be a text.
        sample_seed: seed of the sample.
        truth: the ground truth that sampled architectures need.

    Raises:
        UserError: the number, the file or one of the architectures cannot be used.
    """
    if isinstance(archs, str | Path):
        if str(archs) == "all":
            return within.distinct()
        count = _whole_number(str(archs)) if isinstance(archs, str) else None
        if count is None:
            return _listed_in(Path(archs), within)
        archs = count
    if not isinstance(archs, int | np.integer):
        return _given(within, archs)
    if sample_seed < 0:
        raise UserError(f"--sample-seed is {quoted(sample_seed)}, but must be at least 0.")
    if archs < 1:
        raise UserError(f"--archs is {quoted(archs)}: give all, a number from 1 on, or a file with architectures.")
    if truth is None:
        return chosen(within, int(archs), sample_seed)
    among, _ = measured_in(within, truth.table)
    return chosen(within, int(archs), sample_seed, among[known(within, among, truth)])


def samples(archs: Wanted) -> bool:
    """Whether `selected` draws a sample for this choice of architectures."""
    if isinstance(archs, str):
        return archs != "all" and _whole_number(archs) is not None
    return isinstance(archs, int | np.integer)


def _listed_in(path: Path, within: SearchSpace) -> NDArray[np.int64]:
    indices = written_architectures(path, within)
    if not len(indices):
        raise UserError(f"{path} lists no architectures: nothing is scored, and earlier results stay as they are.")
    return indices


def _given(within: SearchSpace, archs: Sequence[int] | Sequence[str] | NDArray[np.int64]) -> NDArray[np.int64]:
    found = list(archs)
    if not found:
        raise UserError("There are no architectures to score.")
    try:
        if all(isinstance(arch, str) for arch in found):
            return np.array([within.index(within.parse(str(arch))) for arch in found])
        return within.checked_indices(found)
    except BadArchitecture as error:
        raise UserError(f"The architectures to score cannot be used: {error}") from None


def _whole_number(text: str) -> int | None:
    """The whole number that a text spells, cut to 18 characters, which exceed any space; None if it spells none."""
    digits = text.strip().replace(",", "").replace("_", "")
    unsigned = digits.lstrip("+-")
    if not unsigned.isdecimal() or (len(text) < 200 and Path(text).is_file()):
        return None
    return int(digits[:18]) if len(digits) - len(unsigned) < 2 else None


def known(within: SearchSpace, indices: NDArray[np.int64], truth: Known) -> NDArray[np.bool_]:
    """Marks the architectures that have ground truth: (n,)."""
    m, rows = truth.measure, truth_rows(within, indices, truth.table)
    there = rows >= 0
    there[there] = ~np.isnan(truth.table.readings(m.dataset, m.split, m.epochs, m.seed, rows[there]))
    return np.asarray(there, dtype=np.bool_)
