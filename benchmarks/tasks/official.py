"""Readers of the official image files and split files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadTable, UserError
from supernet.benchmarks.regular import read_regular
from supernet.benchmarks.tasks.pickles import Array, read_pickle
from supernet.benchmarks.tasks.split import Split
from supernet.benchmarks.wording import quoted

MOST_SPLIT = 8 << 20
"""Largest size of a split file in bytes, our choice; the official files have less than half a million."""
SPLIT_FILES = "https://github.com/D-X-Y/AutoDL-Projects/tree/main/configs/nas-benchmark"


def read_images(folder: Path, sums: dict[str, str], labels: str, size: int, advice: str) -> Split:
    """The images of these files, one after the other.

    Args:
        sums: file name -> MD5 sum.
        labels: the key of the labels in the files.
        size: height and width of the images; a file holds rows of 3 · size² bytes: red, green, blue planes.
        advice: a sentence that says how to get intact files.

    Raises:
        UserError: a file is missing or altered, or does not hold such images.
    """
    missing = [name for name in sums if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} lacks {', '.join(missing)}. {advice}")
    pixels, classes = [], []
    for name, md5 in sums.items():
        content = read_pickle(folder / name, md5, advice)
        rows, numbers = content.get("data"), content.get(labels)
        data = rows.values if isinstance(rows, Array) else np.empty(0)
        kinds = np.asarray(numbers.values if isinstance(numbers, Array) else numbers)
        if data.dtype != np.uint8 or data.shape != (len(data), 3 * size**2):
            raise BadTable(f"{folder / name} has no images of {size} x {size} pixels under 'data'. {advice}")
        if kinds.shape != (len(data),) or kinds.dtype.kind not in "iu":
            raise BadTable(f"{folder / name} has no label for each of its images under {labels!r}. {advice}")
        pixels.append(np.ascontiguousarray(data.reshape(-1, 3, size, size).transpose(0, 2, 3, 1)))
        classes.append(kinds)
    return Split.of(np.concatenate(pixels), np.concatenate(classes))


def read_halves(path: Path, names: tuple[str, str], total: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of both halves that a split file of NAS-Bench-201 gives to `total` images.

    The file is JSON: {"NAME": ["int", ["0", "5", …]], …}.

    Raises:
        UserError: the file is missing, or does not put each image into one of the halves.
    """
    if not path.exists():
        raise UserError(f"There is no {path.name} in {path.parent}. It is one of the files at {SPLIT_FILES}.")
    try:
        text = read_regular(path, MOST_SPLIT).decode("ascii")
        content = json.loads(text, object_pairs_hook=_distinct)
        first, second = (np.array(_rows(content[name], total), dtype=np.int64) for name in names)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadTable(
            f"{path} is not a split file of NAS-Bench-201 ({type(error).__name__}: {error!s:.200}). Get it from "
            f"{SPLIT_FILES}."
        ) from None
    if not np.array_equal(np.sort(np.concatenate([first, second])), np.arange(total)):
        raise BadTable(f"{path} does not split {total:,} images into {names[0]} and {names[1]}; see {SPLIT_FILES}.")
    return first, second


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("it has one name twice")
    return dict(pairs)


def _rows(half: Any, total: int) -> list[int]:
    """The row numbers of one half, as the file spells them."""
    if not isinstance(half, list) or len(half) != 2 or half[0] != "int" or not isinstance(half[1], list):
        raise ValueError('a half is not of the form ["int", [...]]')
    if len(half[1]) > total:
        raise ValueError(f"a half has {len(half[1]):,} of {total:,} images")
    for row in half[1]:
        if not isinstance(row, str) or not 0 < len(row) <= 9 or not row.isascii() or not row.isdigit():
            raise ValueError(f"{quoted(row)} is not the number of an image")
    return [int(row) for row in half[1]]
