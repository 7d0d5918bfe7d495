"""Worker processes that compute with torch and do not outlive the process that started them."""

from __future__ import annotations

from supernet.benchmarks.workers import end_with


def begin(parent: int, threads: int = 1) -> None:
    """Set up a new worker process: its number of CPU threads, and that it ends with its parent, even if that is killed.

    Args:
        parent: process id of the process that starts the worker.
        threads: number of CPU threads that torch uses.
    """
    end_with(parent)  # first, because importing torch takes seconds in which the parent may be killed
    import torch

    torch.set_num_threads(threads)
