"""Which architectures a ranking scores, and which of these have ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.tasks.split import is_whole
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
        UserError: the number, the file or one of the architectures cannot be used, or one is there twice.
    """
    if isinstance(archs, str | Path):
        if str(archs) == "all":
            return within.distinct()
        count = _whole_number(str(archs)) if isinstance(archs, str) else None
        if count is None:
            return _listed_in(Path(archs), within)
        archs = count
    if not isinstance(archs, bool | int | np.integer):
        return _given(within, archs)
    if not is_whole(sample_seed) or sample_seed < 0:
        raise UserError(
            f"--sample-seed (`sample_seed`) is {quoted(sample_seed)}, but must be a whole number that is at least 0."
        )
    if not is_whole(archs) or archs < 1:
        raise UserError(
            f"--archs (`archs`) is {quoted(archs)}: give all, a number from 1 on, or a file with architectures."
        )
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
    """The indices of a sequence, in its order: (n,).

    Raises:
        UserError: it is no sequence of architectures, is empty, or names an architecture twice.
    """
    found = list(archs) if isinstance(archs, Iterable) else [archs]
    if not found:
        raise UserError("There are no architectures to score.")
    if not isinstance(archs, Iterable) or any(np.ndim(arch) for arch in found):
        raise UserError(
            f"The architectures to score are {quoted(archs)}: give all, a whole number, a file, or one plain list of "
            "indices or official strings. The list of an architecture's decisions is no name of it; its string is."
        )
    try:
        if all(isinstance(arch, str) for arch in found):
            indices = np.array([within.index(within.parse(str(arch))) for arch in found])
        else:
            indices = within.checked_indices(found)
    except BadArchitecture as error:
        raise UserError(f"The architectures to score cannot be used: {error}") from None
    return _once(indices)


def _once(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices, none of which may repeat: figures of a ranking would count repeats as independent architectures."""
    values, counts = np.unique(indices, return_counts=True)
    if len(values) < len(indices):
        raise UserError(
            f"The architectures to score are {len(indices):,}, but only {len(values):,} different ones: index "
            f"{values[counts > 1][0]} is there {counts[counts > 1][0]:,} times. Name each once."
        )
    return indices


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
