"""Workers that measure ground truth, and scripts that start them."""

import os
import subprocess
import sys

UNGUARDED = """
from pathlib import Path
from supernet.harness.measured.benchmark import Benchmark, build
from supernet.heuristics.recipe import Recipe
print("imported")
build(Benchmark("tiny", "nb201", "unique-skip-none", 3, (0,), Recipe(space="nb201")), Path("out"), workers=2)
"""


def test_a_script_that_measures_whenever_it_is_imported_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert "UserError: Workers import the script that starts them" in done.stderr
