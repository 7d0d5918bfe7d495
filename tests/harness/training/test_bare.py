"""Training and ranking on a machine that has torch, NumPy and pandas alone, such as a rented GPU."""

import os
import subprocess
import sys
from pathlib import Path

from supernet.heuristics.recipe import load

ROOT = Path(__file__).parents[3]
ABSENT = (
    "pyarrow", "seaborn", "matplotlib", "duckdb", "click", "rich", "platformdirs", "google_crc32c", "sklearn", "yaml",
    "nas_bench_201",
)  # fmt: skip
SCRIPT = """
import sys
from pathlib import Path

sys.modules.update(dict.fromkeys({absent}))  # an import of them fails as if they were not there
import gpu, gpu_campaign
import torch
torch.set_num_threads(1)
from supernet.benchmarks.tasks.task import Split, Task
from supernet.harness.scoring.ranked import frame_of
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.loop import train
from supernet.heuristics.recipe import from_dict
from supernet.benchmarks.spaces import space

split = Split(torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8), torch.randint(10, (40,)))
task = Task("noise", 10, split, split, split, (0.5,) * 3, (0.25,) * 3, 1, True)
recipe = from_dict({{
    "network": {{"channels": 4, "cells": 1}},
    "training": {{"epochs": 1, "batch_size": 20}},
    "evaluation": {{"images": 20, "batch_size": 20}},
}})
run = train(recipe, Path(sys.argv[1]), task=task)
print(frame_of(space("nb201"), rank(run, [0, 7, 99], in_blocks=True)).to_csv(index=False))
"""


def test_training_and_ranking_import_nothing_that_a_bare_machine_lacks(tmp_path):
    command = [sys.executable, "-c", SCRIPT.format(absent=set(ABSENT)), str(tmp_path)]
    places = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "bench")])}
    found = subprocess.run(command, cwd=tmp_path, env=places, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    header, *rows = found.stdout.split()
    assert header == "index,arch,accuracy,negative_loss"
    assert [row.partition(",")[0] for row in rows] == ["0", "7", "99"]
    assert load(tmp_path / "recipe.yaml").network.channels == 4, "without PyYAML, recipes are written as JSON"
