"""Messages of the command line about errors that are not UserErrors.

Every error ends in one paragraph. The trace-back of an unexpected error is saved to a file, for a bug report.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from concurrent.futures import BrokenExecutor

from supernet.benchmarks.memory import is_out_of_memory, memory_message
from supernet.benchmarks.wording import quoted

_MOST = 300
"""Most characters of an exception's own text that a message shows."""


def explained(error: Exception) -> str:
    """One paragraph about an error that is not a UserError; the trace-back of an unexpected one is saved to a file."""
    if is_out_of_memory(error):
        return memory_message(error)
    if isinstance(error, BrokenExecutor):
        return (
            "A worker process ended abruptly: it was killed, or memory ran out (in that case, give fewer --workers). "
            "What is done so far is kept; the same command continues from there."
        )
    if isinstance(error, OSError) and (error.errno is not None or error.filename is not None):
        what = error.strerror or str(error) or type(error).__name__
        return f"{what}{f': {_shown_name(error.filename)}' if error.filename else ''}."
    if isinstance(error, RecursionError):
        return f"The input is nested too deeply to be read. {_saved_trace(error)}"
    return f"An unexpected error stopped the command: {_summary(error)}. {_saved_trace(error)}"


def _saved_trace(error: Exception) -> str:
    """Write the trace-back of an error to a new file; a sentence that says where it is."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="supernet-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError as problem:
        return f"The trace-back could not be written to a file: {problem.strerror}. What is done so far is kept."
    return f"The trace-back is in {path}: please report it with the command that you ran. What is done so far is kept."


def _summary(error: Exception) -> str:
    text = _text(error)
    return f"{type(error).__name__}{f' ({text})' if text else ''}"


def _text(error: Exception) -> str:
    """The exception's own text as one line of bounded length."""
    text = " ".join(str(error)[: 10 * _MOST].split())
    return text if len(text) <= _MOST else text[:_MOST] + "…"


def _shown_name(filename: object) -> str:
    """A file's name, quoted and cut if it is long or cannot be printed."""
    text = os.fsdecode(filename) if isinstance(filename, str | bytes | os.PathLike) else str(filename)
    return text if len(text) <= _MOST and text.isprintable() else quoted(text, _MOST)
