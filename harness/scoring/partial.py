"""The file from which an interrupted ranking continues: numbers for each architecture, with a digest.

The last column counts what is done. Sums of a ranking by shared weights have three columns: cross-entropy loss, correct
images, and the number of batches in these sums.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.files import replace, write_bytes
from supernet.benchmarks.regular import read_plain
from supernet.benchmarks.sealed import Unsealed, put_aside, sealed, unsealed

NAME = ".scores.partial.npz"
"""Name of the file in the folder of a ranking."""
IDENTITY = re.compile(r"[0-9a-f]{64}")
"""The form of a digest, which is a SHA-256."""


def nothing(count: int, columns: int = 3) -> tuple[Tensor, int]:
    """The sums of a ranking that has scored nothing yet, (count, columns), and how much is done, 0."""
    return torch.zeros(count, columns, dtype=torch.float64), 0


def save(path: Path, identity: str, sums: Tensor) -> None:
    """Write the sums of a ranking, (architectures, columns), with the digest of everything that they depend on."""
    content = io.BytesIO()
    np.savez(content, identity=identity, sums=sums.cpu().numpy())
    write_bytes(path, sealed(content.getbuffer()))


def _read(path: Path) -> tuple[str, NDArray[np.float64]] | None:
    """The identity and the sums in a file that `save` wrote; None if there is no file.

    Raises:
        Unsealed: it is not what was written.
        OSError: it cannot be read.
    """
    try:
        data = read_plain(path)
    except FileNotFoundError:
        return None
    content = unsealed(data)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            identity, sums = str(arrays["identity"]), arrays["sums"]
    except MemoryError:
        raise
    except Exception as error:  # content of any kind can have a correct checksum
        raise Unsealed(f"it does not hold sums: {type(error).__name__}") from None
    if sums.dtype != np.float64 or sums.ndim != 2 or not IDENTITY.fullmatch(identity):
        raise Unsealed("it does not hold sums")
    return identity, sums


def resume(
    path: Path, identity: str, count: int, notice: Callable[[str], None] | None = None, columns: int = 3
) -> tuple[Tensor, int]:
    """The sums of the ranking with this identity, (count, columns), and the sum of their last column.

    The sums of another ranking are kept beside `path`, and are used again when that ranking continues. A damaged file
    is renamed, and `notice` is called with a sentence about it.
    """
    try:
        found = _read(path)
        if found is None or found[0] != identity:
            if found is not None:
                replace(path, _beside(path, found[0]))
            if _beside(path, identity).exists():
                replace(_beside(path, identity), path)
            found = _read(path)
        if found is not None and found[0] == identity and found[1].shape == (count, columns):
            return torch.from_numpy(found[1]), int(found[1][:, -1].sum())
    except Unsealed as damage:
        aside = put_aside(path)
        if notice:
            notice(
                f"The file of an interrupted ranking, {path}, is damaged: {damage}. It is kept as {aside.name}, and "
                "scoring starts from the beginning."
            )
    return nothing(count, columns)


def _beside(path: Path, identity: str) -> Path:
    return path.with_name(f".scores-{identity[:16]}.partial.npz")
