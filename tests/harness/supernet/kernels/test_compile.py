"""The kernels of cells compile for a GPU. Triton's interpreter does not see what its compiler refuses."""

import os
import subprocess
import sys

import pytest

from supernet.harness.supernet.kernels import without_triton

if missing := without_triton():
    pytest.skip(missing, allow_module_level=True)

SCRIPT = """
import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from supernet.harness.supernet.kernels.triton import cell_kernels

FLOATS = ("found", "saved", "gain", "shift", "sums")
kernel, channels = getattr(cell_kernels, sys.argv[1]), int(sys.argv[2])
constants = {"H": 8, "W": 8, "C": channels, "WIDE": channels, "ROWS": 64, "BLOCKS": 16}
constants |= {"AFFINE": True, "PRECISION": "ieee"}
types = {"path": "*i64", "ops": "*i64", "eps": "fp32"} | dict.fromkeys(FLOATS, "*fp32")
types |= dict.fromkeys(("nodes", "weights", "outs", "grads", "dx"), "*" + sys.argv[3])
names = kernel.arg_names
signature = {name: "constexpr" if name in constants else types.get(name, "i32") for name in names}
chosen = {name: value for name, value in constants.items() if name in names}
triton.compile(ASTSource(kernel, signature, chosen), target=GPUTarget("cuda", 90, 32))
"""
KERNELS = ("convolve", "merge", "join", "reduce", "total", "spread", "pull", "correlate")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("channels", "dtype"), [(16, "bf16"), (64, "fp32")])
def test_a_kernel_compiles(kernel, channels, dtype):
    compiled = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kernel, str(channels), dtype], env=compiled, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
