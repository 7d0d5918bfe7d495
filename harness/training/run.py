"""What a super-net is trained on."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

from supernet.benchmarks.tasks.task import Task, load_task
from supernet.heuristics.recipe import TaskSection


@lru_cache(maxsize=4)
def task_of(section: TaskSection) -> Task:
    """The task of a recipe, kept for the runs that follow."""
    return load_task(**dataclasses.asdict(section))
