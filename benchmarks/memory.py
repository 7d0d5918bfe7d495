"""Memory that runs out, of the host or of a GPU: how errors say it, and what to do about it."""

from __future__ import annotations

import errno
import re
import sys

_SIGNS = re.compile(
    r"can't allocate memory|not enough memory|out of memory|cannot allocate memory|bad_alloc|failed to allocate"
    r"|failed to map segment",
    re.IGNORECASE,
)
_BYTES = re.compile(r"(?:tried|unable) to allocate ([\d.,]+ ?(?:bytes|[KMGTP]?i?B))", re.IGNORECASE)
SMALLER = (
    "make the work smaller: a narrower network (network.channels), smaller batches (training.batch_size, "
    "evaluation.batch_size), fewer images, or fewer --workers (`workers`)"
)
"""What needs less memory, as the end of a sentence."""
_MOST = 3000
"""Most characters of an error's text that are searched."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, told by the messages of NumPy, PyTorch (also of a GPU), Arrow, DuckDB and the system."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    kinds = RuntimeError | ValueError | ImportError | _duckdb_errors()
    return isinstance(error, kinds) and bool(_SIGNS.search(str(error)[:_MOST]))


def _duckdb_errors() -> type[Exception]:
    duckdb = sys.modules.get("duckdb")
    kind: type[Exception] = getattr(duckdb, "Error", MemoryError)
    return kind


def memory_message(error: BaseException) -> str:
    """One paragraph about memory that ran out: how much was asked for, if the error says so, and what to do."""
    text = str(error)[:_MOST]
    asked, where = _BYTES.search(text), " on the GPU" if "CUDA" in text else ""
    when = f" when {asked[1]} more were needed" if asked else ""
    return f"Memory ran out{where}{when}. Free some memory, or {SMALLER}. What is done so far is kept."
