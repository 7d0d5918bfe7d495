"""A reader of pickled score files; it runs no code that a pickle contains.

NumPy arrays and scalars become arrays and numbers of their own bytes. A pandas frame becomes the plain parts that
pandas takes it apart into. Any other class or function is refused.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import shown

_NUMBERS = {"b1": "?", "i1": "i1", "i4": "<i4", "i8": "<i8", "f4": "<f4", "f8": "<f8"}
_OBJECTS = "O8"


def unpickled(data: bytes) -> Any:
    """The content of a pickle: containers, texts and numbers; `Array` for NumPy arrays, `Part` for parts of frames.

    Raises:
        UserError: the pickle is damaged, or refers to a class or function that no score file needs.
    """
    try:
        return _Restricted(io.BytesIO(data)).load()
    except UserError:
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise UserError(f"It is not an intact pickle ({type(error).__name__}: {shown(str(error))}).") from None


class Part:
    """Stands for an object of a pickled frame: what it was made from, and its state."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Array:
    """Stands for a pickled NumPy array; `values` is the array, or the list of its objects, once it is read."""

    values: NDArray[Any] | list[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if dtype.code == _OBJECTS and isinstance(data, list):
            self.values = data
            return
        if not isinstance(data, bytes) or len(data) != math.prod(shape) * dtype.plain.itemsize:
            raise UserError("It holds an array that is longer or shorter than its shape.")
        self.values = np.frombuffer(data, dtype.plain).reshape(shape, order="F" if fortran else "C")


class _Dtype:
    def __init__(self, code: str, *_: Any) -> None:
        if code != _OBJECTS and code not in _NUMBERS:
            raise UserError(f"It holds an array of the NumPy type {code!r:.40}, which no score file needs.")
        self.code = code

    @property
    def plain(self) -> np.dtype[Any]:
        return np.dtype(_NUMBERS[self.code])

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", "|"):
            raise UserError(f"It holds numbers in byte order {state[1]!r:.40}.")


def _array(*_: Any) -> Array:
    return Array()


def _scalar(dtype: _Dtype, data: bytes) -> float:
    return float(np.frombuffer(data, dtype.plain)[0])


def _index(_: type[Part], state: dict[str, Any]) -> Part:
    return Part(state)


class _Restricted(pickle.Unpickler):
    _ALLOWED = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _array,
        ("numpy._core.multiarray", "_reconstruct"): _array,
        ("numpy.core.multiarray", "scalar"): _scalar,
        ("numpy._core.multiarray", "scalar"): _scalar,
        ("numpy", "ndarray"): Array,
        ("numpy", "dtype"): _Dtype,
        ("builtins", "slice"): slice,
        ("pandas.core.frame", "DataFrame"): Part,
        ("pandas.core.internals.managers", "BlockManager"): Part,
        ("pandas.core.indexes.base", "Index"): Part,
        ("pandas.core.indexes.range", "RangeIndex"): Part,
        ("pandas.core.indexes.base", "_new_Index"): _index,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise UserError(f"The pickle asks for {shown(f'{module}.{name}')}, which no score file needs.") from None
