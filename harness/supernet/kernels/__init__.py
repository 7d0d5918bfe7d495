"""Fused steps of super-nets, each with an eager reference and candidates that may be faster on a GPU.

`use` and the variable SUPERNET_KERNELS choose candidates by name. `eager` is the default everywhere: no candidate has
been measured on a GPU yet, so none is known to be faster. `table` measures them.
"""

from supernet.harness.supernet.kernels.choice import ENVIRONMENT, choices, chosen, use, without_triton
from supernet.harness.supernet.kernels.measure import Row, table
from supernet.harness.supernet.kernels.operations import (
    avg_pool3x3,
    batch_norm_add,
    fused,
    relu_gather,
    relu_slots,
)

__all__ = [
    "ENVIRONMENT",
    "Row",
    "avg_pool3x3",
    "batch_norm_add",
    "choices",
    "chosen",
    "fused",
    "relu_gather",
    "relu_slots",
    "table",
    "use",
    "without_triton",
]
