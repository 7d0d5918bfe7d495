"""Fused operations as kernels in Triton, for channels-last tensors in float32, bfloat16 and float16 on a GPU.

Sums are formed in float32 and in a fixed order, without atomic operations, so that results are the same at every run.
Nothing waits for the GPU and no shape depends on data, so that steps can be captured as CUDA graphs. With the variable
TRITON_INTERPRET=1, set before the first import, Triton's interpreter runs the kernels on a CPU: slowly, for tests.
"""

from supernet.harness.supernet.kernels.triton.layout import takes
from supernet.harness.supernet.kernels.triton.norm import batch_norm_add
from supernet.harness.supernet.kernels.triton.pool import avg_pool3x3
from supernet.harness.supernet.kernels.triton.stage import cells, cells_fit

__all__ = ["avg_pool3x3", "batch_norm_add", "cells", "cells_fit", "takes"]
