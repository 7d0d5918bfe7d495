"""Image-classification tasks: their data, its splits, and batches of it."""

from supernet.benchmarks.tasks.loader import eval_batches, train_batches
from supernet.benchmarks.tasks.split import Split
from supernet.benchmarks.tasks.task import TASKS, Task, load_task

__all__ = ["TASKS", "Split", "Task", "eval_batches", "load_task", "train_batches"]
