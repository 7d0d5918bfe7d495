"""Work on several items in processes: results in order, progress, failures, and no worker that stays."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supernet.benchmarks.errors import UserError
from supernet.harness.runs.parallel import each, pool
from supernet.harness.runs.workers import begin


def squared(item, told):
    told(0.5)
    return item**2, os.getpid()


def fails_on_two(item, told):
    if item == 2:
        raise UserError("two")
    time.sleep(3600)


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
    assert time.monotonic() - began < 600, "it does not wait for the other, which takes an hour"
    children = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "spawn_main"], capture_output=True, text=True)
    assert not [pid for pid in children.stdout.split() if _alive(int(pid))] or sys.platform != "linux"


UNGUARDED = """
import os
from supernet.harness.runs.parallel import pool
from supernet.harness.runs.workers import begin

print("imported", flush=True)
with pool(2, begin, os.getpid()) as opened:
    print(list(opened.map(abs, [-1, -2])))
"""


def test_a_script_that_starts_workers_when_it_is_imported_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert "imported" in done.stdout
    assert not done.stdout.replace("imported", "").strip(), "nothing was computed, by any of the processes"
    assert done.stderr.count("Traceback") == 1, "that of the script itself"
    assert "UserError: Workers import the script that starts them" in done.stderr
    assert 'Put the call under `if __name__ == "__main__":`, or give it `workers=1`' in done.stderr


def dies(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_is_said():
    with pytest.raises(UserError, match="A worker process died"), pool(1, begin, os.getpid()) as opened:
        list(opened.map(dies, [1]))


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
