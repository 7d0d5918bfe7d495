"""Worker processes that do not outlive the process that started them, even if that is killed."""

from __future__ import annotations

import os
import signal
import threading
import time

POLL_SECONDS = 0.25
"""Seconds between a worker's checks whether its parent still runs: our choice."""


def end_with(parent: int) -> None:
    """Prepare a new worker process: leave interrupts to the parent, and exit when the parent process exits.

    Args:
        parent: process id of the process that starts the worker.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
