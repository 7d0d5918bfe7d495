"""A reader of the pickles in which data sets are published; it runs no code that a pickle contains."""

from __future__ import annotations

import hashlib
import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.regular import read_regular

MOST_BYTES = 512 << 20
"""Largest size of an image file in bytes, our choice; the largest official file has 155 million."""

_DTYPES = {"u1": "u1", "i4": "<i4", "i8": "<i8", "f4": "<f4", "f8": "<f8"}


def read_pickle(path: Path, md5: str, advice: str) -> dict[str, Any]:
    """The dictionary in this file of Python 2 or 3: containers, strings, numbers, and NumPy arrays as `Array`.

    Args:
        md5: the MD5 sum that the file must have.
        advice: a sentence for error messages that says how to get an intact file.

    Raises:
        BadTable: the checksum differs, the content is not a dictionary, or the pickle refers to any other class or
            function.
    """
    try:
        data = read_regular(path, MOST_BYTES)
    except BadTable as error:
        raise BadTable(f"{error} {advice}") from None
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != md5:
        raise BadTable(f"{path} is truncated or altered: its MD5 sum is {found}, not {md5}. {advice}")
    try:
        content = _Restricted(io.BytesIO(data), encoding="latin1").load()
    except BadTable as error:
        raise BadTable(f"{path}: {error}. {advice}") from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise BadTable(f"{path} is not an intact pickle ({type(error).__name__}: {error!s:.200}). {advice}") from None
    if not isinstance(content, dict):
        raise BadTable(f"{path} does not hold a dictionary. {advice}")
    return content


class Array:
    """Stands for a pickled NumPy array; `values` is the array once it is read.

    NumPy's own constructors are not used, because the state that they accept can describe arrays that reach beyond
    their memory.
    """

    values: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise BadTable("an array of something else than numbers")
        if len(data) != math.prod(shape) * dtype.dtype.itemsize:
            raise BadTable("an array that is longer or shorter than its shape")
        self.values = np.frombuffer(data, dtype.dtype).reshape(shape, order="F" if fortran else "C")


class _Dtype:
    def __init__(self, code: str, *_: Any) -> None:
        if code not in _DTYPES:
            raise BadTable(f"the NumPy type {code!r} is not a plain number")
        self.dtype: np.dtype[Any] = np.dtype(_DTYPES[code])

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", "|"):
            raise BadTable(f"numbers in byte order {state[1]!r}")


def _reconstruct(*_: Any) -> Array:
    return Array()


def _encode(text: str, encoding: str) -> bytes:
    """Restore bytes, which Python 3 writes as a call of `_codecs.encode` in the older protocols."""
    return text.encode("latin1")


class _Restricted(pickle.Unpickler):
    _ALLOWED = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _encode,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise BadTable(f"the pickle asks for {module}.{name}, which no official file contains") from None
