"""Fused steps of super-nets: kernels in Triton for GPUs, and the eager operations that they are compared with.

`use` and the variable SUPERNET_KERNELS choose candidates by name. On a CPU the default is `eager`; on a GPU it is what
was measured to be the fastest. `table` measures them.
"""

from supernet.harness.supernet.kernels.choice import ENVIRONMENT, choices, chosen, use, without_triton
from supernet.harness.supernet.kernels.measure import Row, table
from supernet.harness.supernet.kernels.operations import avg_pool3x3, batch_norm_add, cells_fit, fused

__all__ = [
    "ENVIRONMENT",
    "Row",
    "avg_pool3x3",
    "batch_norm_add",
    "cells_fit",
    "choices",
    "chosen",
    "fused",
    "table",
    "use",
    "without_triton",
]
