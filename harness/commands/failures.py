"""What the command line says when a command ends in an error that is not the user's.

Every error ends in one paragraph. What nobody foresaw leaves its trace in a file of its own, for a report.
"""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
import traceback
from concurrent.futures import BrokenExecutor

from supernet.benchmarks.wording import quoted

_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|out of memory|cannot allocate memory|bad_alloc|failed to allocate"
    r"|failed to map segment",
    re.IGNORECASE,
)
_BYTES = re.compile(r"(?:tried|unable) to allocate ([\d.,]+ ?(?:bytes|[KMGTP]?i?B))", re.IGNORECASE)
_MOST = 300
"""Characters of an exception's own text that a message shows."""


def explained(error: Exception) -> str:
    """One paragraph about an error that is not a UserError; an unforeseen one is written to a file first."""
    if _of_memory(error):
        return _memory(error)
    if isinstance(error, BrokenExecutor):
        return (
            "A worker process ended abruptly: it was killed, or memory ran out (then give fewer --workers). What is "
            "done so far is kept; the same command goes on."
        )
    if isinstance(error, OSError) and (error.errno is not None or error.filename is not None):
        what = error.strerror or str(error) or type(error).__name__
        return f"{what}{f': {_name(error.filename)}' if error.filename else ''}."
    if isinstance(error, RecursionError):
        return f"The input is nested too deeply to be read. {_kept(error)}"
    return f"An error that this program did not foresee stopped the command: {_summary(error)}. {_kept(error)}"


def _of_memory(error: Exception) -> bool:
    """Whether memory ran out, by what NumPy, PyTorch, Arrow, DuckDB and the system say then."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, RuntimeError | ValueError | ImportError | _duckdb_errors()) and bool(
        _MEMORY.search(_text(error))
    )


def _duckdb_errors() -> type[Exception]:
    duckdb = sys.modules.get("duckdb")
    kind: type[Exception] = getattr(duckdb, "Error", MemoryError)
    return kind


def _memory(error: Exception) -> str:
    asked = _BYTES.search(_text(error))
    return (
        f"Memory ran out{f' when {asked[1]} more were needed' if asked else ''}. Free some, or make the work smaller: "
        "a narrower network (network.channels), smaller batches (training.batch_size, evaluation.batch_size), fewer "
        "images, or fewer --workers. What is done so far is kept."
    )


def _kept(error: Exception) -> str:
    """Where the trace of the error is."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="supernet-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError as problem:
        return f"The trace could not be written to a file: {problem.strerror}. What is done so far is kept."
    return f"The trace is in {path}: please report it with the command that you ran. What is done so far is kept."


def _summary(error: Exception) -> str:
    text = _text(error)
    return f"{type(error).__name__}{f' ({text})' if text else ''}"


def _text(error: Exception) -> str:
    """The exception's own text in one line of bounded length."""
    text = " ".join(str(error)[: 10 * _MOST].split())
    return text if len(text) <= _MOST else text[:_MOST] + "…"


def _name(filename: object) -> str:
    """A file's name as it is where that is short and can be printed."""
    text = os.fsdecode(filename) if isinstance(filename, str | bytes | os.PathLike) else str(filename)
    return text if len(text) <= _MOST and text.isprintable() else quoted(text, _MOST)
