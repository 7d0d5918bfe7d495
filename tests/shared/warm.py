"""Imported once by the process that forks others: what each of them would need seconds for."""

import sklearn.datasets  # noqa: F401
import torch
import torch._dynamo
from tiny import CONTENT

import supernet.harness.report.study.report  # noqa: F401
from supernet.harness.training.run import task_of
from supernet.heuristics.recipe import TaskSection

torch.set_num_threads(1)
task_of(TaskSection(**CONTENT["recipe"]["task"]))
