"""Worker processes that compute with torch and do not outlive the process that started them."""

from __future__ import annotations

import os
import time
from multiprocessing import current_process
from typing import Any

from supernet.benchmarks.workers import end_with

EXIT_SECONDS = 5.0
"""Seconds to wait for the exit status of a worker that has died."""
UNGUARDED_STATUS = 87
"""Exit status of a worker that would start workers while it imports the script that started it; any unused number."""
IMPORTED = "Workers import the script that starts them, and this one starts workers whenever it is imported."
"""Why such a script needs a guard."""


def begin(parent: int, threads: int = 1) -> None:
    """Set up a new worker process: its number of CPU threads, and that it ends with its parent, even if that is killed.

    Args:
        parent: process id of the process that starts the worker.
        threads: number of CPU threads that torch uses.
    """
    end_with(parent)  # first, because importing torch takes seconds in which the parent may be killed
    import torch

    torch.set_num_threads(threads)


def leave_if_imported() -> None:
    """End this process if it is a worker that imports the script which started it, and would start workers itself."""
    if getattr(current_process(), "_inheriting", False):
        os._exit(UNGUARDED_STATUS)


def exit_status(process: Any) -> int | None:
    """The exit status of a process that has ended or is about to; None if it cannot be found out.

    It may come late, because a pool also waits for the process, in a thread of its own, and the system gives the status
    to one of the two.
    """
    deadline = time.monotonic() + EXIT_SECONDS
    while process is not None and time.monotonic() < deadline:
        process.join(0.1)
        if process.exitcode is not None:
            return int(process.exitcode)
    return None
