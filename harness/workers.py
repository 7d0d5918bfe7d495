"""Worker processes that compute with torch and do not outlive the process that started them."""

from __future__ import annotations

from supernet.benchmarks.workers import end_with


def begin(parent: int, threads: int = 1) -> None:
    """In a new worker process: set the number of CPU threads, and end when the parent is gone, even if it was killed.

    Args:
        parent: process id of whoever starts the worker.
    """
    end_with(parent)  # first, because importing torch takes seconds in which the parent may be killed
    import torch

    torch.set_num_threads(threads)
