"""Work on several items in processes: results in order, progress, failures, and no worker that stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supernet.benchmarks.errors import UserError
from supernet.harness.runs.parallel import each


def squared(item, told):
    told(0.5)
    return item**2, os.getpid()


def fails_on_two(item, told):
    if item == 2:
        raise UserError("two")
    time.sleep(60)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_the_order_of_the_items(workers):
    shares = []
    found = each(squared, [3, 1, 2], workers, shares.append)
    assert [value for value, _ in found] == [9, 1, 4]
    assert all((pid == os.getpid()) == (workers == 1) for _, pid in found)
    assert shares == sorted(shares)
    assert 0 < shares[-1] <= 1


def test_a_failure_ends_the_others():
    began = time.monotonic()
    with pytest.raises(UserError, match="two"):
        each(fails_on_two, [1, 2], 2)
    assert time.monotonic() - began < 40
    children = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "spawn_main"], capture_output=True, text=True)
    assert not [pid for pid in children.stdout.split() if _alive(int(pid))] or sys.platform != "linux"


def _alive(pid):
    """Whether a process still runs a few moments later."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True
