"""Whether the memory of a GPU can be enough for a training, asked before the first step."""

from __future__ import annotations

import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.memory import SMALLER
from supernet.harness.supernet.nb201.static import least_memory
from supernet.harness.training.run import Run


def check(run: Run) -> None:
    """Compare what a training needs at least with what its GPU has left.

    Raises:
        UserError: the GPU has less.
    """
    if run.device.type != "cuda":
        return
    free, _ = torch.cuda.mem_get_info(run.device)
    idle = torch.cuda.memory_reserved(run.device) - torch.cuda.memory_allocated(run.device)
    refuse(least_memory(run.recipe, run.task.size), free + idle, str(run.device))


def refuse(needed: int, free: int, device: str) -> None:
    """Raise UserError if more bytes are needed than are free."""
    if needed > free:
        raise UserError(
            f"Training needs at least {needed / 2**30:.1f} GiB on {device}, which has {free / 2**30:.1f} GiB left. End "
            f"other programs on it, compute in bfloat16 (training.amp=true), let the paths of a step share a batch "
            f"(sampling.batch=split), or {SMALLER}."
        )
