"""Worker processes that do not outlive the process that started them."""

from __future__ import annotations

import os
import signal
import threading
import time


def begin(parent: int, threads: int = 1) -> None:
    """In a new worker process: so many CPU threads, and an end when the parent is gone, even if that was killed.

    Args:
        parent: process id of whoever starts the worker.
    """
    import torch

    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
